"""What time and upstream do to tickets."""

from datetime import timedelta

import pytest

from policies.domain.vocabulary import VerdictKind
from reviews.domain.vocabulary import TicketKind, TicketState
from reviews.models import Delivery, Endpoint, Event, Outcome, Ticket
from reviews.queries import decision_status, dossier
from reviews.services.ask import KEPT_MINUTES, NothingToAnswer, UnknownDecision, answer_question, ask_upstream
from reviews.services.claim import claim_next, claim_ticket, release_claim
from reviews.services.decide import give_verdict
from reviews.services.settle import (
    AlreadySettled,
    cancel_decision,
    escalate_due,
    expire_due,
    lapse_due,
    settle_due,
)
from tests.factories import (
    ESCALATION,
    NOW,
    ana,
    ben,
    gate_of,
    later,
    make_client,
    make_live_policy,
    omar,
    submit_one,
)
from tests.reviewing import answer_to, decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def gate() -> Ticket:
    make_live_policy()
    return gate_of(submit_one())


def reload(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def told(ticket: Ticket) -> Endpoint:
    """An endpoint of the ticket's client."""
    return Endpoint.objects.create(client=ticket.decision.client, url="https://hooks.example/x", secret="whsec_eA==")


def kinds_of(ticket: Ticket) -> list[str]:
    return list(Event.objects.filter(decision=ticket.decision).order_by("id").values_list("kind", flat=True))


# --- The end of a hold ------------------------------------------------------------------------------------------------


def test_a_settled_gate_tells_upstream(gate):
    told(gate)
    decide(gate, ana())
    settle_due(now=later(minutes=1))
    delivery = Delivery.objects.get()
    assert delivery.type == "decision.settled"
    assert '"status":"approved"' in delivery.body
    assert "topping up" not in delivery.body  # a thin body: no content of the decision
    assert kinds_of(gate)[-1] == "outcome.settled"


def test_settling_twice_settles_once(gate):
    decide(gate, ana())
    assert settle_due(now=later(minutes=1)) == 1
    assert settle_due(now=later(minutes=2)) == 0
    assert Outcome.objects.count() == 1


def make_audit(ticket_kind: str = TicketKind.AUDIT) -> Ticket:
    """A ticket about a decision that ran alone."""
    make_live_policy()
    decision = submit_one(confidence=0.95)
    return Ticket.objects.create(
        decision=decision,
        kind=ticket_kind,
        workflow=decision.workflow,
        group=decision.workflow.review_group,
        priority=3,
        created_at=NOW,
        due_at=later(days=3),
    )


def test_an_audit_that_agrees_settles_into_a_finding_and_changes_nothing():
    audit = make_audit()
    told(audit)
    before = Outcome.objects.get()
    decide(audit, ana())
    settle_due(now=later(minutes=1))
    assert Outcome.objects.get() == before
    assert kinds_of(audit)[-1] == "ticket.settled"
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("answer", "disagrees"),
    [
        ({"kind": "reject", "reason_code": "wrong_action"}, True),
        ({"kind": "edit", "material": True}, True),
        ({"kind": "edit", "material": False}, False),
    ],
)
def test_an_audit_that_disagrees_sends_the_correction(answer, disagrees):
    audit = make_audit()
    told(audit)
    if answer["kind"] == VerdictKind.EDIT:
        answer = {**answer, "payload": {**audit.decision.payload, "amount": "11.00"}}
    verdict = decide(audit, ana(), **answer)
    settle_due(now=later(minutes=1))
    assert ("audit.disagreed" in kinds_of(audit)) is disagrees
    deliveries = list(Delivery.objects.values_list("type", "body"))
    assert [kind for kind, _ in deliveries] == (["decision.audit_disagreed"] if disagrees else [])
    if disagrees and verdict.kind == VerdictKind.EDIT:
        assert verdict.payload_sha256 in deliveries[0][1]
    assert Outcome.objects.get().kind == "approved"


