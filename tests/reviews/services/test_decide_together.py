"""Decisions that take more than one person: stages, changes that are judged again, disputes."""

from datetime import timedelta

import pytest

from policies.domain.vocabulary import Reversibility
from reviews.domain.vocabulary import TicketState
from reviews.models import Event, Outcome, Ticket
from reviews.queries import dossier
from reviews.services.claim import claim_next, claim_ticket
from reviews.services.decide import HoldOver, InvalidAnswer, NotAllowed, undo_verdict
from reviews.services.settle import lapse_due, settle_due
from tests.factories import (
    ESCALATION,
    NOW,
    SUPPORT,
    ana,
    ben,
    gate_of,
    later,
    make_action,
    make_live_policy,
    make_user,
    make_workflow,
    omar,
    submit_one,
)
from tests.reviewing import decide

pytestmark = pytest.mark.django_db

PAYLOAD = {"message": "Do you charge for topping up?", "amount": "12.00", "currency": "EUR"}
FIXED = {**PAYLOAD, "message": "Topping up is free."}
LARGE = {**PAYLOAD, "amount": "62.00"}


def reload(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def outcome_of(ticket: Ticket) -> Outcome:
    return Outcome.objects.get(decision=ticket.decision_id)


# --- More than one person --------------------------------------------------------------------------------------------


@pytest.fixture
def gate_of_two() -> Ticket:
    make_live_policy(verdicts_needed=2)
    return gate_of(submit_one())


def test_two_people_who_agree_decide(gate_of_two):
    decide(gate_of_two, ana())
    assert (reload(gate_of_two).state, reload(gate_of_two).stage) == (TicketState.OPEN, 2)
    decide(gate_of_two, ben())
    settle_due(now=later(minutes=1))
    outcome = outcome_of(gate_of_two)
    assert (outcome.kind, outcome.verdict.reviewer) == ("approved", ben())


def test_nobody_is_two_people(gate_of_two):
    decide(gate_of_two, ana())
    assert claim_next(reviewer=ana(), now=later(minutes=1)) is None
    with pytest.raises(NotAllowed):
        claim_ticket(gate_of_two.pk, reviewer=ana(), now=later(minutes=1))
    assert claim_next(reviewer=ben(), now=later(minutes=1)) == gate_of_two


def test_the_second_person_does_not_learn_what_the_first_approved(gate_of_two):
    decide(gate_of_two, ana())
    shown = dossier(gate_of_two.pk, user=ben(), now=NOW)
    assert shown.earlier == ()
    assert shown.table.payload == PAYLOAD


def test_an_edit_is_confirmed_by_its_hash(gate_of_two):
    decide(gate_of_two, ana(), "edit", payload=FIXED)
    shown = dossier(gate_of_two.pk, user=ben(), now=NOW)
    assert (shown.table.payload, [verdict.reviewer for verdict in shown.earlier]) == (FIXED, [ana()])
    decide(gate_of_two, ben(), "approve")
    settle_due(now=later(minutes=1))
    assert (outcome_of(gate_of_two).kind, outcome_of(gate_of_two).payload) == ("edited", FIXED)


def test_people_who_disagree_go_to_the_escalation_group_whose_answer_is_final(gate_of_two):
    decide(gate_of_two, ana(), "approve")
    decide(gate_of_two, ben(), "reject")
    disputed = reload(gate_of_two)
    assert (disputed.state, disputed.group.name, disputed.stage, disputed.priority) == ("disputed", ESCALATION, 3, 0)
    assert claim_next(reviewer=ben(), now=NOW) is None
    assert claim_next(reviewer=omar(), now=NOW) == disputed
    shown = dossier(disputed.pk, user=omar(), now=NOW)
    assert [verdict.kind for verdict in shown.earlier] == ["approve", "reject"]
    decide(disputed, omar(), "approve")
    settle_due(now=later(minutes=1))
    assert (outcome_of(disputed).kind, outcome_of(disputed).verdict.reviewer) == ("approved", omar())


def test_a_dispute_about_an_edit_can_end_in_the_edit(gate_of_two):
    decide(gate_of_two, ana(), "edit", payload=FIXED)
    decide(gate_of_two, ben(), "reject")
    shown = dossier(gate_of_two.pk, user=omar(), now=NOW)
    assert shown.table.payload == PAYLOAD
    decide(gate_of_two, omar(), "edit", payload=FIXED)
    settle_due(now=later(minutes=1))
    assert outcome_of(gate_of_two).payload == FIXED


def test_a_dispute_stays_one_when_it_is_given_back(gate_of_two):
    decide(gate_of_two, ana(), "approve")
    decide(gate_of_two, ben(), "reject")
    claim_ticket(gate_of_two.pk, reviewer=omar(), now=NOW)
    Ticket.objects.filter(pk=gate_of_two.pk).update(claimed_until=NOW - timedelta(days=1))
    assert lapse_due(now=NOW) == 1
    assert reload(gate_of_two).state == TicketState.DISPUTED


# --- Edits and overrides are judged too ------------------------------------------------------------------------------


def test_an_edit_past_the_limit_takes_two_deliberate_acts():
    make_live_policy(thresholds=[{"largest_amount": 50, "currency": "EUR"}])
    gate = gate_of(submit_one())
    with pytest.raises(InvalidAnswer) as refusal:
        decide(gate, ana(), "edit", payload=LARGE, acts=1)
    assert refusal.value.errors[0][0] == "/acts"
    decide(gate, ana(), "edit", payload=LARGE, acts=2)
    assert reload(gate).state == TicketState.DECIDED


def test_an_edit_into_a_rule_needs_as_many_people_as_the_rule():
    rule = {"expression": "amount > 50.0", "sentence": "It is a large one.", "verdicts_needed": 2}
    make_live_policy(rules=[rule])
    gate = gate_of(submit_one())
    decide(gate, ana(), "edit", payload=LARGE)
    assert (reload(gate).state, reload(gate).stage, reload(gate).verdicts_needed) == (TicketState.OPEN, 2, 2)
    assert dossier(gate.pk, user=ben(), now=NOW).table.payload == LARGE
    decide(gate, ben(), "approve")
    settle_due(now=later(minutes=1))
    assert outcome_of(gate).payload == LARGE


def test_an_edit_out_of_a_rule_still_needs_as_many_as_before():
    rule = {"expression": "amount > 50.0", "sentence": "It is a large one.", "verdicts_needed": 2}
    make_live_policy(rules=[rule])
    gate = gate_of(submit_one(payload=LARGE))
    decide(gate, ana(), "edit", payload=PAYLOAD)
    assert reload(gate).state == TicketState.OPEN


def test_an_edit_into_a_rule_of_another_group_goes_on_to_that_group():
    rule = {"expression": "amount > 50.0", "sentence": "It is a large one.", "group": "Finance"}
    make_live_policy(rules=[rule])
    fay = make_user("fay", groups=["Finance"])
    gate = gate_of(submit_one())
    decide(gate, ana(), "edit", payload=LARGE)
    assert (reload(gate).state, reload(gate).group.name) == (TicketState.OPEN, "Finance")
    assert claim_next(reviewer=ben(), now=NOW) is None
    decide(gate, fay, "approve")
    assert reload(gate).state == TicketState.DECIDED


def test_who_is_in_that_group_already_answers_for_it():
    rule = {"expression": "amount > 50.0", "sentence": "It is a large one.", "group": "Finance"}
    make_live_policy(rules=[rule])
    fay = make_user("fay", groups=["Finance", SUPPORT])
    gate = gate_of(submit_one())
    decide(gate, fay, "edit", payload=LARGE)
    assert reload(gate).state == TicketState.DECIDED


def test_an_override_to_what_cannot_be_undone_takes_two_acts():
    workflow = make_workflow()
    make_action(workflow)
    make_action(workflow, "close_account", reversibility=Reversibility.IRREVERSIBLE)
    make_live_policy(workflow)
    gate = gate_of(submit_one())
    with pytest.raises(InvalidAnswer) as refusal:
        decide(gate, ana(), "override", action="close_account", payload={}, acts=1)
    assert refusal.value.errors[0][0] == "/acts"
    decide(gate, ana(), "override", action="close_account", payload={}, acts=2)
    assert "irreversible" in Event.objects.get(kind="verdict.given").body


def test_where_nobody_knows_who_asked_a_change_under_separation_needs_two_people():
    workflow = make_workflow()
    make_action(workflow)
    make_action(workflow, "pay_out")
    make_live_policy(workflow, thresholds=[{}, {"action": "pay_out", "separation": True}])
    gate = gate_of(submit_one())
    decide(gate, ana(), "override", action="pay_out", payload={})
    assert (reload(gate).state, reload(gate).verdicts_needed) == (TicketState.OPEN, 2)


def test_what_judged_is_pinned_whatever_was_published_since():
    workflow = make_workflow()
    make_live_policy(workflow)
    gate = gate_of(submit_one())
    make_live_policy(workflow, verdicts_needed=3)
    decide(gate, ana(), "edit", payload=FIXED)
    assert reload(gate).state == TicketState.DECIDED


# --- Taking it back --------------------------------------------------------------------------------------------------


@pytest.fixture
def gate() -> Ticket:
    make_live_policy()
    return gate_of(submit_one())


def test_within_the_hold_a_verdict_can_be_taken_back(gate):
    verdict = decide(gate, ana())
    ticket = undo_verdict(gate.pk, reviewer=ana(), now=later(seconds=6))
    assert (ticket.state, ticket.claimed_by, ticket.claim_epoch, ticket.effective_at) == ("claimed", ana(), 2, None)
    verdict.refresh_from_db()
    assert verdict.voided_at == later(seconds=6)
    assert settle_due(now=later(hours=1)) == 0
    decide(gate, ana(), "reject", now=later(seconds=8))
    settle_due(now=later(minutes=1))
    assert outcome_of(gate).kind == "rejected"


def test_after_the_hold_it_counts_even_before_the_sweep(gate):
    decide(gate, ana())
    with pytest.raises(HoldOver):
        undo_verdict(gate.pk, reviewer=ana(), now=later(seconds=7))
    settle_due(now=later(seconds=7))
    with pytest.raises(HoldOver):
        undo_verdict(gate.pk, reviewer=ana(), now=later(seconds=8))


def test_only_who_gave_it_takes_it_back(gate):
    decide(gate, ana())
    with pytest.raises(NotAllowed):
        undo_verdict(gate.pk, reviewer=ben(), now=later(seconds=3))


def test_once_the_next_person_is_asked_nothing_is_taken_back(gate_of_two):
    decide(gate_of_two, ana())
    with pytest.raises(HoldOver):
        undo_verdict(gate_of_two.pk, reviewer=ana(), now=later(seconds=3))


def test_the_last_of_two_takes_back_only_their_own(gate_of_two):
    decide(gate_of_two, ana())
    decide(gate_of_two, ben())
    ticket = undo_verdict(gate_of_two.pk, reviewer=ben(), now=later(seconds=3))
    assert (ticket.stage, ticket.verdicts.standing().get().reviewer) == (2, ana())


def test_a_voided_verdict_does_not_keep_its_reviewer_from_answering(gate):
    decide(gate, ana())
    ticket = undo_verdict(gate.pk, reviewer=ana(), now=later(seconds=3))
    Ticket.objects.filter(pk=ticket.pk).update(claimed_until=NOW - timedelta(days=1))
    assert claim_next(reviewer=ana(), now=later(seconds=9)) == ticket
