"""A person's answer, from the moment it is sent until it binds."""

from datetime import timedelta

import pytest

from policies.domain.canonical import payload_sha256
from policies.domain.vocabulary import Reversibility
from reviews.domain.vocabulary import TicketState
from reviews.models import Event, Outcome, Ticket, Verdict
from reviews.queries import dossier
from reviews.services.claim import claim_ticket
from reviews.services.decide import (
    AlreadyDecided,
    ClaimLost,
    Held,
    InvalidAnswer,
    NotAllowed,
    NotVisible,
    Stale,
    TooSoon,
    give_verdict,
)
from reviews.services.settle import settle_due, settle_if_over
from tests.factories import (
    NOW,
    ana,
    ben,
    eve,
    gate_of,
    ines,
    later,
    make_action,
    make_live_policy,
    make_workflow,
    submit_one,
)
from tests.reviewing import READ, answer_to, decide

pytestmark = pytest.mark.django_db

PAYLOAD = {"message": "Do you charge for topping up?", "amount": "12.00", "currency": "EUR"}
FIXED = {**PAYLOAD, "message": "Topping up is free."}


@pytest.fixture
def gate() -> Ticket:
    make_live_policy()
    return gate_of(submit_one(confidence=0.62))


def reload(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def outcome_of(ticket: Ticket) -> Outcome:
    return Outcome.objects.get(decision=ticket.decision_id)


# --- The four answers ------------------------------------------------------------------------------------------------


def test_an_approval_binds_when_the_hold_is_over(gate):
    decide(gate, ana(), "approve")
    assert reload(gate).state == TicketState.DECIDED
    assert not Outcome.objects.exists()
    assert settle_due(now=NOW + READ + timedelta(seconds=5)) == 1
    outcome = outcome_of(gate)
    assert (outcome.kind, outcome.method, outcome.action) == ("approved", "human", "refund_fee")
    assert outcome.payload == PAYLOAD
    assert outcome.payload_sha256 == gate.decision.payload_sha256
    assert reload(gate).state == TicketState.SETTLED


def test_nothing_settles_before_the_hold_is_over(gate):
    decide(gate, ana(), "approve")
    assert settle_due(now=NOW + READ + timedelta(seconds=4.9)) == 0
    assert settle_if_over(reload(gate), now=NOW + READ + timedelta(seconds=4.9)) is None
    assert reload(gate).state == TicketState.DECIDED


def test_a_read_settles_what_the_sweep_has_not_reached(gate):
    decide(gate, ana(), "approve")
    outcome = settle_if_over(reload(gate), now=later(seconds=7))
    assert outcome is not None
    assert outcome.kind == "approved"


def test_without_a_hold_it_settles_at_once():
    make_action(make_workflow(), hold_seconds=0)
    make_live_policy()
    gate = gate_of(submit_one())
    decide(gate, ana(), "approve")
    assert outcome_of(gate).kind == "approved"


def test_an_edit_runs_as_it_was_edited(gate):
    decide(gate, ana(), "edit", payload=FIXED, material=False)
    settle_due(now=later(minutes=1))
    outcome = outcome_of(gate)
    assert (outcome.kind, outcome.payload, outcome.payload_sha256) == ("edited", FIXED, payload_sha256(FIXED))


def test_an_override_runs_the_other_action():
    workflow = make_workflow()
    make_action(workflow, "refund_fee")
    make_action(workflow, "trace_top_up", payload_schema={"type": "object", "required": ["reference"]})
    make_live_policy(workflow)
    gate = gate_of(submit_one())
    decide(gate, ana(), "override", action="trace_top_up", payload={"reference": "t-1"})
    settle_due(now=later(minutes=1))
    outcome = outcome_of(gate)
    assert (outcome.kind, outcome.action, outcome.payload) == ("overridden", "trace_top_up", {"reference": "t-1"})


def test_a_rejection_lets_nothing_run(gate):
    decide(gate, ana(), "reject", reason_code="against_policy")
    settle_due(now=later(minutes=1))
    outcome = outcome_of(gate)
    assert (outcome.kind, outcome.payload) == ("rejected", None)


def test_the_log_holds_the_verdict_beside_the_recommendation(gate):
    verdict = decide(gate, ana(), "edit", payload=FIXED, note="She asked for it on the phone.")
    event = Event.objects.get(kind="verdict.given")
    assert str(verdict.pk) in event.body
    assert gate.decision.payload_sha256 in event.body
    assert verdict.payload_sha256 in event.body
    assert "phone" not in event.body
    assert event.user == ana()


# --- What stands in the way, in order --------------------------------------------------------------------------------


def test_who_may_not_see_it_is_told_nothing(gate):
    with pytest.raises(NotVisible):
        decide(gate, eve())
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    with pytest.raises(NotVisible):
        give_verdict(gate.pk, reviewer=eve(), answer=answer_to(gate, ana()), now=later(seconds=5))


def test_who_looks_by_office_does_not_decide(gate):
    with pytest.raises(NotAllowed):
        claim_ticket(gate.pk, reviewer=ines(), now=NOW)


def test_a_resend_gives_the_stored_verdict(gate):
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    answer = answer_to(gate, ana())
    first = give_verdict(gate.pk, reviewer=ana(), answer=answer, now=later(seconds=2))
    again = give_verdict(gate.pk, reviewer=ana(), answer=answer, now=later(minutes=9))
    assert again == first
    assert Verdict.objects.count() == 1


def test_a_request_key_is_good_for_one_ticket(gate):
    other = gate_of(submit_one())
    decide(gate, ana(), request_key="k")
    with pytest.raises(InvalidAnswer) as refusal:
        decide(other, ana(), request_key="k")
    assert refusal.value.errors[0][0] == "/request_key"


def test_the_second_to_answer_learns_who_was_first_and_when(gate):
    claim_ticket(gate.pk, reviewer=ben(), now=NOW)
    answer = answer_to(gate, ben())
    Ticket.objects.filter(pk=gate.pk).update(claimed_until=NOW - timedelta(days=1))
    decide(gate, ana())
    with pytest.raises(AlreadyDecided) as refusal:
        give_verdict(gate.pk, reviewer=ben(), answer=answer, now=later(seconds=9))
    assert (refusal.value.by, refusal.value.at) == ("Ana", NOW + READ)


def test_a_ticket_that_somebody_else_holds_takes_no_answer(gate):
    claim_ticket(gate.pk, reviewer=ben(), now=NOW)
    with pytest.raises(Held) as refusal:
        give_verdict(gate.pk, reviewer=ana(), answer=answer_to(gate, ben()), now=later(seconds=5))
    assert refusal.value.by == "Ben"


def test_an_old_epoch_is_a_lost_claim(gate):
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    old = answer_to(gate, ana())
    Ticket.objects.filter(pk=gate.pk).update(claimed_until=NOW - timedelta(days=1))
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    with pytest.raises(ClaimLost):
        give_verdict(gate.pk, reviewer=ana(), answer=old, now=later(seconds=5))


def test_a_lease_that_ran_out_is_a_lost_claim(gate):
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    answer = answer_to(gate, ana())
    Ticket.objects.filter(pk=gate.pk).update(claimed_until=NOW - timedelta(days=1))
    with pytest.raises(ClaimLost):
        give_verdict(gate.pk, reviewer=ana(), answer=answer, now=later(seconds=5))


def test_who_left_the_group_meanwhile_decides_nothing(gate):
    claim_ticket(gate.pk, reviewer=ben(), now=NOW)
    answer = answer_to(gate, ben())
    ben().groups.remove(gate.group)
    with pytest.raises(NotAllowed):
        give_verdict(gate.pk, reviewer=ben(), answer=answer, now=later(seconds=5))


@pytest.mark.parametrize("changes", [{"version": 1}, {"shown_sha256": "0" * 64}])
def test_an_answer_to_what_was_not_shown_is_stale(gate, changes):
    with pytest.raises(Stale):
        decide(gate, ana(), **changes)


def test_nobody_reads_in_a_fifth_of_a_second(gate):
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    answer = answer_to(gate, ana())
    with pytest.raises(TooSoon):
        give_verdict(gate.pk, reviewer=ana(), answer=answer, now=later(seconds=0.29))
    give_verdict(gate.pk, reviewer=ana(), answer=answer, now=later(seconds=0.31))


def test_after_the_deadline_no_answer_counts():
    make_live_policy()
    gate = gate_of(submit_one(deadline="2026-03-02T09:00:10Z"))
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    with pytest.raises(AlreadyDecided):
        give_verdict(gate.pk, reviewer=ana(), answer=answer_to(gate, ana()), now=later(seconds=10))


# --- What an answer must hold ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "changes", "place"),
    [
        ("perhaps", {}, "/kind"),
        ("reject", {"reason_code": ""}, "/reason_code"),
        ("reject", {"reason_code": "dunno"}, "/reason_code"),
        ("override", {"reason_code": "", "action": "trace_top_up", "payload": {}}, "/reason_code"),
        ("override", {"action": "refund_fee", "payload": {}}, "/action"),
        ("override", {"action": "nonesuch", "payload": {}}, "/action"),
        ("override", {"action": "trace_top_up"}, "/payload"),
        ("override", {"action": "trace_top_up", "payload": {"reference": 7}}, "/payload/reference"),
        ("edit", {"payload": None}, "/payload"),
        ("edit", {"payload": FIXED, "material": None}, "/material"),
        ("edit", {"payload": PAYLOAD}, "/payload"),
        ("edit", {"payload": {**PAYLOAD, "currency": "USD"}}, "/payload/currency"),
        ("edit", {"payload": {**PAYLOAD, "to": "x"}}, "/payload/to"),
        ("edit", {"payload": {"message": "x", "amount": "12.00"}}, "/payload/currency"),
        ("edit", {"payload": {**PAYLOAD, "message": 7}}, "/payload/message"),
        ("edit", {"payload": {**PAYLOAD, "message": "\x00"}}, "/payload/message"),
        ("approve", {"note": "\x00"}, "/note"),
        ("approve", {"note": "x" * 5001}, "/note"),
        ("approve", {"reasoning_rating": 6}, "/reasoning_rating"),
        ("approve", {"request_key": ""}, "/request_key"),
    ],
)
def test_a_faulty_answer_names_the_place(kind, changes, place):
    workflow = make_workflow()
    schema = {"type": "object", "properties": {"message": {"type": "string"}}}
    make_action(workflow, "refund_fee", payload_schema=schema)
    make_action(
        workflow, "trace_top_up", payload_schema={"type": "object", "properties": {"reference": {"type": "string"}}}
    )
    make_live_policy(workflow)
    gate = gate_of(submit_one())
    with pytest.raises(InvalidAnswer) as refusal:
        decide(gate, ana(), kind, **changes)
    assert place in [found for found, _ in refusal.value.errors]
    assert not Verdict.objects.exists()
    assert reload(gate).state == TicketState.CLAIMED


