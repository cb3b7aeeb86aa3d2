"""Reminders: at half and at nine tenths of a ticket's time, each once, and not while a question waits upstream."""

from datetime import timedelta

import pytest

from reviews.domain.vocabulary import EventKind
from reviews.models import Event, Ticket
from reviews.services.ask import answer_question, ask_upstream
from reviews.services.claim import claim_ticket
from reviews.services.remind import remind_due
from reviews.services.settle import escalate_due
from tests import factories as make
from tests.concurrency import at_once
from tests.factories import NOW
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ticket() -> Ticket:
    """A gate with 100 minutes for an answer."""
    workflow = make.make_workflow(sla_minutes=100)
    make.make_live_policy(workflow)
    return make.gate_of(make.submit_one(confidence=0.1))


def shares() -> list[str]:
    return [event.body.split('"share":"')[1].split('"')[0] for event in reminders()]


def reminders() -> list[Event]:
    return list(Event.objects.filter(kind=EventKind.TICKET_REMINDED).order_by("id"))


def test_a_ticket_is_reminded_of_at_half_and_at_nine_tenths_of_its_time_and_no_more(ticket):
    found = {at: remind_due(now=NOW + at * MINUTE) for at in (49, 50, 51, 89, 90, 91, 99)}
    assert found == {49: 0, 50: 1, 51: 0, 89: 0, 90: 1, 91: 0, 99: 0}
    assert shares() == ["half", "nine_tenths"]


def test_what_was_missed_meanwhile_is_said_once(ticket):
    assert remind_due(now=NOW + 95 * MINUTE) == 1
    assert remind_due(now=NOW + 96 * MINUTE) == 0
    assert shares() == ["nine_tenths"]


def test_the_clock_stands_still_while_a_question_waits(ticket):
    claim = claim_ticket(ticket.pk, reviewer=make.ana(), now=NOW + 40 * MINUTE)
    ask_upstream(ticket.pk, reviewer=make.ana(), epoch=claim.claim_epoch, text="Which plan?", now=NOW + 40 * MINUTE)
    assert remind_due(now=NOW + 80 * MINUTE) == 0
    answer_question(
        ticket.decision_id, client=ticket.decision.client, text="The large one.", context=None, now=NOW + 100 * MINUTE
    )
    # It stood still for an hour: half of its time has passed after 110 minutes, nine tenths after 150.
    found = {at: remind_due(now=NOW + at * MINUTE) for at in (109, 110, 149, 150)}
    assert found == {109: 0, 110: 1, 149: 0, 150: 1}


def test_nobody_is_reminded_of_what_is_decided_or_escalated(ticket):
    decide(ticket, make.ana(), now=NOW + MINUTE)
    other = make.gate_of(make.submit_one(confidence=0.1))
    escalate_due(now=NOW + 101 * MINUTE)
    other.refresh_from_db()
    assert other.escalated_at is not None
    assert remind_due(now=NOW + 102 * MINUTE) == 0


def test_a_reminder_spoils_no_verdict_of_who_holds_the_ticket(ticket):
    claim_ticket(ticket.pk, reviewer=make.ana(), now=NOW + 49 * MINUTE)
    before = Ticket.objects.get(pk=ticket.pk)
    remind_due(now=NOW + 50 * MINUTE)
    after = Ticket.objects.get(pk=ticket.pk)
    assert (after.version, after.claim_epoch, after.state) == (before.version, before.claim_epoch, before.state)
    assert after.reminders_sent == 1


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_remind_once():
    make.make_live_policy(make.make_workflow(sla_minutes=100))
    for _ in range(5):
        make.submit_one(confidence=0.1)
    done = at_once(4, lambda _: remind_due(now=NOW + 50 * MINUTE))
    assert sum(done) == 5
    assert len(reminders()) == 5
