"""What was settled becomes labels and tallies, once."""

import threading
from decimal import Decimal

import pytest
from django.db import connection

from feedback.models import Label, ReasonTally, Tally
from feedback.services import collect_labels
from policies.domain.vocabulary import VerdictKind
from policies.models import Workflow
from reviews.domain.vocabulary import Scope, TicketKind
from reviews.models import Client, Decision, Ticket
from reviews.services.report import report_truth
from reviews.services.settle import cancel_decision, settle_due
from tests.concurrency import until_readable
from tests.factories import (
    ana,
    ben,
    gate_of,
    later,
    make_action,
    make_client,
    make_live_policy,
    make_workflow,
    submit_one,
)
from tests.reviewing import decide

pytestmark = pytest.mark.django_db(transaction=True)
EDITED = {"message": "Dear customer, topping up is free.", "amount": "12.00", "currency": "EUR"}


@pytest.fixture(autouse=True)
def policy():
    for action in ("refund_fee", "trace_top_up"):
        make_action(make_workflow(), action)
    make_live_policy(audit_rate=Decimal(1))


def settled(decision: Decision, *answers, kind: str = TicketKind.GATE) -> Decision:
    """The decision after Ana's answer (and Ben's), with the hold over."""
    ticket = Ticket.objects.get(decision=decision, kind=kind)
    for reviewer, (answer, changes) in zip((ana(), ben()), answers, strict=False):
        decide(ticket, reviewer, answer, **changes)
    settle_due(now=later(minutes=1))
    return decision


def collect(**options) -> int:
    until_readable()
    return collect_labels(now=later(minutes=2), **options).labels


def label_of(decision: Decision) -> Label:
    return Label.objects.get(decision=decision, stands=True)


def independent_client() -> Client:
    return make_client("Ledger", independent=True, scopes=[Scope.TRUTH_WRITE])[0]


@pytest.mark.parametrize(
    ("answer", "changes", "right", "right_action"),
    [
        ("approve", {}, True, "refund_fee"),
        ("edit", {"payload": EDITED, "material": False}, True, "refund_fee"),
        ("edit", {"payload": EDITED, "material": True}, False, "refund_fee"),
        ("override", {"action": "trace_top_up", "payload": {"amount": "12.00"}}, False, "trace_top_up"),
        ("reject", {}, False, ""),
    ],
)
def test_anas_verdict_on_a_gate_labels_the_decision(answer, changes, right, right_action):
    decision = settled(submit_one(confidence=0.62), (answer, changes))
    assert collect() == 1
    label = label_of(decision)
    assert (label.source, label.ai_was_right, label.right_action) == ("gate", right, right_action)
    assert (label.flag_probability, label.label_probability) == (1, 1)
    tally = Tally.objects.get(ticket_kind=TicketKind.GATE)
    assert (tally.verdict, tally.count, tally.in_time, tally.seconds) == (answer, 1, 1, 2.0)
    assert (tally.reviewer, tally.band, tally.policy_version, tally.flagged) == (ana(), 6, 1, True)
    reason = ReasonTally.objects.get()
    assert (reason.reason, reason.verdict, reason.count) == ("low_confidence", answer, 1)


def test_an_audit_labels_what_ran_alone_with_the_probability_of_its_flag():
    make_live_policy(audit_rate=Decimal("0.9999"))
    decision = submit_one(confidence=0.95)
    assert Ticket.objects.filter(decision=decision, kind=TicketKind.AUDIT).exists()
    settled(decision, ("reject", {}), kind=TicketKind.AUDIT)
    collect()
    label = label_of(decision)
    assert (label.source, label.ai_was_right, label.label_probability) == ("audit", False, Decimal("0.9999"))
    assert Tally.objects.get(ticket_kind=TicketKind.AUDIT).route == "auto"
    assert not ReasonTally.objects.exists(), "nothing escalated"


def test_every_decision_is_tallied_as_it_was_routed():
    for confidence in (0.95, 0.97, 0.62):
        submit_one(confidence=confidence)
    collect()
    counts = {(tally.route, tally.band): tally.count for tally in Tally.objects.filter(ticket_kind="")}
    assert counts == {("auto", 9): 2, ("review", 6): 1}


def test_collected_twice_counts_once():
    settled(submit_one(confidence=0.62), ("approve", {}))
    assert collect() == 1
    assert collect() == 0
    assert Label.objects.count() == 1
    assert sum(Tally.objects.values_list("count", flat=True)) == 2, "one arrival, one verdict"


def test_what_is_not_settled_teaches_nothing_yet():
    decision = submit_one(confidence=0.62)
    decide(gate_of(decision), ana())
    assert collect() == 0
    settle_due(now=later(minutes=1))
    assert collect() == 1