def test_an_action_may_allow_fewer_answers():
    workflow = make_workflow()
    make_action(workflow, allowed_verdicts=["approve", "reject"])
    make_live_policy(workflow)
    gate = gate_of(submit_one())
    assert dossier(gate.pk, user=ana(), now=NOW).allowed_verdicts == ("approve", "reject")
    with pytest.raises(InvalidAnswer):
        decide(gate, ana(), "edit", payload=FIXED)


def test_an_unknown_action_can_be_rejected_but_not_approved():
    make_live_policy()
    gate = gate_of(submit_one(action="fire_rocket"))
    with pytest.raises(InvalidAnswer):
        decide(gate, ana(), "approve")
    decide(gate, ana(), "reject")
    assert reload(gate).state == TicketState.DECIDED


def test_an_unknown_action_can_be_approved_once_it_is_registered():
    workflow = make_workflow()
    make_live_policy(workflow)
    gate = gate_of(submit_one(action="send_letter"))
    make_action(workflow, "send_letter")
    make_live_policy(workflow, verdicts_needed=2)
    decide(gate, ana(), "approve")
    assert (reload(gate).state, reload(gate).stage) == (TicketState.OPEN, 2)  # the stricter of the two governs


def test_two_deliberate_acts_are_needed_where_it_cannot_be_undone():
    workflow = make_workflow()
    make_action(workflow, reversibility=Reversibility.IRREVERSIBLE)
    make_live_policy(workflow)
    gate = gate_of(submit_one())
    with pytest.raises(InvalidAnswer) as refusal:
        decide(gate, ana(), acts=1)
    assert refusal.value.errors[0][0] == "/acts"
    decide(gate, ana(), acts=2)


def test_a_rejection_takes_one_act_however_high_the_stakes():
    workflow = make_workflow()
    make_action(workflow, reversibility=Reversibility.IRREVERSIBLE)
    make_live_policy(workflow)
    decide(gate_of(submit_one()), ana(), "reject", acts=1)