# --- Cancelled --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["open", "claimed", "waiting", "decided"])
def test_upstream_can_cancel_until_it_is_settled(gate, state):
    if state == "claimed":
        claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    elif state == "waiting":
        claim_ticket(gate.pk, reviewer=ana(), now=NOW)
        ask_upstream(gate.pk, reviewer=ana(), epoch=1, text="Which plan?", now=NOW)
    elif state == "decided":
        decide(gate, ana())
    told(gate)
    client = gate.decision.client
    outcome = cancel_decision(gate.decision_id, client=client, reason="No longer needed.", now=later(seconds=3))
    assert (outcome.kind, outcome.method, outcome.payload) == ("cancelled", "system", None)
    assert reload(gate).state == TicketState.WITHDRAWN
    assert kinds_of(gate)[-2:] == ["decision.cancelled", "outcome.settled"]
    assert "No longer" not in Event.objects.get(kind="decision.cancelled").body
    assert Delivery.objects.get().type == "decision.settled"
    again = cancel_decision(gate.decision_id, client=client, reason="", now=later(minutes=3))
    assert again == outcome


def test_a_cancel_after_the_hold_comes_too_late(gate):
    decide(gate, ana())
    with pytest.raises(AlreadySettled) as refusal:
        cancel_decision(gate.decision_id, client=gate.decision.client, reason="", now=later(seconds=7))
    assert refusal.value.outcome.kind == "approved"
    assert Outcome.objects.get().kind == "approved"


def test_what_ran_alone_can_not_be_cancelled():
    make_live_policy()
    decision = submit_one(confidence=0.95)
    with pytest.raises(AlreadySettled):
        cancel_decision(decision.pk, client=decision.client, reason="", now=NOW)


def test_nobody_cancels_anothers_decision(gate):
    other, _ = make_client("Another agent")
    with pytest.raises(UnknownDecision):
        cancel_decision(gate.decision_id, client=other, reason="", now=NOW)
    assert reload(gate).state == TicketState.OPEN


def test_an_audit_is_not_cancelled():
    audit = make_audit()
    with pytest.raises(AlreadySettled):
        cancel_decision(audit.decision_id, client=audit.decision.client, reason="", now=NOW)
    assert reload(audit).state == TicketState.OPEN


# --- Out of time ------------------------------------------------------------------------------------------------------


@pytest.fixture
def urgent() -> Ticket:
    make_live_policy()
    return gate_of(submit_one(deadline="2026-03-02T09:30:00Z"))


@pytest.mark.parametrize("state", ["open", "claimed", "waiting"])
def test_past_its_deadline_a_gate_expires_and_nothing_runs(urgent, state):
    if state != "open":
        claim_ticket(urgent.pk, reviewer=ana(), now=NOW)
    if state == "waiting":
        ask_upstream(urgent.pk, reviewer=ana(), epoch=1, text="Which plan?", now=NOW)
    assert expire_due(now=later(minutes=29)) == 0
    assert expire_due(now=later(minutes=30)) == 1
    outcome = Outcome.objects.get()
    assert (outcome.kind, outcome.method, outcome.payload, outcome.verdict) == ("expired", "system", None, None)
    assert reload(urgent).state == TicketState.EXPIRED
    assert expire_due(now=later(minutes=31)) == 0


def test_a_verdict_in_time_counts_though_its_hold_ends_later(urgent):
    decide(urgent, ana(), now=later(minutes=29, seconds=57))
    assert expire_due(now=later(minutes=31)) == 0
    assert settle_due(now=later(minutes=31)) == 1
    assert Outcome.objects.get().kind == "approved"


def test_an_audit_does_not_expire():
    audit = make_audit()
    Ticket.objects.filter(pk=audit.pk).update(deadline=NOW)
    assert expire_due(now=later(days=9)) == 0


# --- Due --------------------------------------------------------------------------------------------------------------


def test_what_waited_too_long_goes_before_the_escalation_group_once(gate):
    assert escalate_due(now=gate.due_at - timedelta(seconds=1)) == 0
    assert escalate_due(now=gate.due_at) == 1
    ticket = reload(gate)
    assert (ticket.group.name, ticket.priority, ticket.escalated_at, ticket.state) == (
        ESCALATION,
        0,
        gate.due_at,
        TicketState.OPEN,
    )
    assert escalate_due(now=gate.due_at + timedelta(days=1)) == 0
    assert claim_next(reviewer=ana(), now=gate.due_at) is None
    assert claim_next(reviewer=omar(), now=gate.due_at) == gate


def test_who_holds_it_when_it_falls_due_finishes_it(gate):
    start = gate.due_at - timedelta(seconds=5)
    claim_ticket(gate.pk, reviewer=ana(), now=start)
    answer = answer_to(gate, ana())
    assert escalate_due(now=gate.due_at) == 1
    give_verdict(gate.pk, reviewer=ana(), answer=answer, now=gate.due_at)
    assert reload(gate).state == TicketState.DECIDED


