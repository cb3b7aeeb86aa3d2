"""Everything on the ticket page, in a fixed number of queries."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from policies.models import ActionType
from reviews.models import Ticket
from reviews.queries import dossier, precedents, recent_verdicts
from reviews.services.ask import answer_question, ask_upstream
from reviews.services.claim import claim_ticket
from reviews.services.settle import settle_due
from tests.factories import (
    NOW,
    ana,
    ben,
    gate_of,
    later,
    make_action,
    make_live_policy,
    make_workflow,
    submit_one,
)
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
# Beside the ticket itself, which is read past Django's cursor: its verdicts and its questions, where there are any.
QUERIES_OF_A_FRESH_ONE, QUERIES_OF_ONE_WITH_A_HISTORY = 0, 2
PAYLOAD = {"message": "Do you charge for topping up?", "amount": "12.00", "currency": "EUR"}


@pytest.fixture
def gate() -> Ticket:
    workflow = make_workflow()
    make_action(workflow)
    make_action(workflow, "trace_top_up")
    make_action(workflow, "retired", active=False)
    make_live_policy(workflow)
    return gate_of(submit_one())


def test_it_holds_what_a_reviewer_needs(gate):
    found = dossier(gate.pk, user=ana(), now=NOW)
    assert (found.action.key, found.table.action, found.table.payload) == ("refund_fee", "refund_fee", PAYLOAD)
    assert [spec.key for spec in found.overrides] == ["trace_top_up"]
    assert [reason.code for reason in found.reasons] == ["low_confidence"]
    assert [(each.action, each.title, each.confidence) for each in found.alternatives] == [
        ("trace_top_up", "Trace top up", "0.068271")
    ]
    assert found.policy_digest.startswith("sha256:")
    assert found.policy_number == found.live_policy_number
    assert found.allowed_verdicts == ("approve", "edit", "override", "reject")
    assert found.editable == ("/message", "/amount")
    assert (found.deliberate_acts, found.hold_seconds, found.held, found.holder) == (1, 5, False, "")
    assert (found.earlier, found.given, found.questions, found.outcome) == ((), (), (), None)


def test_it_says_who_holds_the_ticket(gate):
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    assert dossier(gate.pk, user=ana(), now=NOW).held
    seen = dossier(gate.pk, user=ben(), now=NOW)
    assert (seen.held, seen.holder) == (False, "Ana")


def test_it_shows_that_the_policy_changed_meanwhile(gate):
    pinned = dossier(gate.pk, user=ana(), now=NOW)
    ActionType.objects.filter(key="refund_fee").update(hold_seconds=60)
    make_live_policy(make_workflow())
    found = dossier(gate.pk, user=ana(), now=NOW)
    assert found.live_policy_number == pinned.policy_number + 1
    assert (found.policy_number, found.hold_seconds, found.shown_sha256) == (
        pinned.policy_number,
        5,
        pinned.shown_sha256,
    )


def test_what_is_bound_is_what_was_shown_and_not_when_or_by_whom_it_was_looked_at(gate):
    first = dossier(gate.pk, user=ana(), now=NOW).shown_sha256
    claim_ticket(gate.pk, reviewer=ben(), now=NOW)
    assert dossier(gate.pk, user=ben(), now=later(minutes=3)).shown_sha256 == first
    other = gate_of(submit_one(payload={**PAYLOAD, "amount": "12.01"}))
    assert dossier(other.pk, user=ana(), now=NOW).shown_sha256 != first


def test_it_takes_the_same_few_queries_whatever_has_happened(gate):
    reviewer = ana()
    dossier(gate.pk, user=reviewer, now=NOW)  # A process reads a policy once.
    with CaptureQueriesContext(
        connection,
    ) as fresh:
        dossier(gate.pk, user=reviewer, now=NOW)
    Ticket.objects.filter(pk=gate.pk).update(verdicts_needed=3)
    for number in range(3):
        epoch = claim_ticket(gate.pk, reviewer=reviewer, now=NOW).claim_epoch
        ask_upstream(gate.pk, reviewer=reviewer, epoch=epoch, text=f"Question {number}?", now=NOW)
        answer_question(gate.decision_id, client=gate.decision.client, text="Yes.", context=None, now=NOW)
    decide(gate, reviewer)
    decide(gate, ben())
    with CaptureQueriesContext(connection) as full:
        found = dossier(gate.pk, user=reviewer, now=NOW)
        assert [question.asked_by.username for question in found.questions] == ["ana"] * 3
        assert [verdict.reviewer.username for verdict in found.given] == ["ana", "ben"]
    assert (len(fresh), len(full)) == (QUERIES_OF_A_FRESH_ONE, QUERIES_OF_ONE_WITH_A_HISTORY)


def test_who_has_no_policy_to_go_by_can_only_reject():
    make_workflow()
    gate = gate_of(submit_one())
    found = dossier(gate.pk, user=ana(), now=NOW)
    assert (found.policy_number, found.policy_digest, found.action) == (None, "", None)
    assert found.allowed_verdicts == ("reject",)


def test_a_decision_that_no_version_judged_goes_by_the_live_one():
    workflow = make_workflow()
    gate = gate_of(submit_one())
    version = make_live_policy(workflow)
    found = dossier(gate.pk, user=ana(), now=NOW)
    assert (found.policy_digest, found.action.key) == (version.digest, "refund_fee")
    decide(gate, ana())


# --- Like cases -------------------------------------------------------------------------------------------------------


def test_precedents_are_settled_cases_that_are_alike_and_never_the_case_itself(gate, django_assert_num_queries):
    earlier = gate_of(submit_one(now=NOW))
    decide(earlier, ana(), "reject", reason_code="wrong_facts")
    settle_due(now=later(minutes=1))
    unlike = submit_one(
        action="trace_top_up", subject={"type": "customer", "id": "c-1"}, payload={"x": 1}, confidence=0.95
    )
    decision = submit_one()
    with django_assert_num_queries(4):
        found = precedents(decision)
    for alike in (found.same_subject, found.same_action, found.same_payload):
        assert [each.decision_id for each in alike] == [earlier.decision_id]
    (row,) = found.same_subject
    assert (row.outcome, row.decided_by, row.reason_code, row.action_title) == (
        "rejected",
        "Ana",
        "wrong_facts",
        "Refund fee",
    )
    assert unlike.pk not in {each.decision_id for each in found.same_action}


def test_who_decided_before_sees_their_last_verdicts_and_what_can_be_taken_back(gate, django_assert_num_queries):
    other = gate_of(submit_one())
    decide(gate, ana(), now=NOW)
    decide(other, ana(), "reject", now=later(minutes=1))
    reviewer = ana()
    with django_assert_num_queries(1):
        found = recent_verdicts(reviewer, now=later(minutes=1, seconds=3))
    assert [(each.ticket_id, each.kind) for each in found] == [(other.pk, "reject"), (gate.pk, "approve")]
    assert [each.undo_until for each in found] == [later(minutes=1, seconds=7), None]
    assert recent_verdicts(ben(), now=NOW) == ()