def test_what_upstream_cancelled_is_no_label():
    decision = submit_one(confidence=0.62)
    cancel_decision(decision.pk, client=decision.client, reason="Done by hand.", now=later(minutes=1))
    assert collect() == 0
    assert not Tally.objects.exclude(ticket_kind="").exists()


def test_who_confirms_an_override_is_counted_with_it():
    make_live_policy(thresholds=[{"verdicts_needed": 2}])
    decision = settled(
        submit_one(confidence=0.62),
        ("override", {"action": "trace_top_up", "payload": {"amount": "12.00"}}),
        ("approve", {}),
    )
    collect()
    assert not label_of(decision).ai_was_right
    assert Tally.objects.get(ticket_kind=TicketKind.GATE).verdict == VerdictKind.OVERRIDE


def test_known_answers_are_out_of_every_figure():
    client, _ = make_client("Known answers", internal=True)
    decision = settled(submit_one(client=client, confidence=0.62), ("approve", {}), kind=TicketKind.KNOWN_ANSWER)
    assert decision.internal
    assert collect() == 0
    assert not Tally.objects.exists()


# --- Second opinions -------------------------------------------------------------------------------------------------


def test_what_settled_is_asked_again_and_the_second_answer_is_a_label_of_its_own():
    Workflow.objects.update(second_opinion_share=1)
    ben()
    decision = settled(submit_one(confidence=0.62), ("reject", {}))
    collect()
    ticket = Ticket.objects.get(decision=decision, kind=TicketKind.SECOND_OPINION)
    decide(ticket, ben(), now=later(minutes=2))
    settle_due(now=later(minutes=3))
    collect()
    assert not label_of(decision).ai_was_right, "the first stands"
    second = Label.objects.get(decision=decision, source="second_opinion")
    assert (second.ai_was_right, second.right_action, second.ticket) == (True, "refund_fee", ticket)
    assert Ticket.objects.filter(decision=decision).count() == 2, "a second opinion asks for no third"


# --- Truth -----------------------------------------------------------------------------------------------------------


def test_an_independent_truth_stands_above_the_verdict():
    decision = settled(submit_one(confidence=0.62), ("approve", {}))
    collect()
    report_truth(decision.pk, client=independent_client(), right_action="trace_top_up", detail="", now=later(days=1))
    collect()
    label = label_of(decision)
    assert (label.source, label.ai_was_right, label.right_action) == ("ground_truth", False, "trace_top_up")
    assert Label.objects.filter(decision=decision).count() == 2, "the verdict's label is kept, and counts no more"


@pytest.mark.parametrize(("right_action", "labels"), [("refund_fee", 0), ("trace_top_up", 1)])
def test_of_the_client_that_proposed_only_unfavourable_truth_counts(right_action, labels):
    decision = submit_one(confidence=0.95)
    report_truth(decision.pk, client=decision.client, right_action=right_action, detail="", now=later(days=1))
    assert collect() == labels


def test_where_two_truths_differ_the_unfavourable_one_stands():
    decision = submit_one(confidence=0.95)
    report_truth(decision.pk, client=decision.client, right_action="trace_top_up", detail="", now=later(days=1))
    collect()
    report_truth(decision.pk, client=independent_client(), right_action="refund_fee", detail="", now=later(days=2))
    collect()
    assert not label_of(decision).ai_was_right


def test_truth_of_what_nobody_drew_enters_no_estimate():
    make_live_policy(audit_rate=Decimal("0.0001"))
    decision = submit_one(confidence=0.95)
    assert not decision.flagged
    report_truth(decision.pk, client=independent_client(), right_action="refund_fee", detail="", now=later(days=1))
    collect()
    assert label_of(decision).label_probability is None


# --- Lags, restarts, rivals ------------------------------------------------------------------------------------------


def test_a_backlog_is_taken_in_by_stretches():
    for _ in range(5):
        submit_one(confidence=0.95)
    until_readable()
    first = collect_labels(now=later(), stretches=1, stretch=3)
    assert first.more
    assert first.events == 3
    rest = collect_labels(now=later(), stretches=100, stretch=3)
    assert not rest.more
    assert Tally.objects.get(ticket_kind="").count == 5


def test_two_workers_at_once_count_everything_once():
    for _ in range(20):
        settled(submit_one(confidence=0.62), ("approve", {}))

    def work():
        try:
            for _ in range(10):
                collect_labels(now=later(minutes=2), stretches=3, stretch=7)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    collect()
    assert Label.objects.count() == 20
    assert Tally.objects.get(ticket_kind=TicketKind.GATE).count == 20
    assert Tally.objects.get(ticket_kind="").count == 20