def test_given_back_after_it_fell_due_it_goes_to_the_escalation_group(gate):
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    escalate_due(now=gate.due_at)
    release_claim(gate.pk, reviewer=ana(), epoch=1, now=gate.due_at)
    assert reload(gate).group.name == ESCALATION


def test_a_lease_that_ran_out_comes_back_by_the_database_clock(gate):
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    assert lapse_due(now=later(days=400)) == 0
    Ticket.objects.filter(pk=gate.pk).update(claimed_until=NOW - timedelta(days=1))
    assert lapse_due(now=NOW) == 1
    ticket = reload(gate)
    assert (ticket.state, ticket.claimed_by, ticket.claimed_until) == (TicketState.OPEN, None, None)


# --- Asked and answered -----------------------------------------------------------------------------------------------


def ask(gate: Ticket, text: str = "Which plan?", *, now=NOW):
    claimed = claim_ticket(gate.pk, reviewer=ana(), now=now)
    return ask_upstream(gate.pk, reviewer=ana(), epoch=claimed.claim_epoch, text=text, now=now)


def test_a_question_goes_upstream_and_the_ticket_waits(gate):
    told(gate)
    ask(gate)
    assert reload(gate).state == TicketState.WAITING
    assert decision_status(gate.decision) == "asked"
    delivery = Delivery.objects.get()
    assert delivery.type == "decision.asked"
    assert "Which plan" not in delivery.body
    assert claim_next(reviewer=ben(), now=later(minutes=1)) is None


def test_the_clock_stands_still_while_it_waits(gate):
    ask(gate, now=later(minutes=1))
    assert escalate_due(now=gate.due_at + timedelta(hours=9)) == 0
    client = gate.decision.client
    answer_question(
        gate.decision_id, client=client, text="The small one.", context=None, now=later(hours=10, minutes=1)
    )
    assert reload(gate).due_at == gate.due_at + timedelta(hours=10)


def test_the_answer_comes_back_to_who_asked_first(gate):
    ask(gate)
    older = gate_of(submit_one(now=later(minutes=-30)))
    answer_question(gate.decision_id, client=gate.decision.client, text="Small.", context={"plan": "s"}, now=NOW)
    assert claim_next(reviewer=ben(), now=later(minutes=1)) == older
    assert claim_next(reviewer=ben(), now=later(minutes=1)) is None
    shown = dossier(gate.pk, user=ana(), now=NOW)
    assert [(each.text, each.answer, each.answer_context) for each in shown.questions] == [
        ("Which plan?", "Small.", {"plan": "s"})
    ]
    release_claim(older.pk, reviewer=ben(), epoch=1, now=later(minutes=1))
    assert claim_next(reviewer=ana(), now=later(minutes=2)) == gate


def test_after_a_while_it_comes_to_anybody(gate):
    ask(gate)
    answer_question(gate.decision_id, client=gate.decision.client, text="Small.", context=None, now=NOW)
    assert claim_next(reviewer=ben(), now=later(minutes=KEPT_MINUTES) - timedelta(seconds=1)) is None
    assert claim_next(reviewer=ben(), now=later(minutes=KEPT_MINUTES)) == gate


def test_an_answer_changes_what_a_verdict_binds_to(gate):
    before = dossier(gate.pk, user=ana(), now=NOW).shown_sha256
    ask(gate)
    answer_question(gate.decision_id, client=gate.decision.client, text="Small.", context=None, now=NOW)
    assert dossier(gate.pk, user=ana(), now=NOW).shown_sha256 != before


def test_there_is_nothing_to_answer_unasked_or_twice(gate):
    client = gate.decision.client
    with pytest.raises(NothingToAnswer):
        answer_question(gate.decision_id, client=client, text="x", context=None, now=NOW)
    ask(gate)
    answer_question(gate.decision_id, client=client, text="x", context=None, now=NOW)
    with pytest.raises(NothingToAnswer):
        answer_question(gate.decision_id, client=client, text="y", context=None, now=NOW)
    other, _ = make_client("Another agent")
    with pytest.raises(UnknownDecision):
        answer_question(gate.decision_id, client=other, text="x", context=None, now=NOW)
