"""What leads do: ending a claim, moving a ticket; and what neither may ever change."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from reviews.domain.vocabulary import EventKind, LeadReason, TicketState
from reviews.models import Event, Ticket
from reviews.queries.leading import groups_to_move_to, lead_page
from reviews.services.claim import claim_next, claim_ticket, release_claim, renew_claim
from reviews.services.lead import GroupRefused, NotHeld, NotMovable, end_claim, move_ticket
from reviews.services.tickets import AlreadyDecided, Asked, ClaimLost, Held, NotAllowed, NotVisible
from tests import factories as make
from tests.reviewing import decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture(autouse=True)
def policy(now):
    return make.make_live_policy(now=now)


@pytest.fixture
def ticket(now):
    return make.gate_of(make.submit_one(now=now))


def end(ticket, *, now, lead=None):
    end_claim(ticket.pk, lead=lead or make.omar(), reason=LeadReason.URGENT, now=now)


def move(ticket, group, *, now, lead=None):
    return move_ticket(ticket.pk, lead=lead or make.omar(), group=group, reason=LeadReason.LOAD, now=now)


def last_event(ticket, kind):
    event = Event.objects.filter(ticket=ticket, kind=kind).latest("id")
    return event, json.loads(event.body)


# ---- A claim that a lead ends ---------------------------------------------------------------------------------------


def test_a_claim_that_a_lead_ends_goes_back_and_the_log_says_whose_it_was(ticket, now):
    taken = claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    end(ticket, now=now)
    ticket.refresh_from_db()
    assert (ticket.state, ticket.claimed_by, ticket.version) == (TicketState.OPEN, None, taken.version + 1)
    event, body = last_event(ticket, EventKind.TICKET_RELEASED)
    assert event.user == make.omar()
    assert (body["cause"], body["holder"], body["epoch"], body["reason"]) == (
        "lead",
        make.ana().pk,
        taken.claim_epoch,
        "urgent",
    )


def test_the_holder_is_told_who_took_it_back_and_why_and_then_who_has_it(ticket, now):
    epoch = claim_ticket(ticket.pk, reviewer=make.ana(), now=now).claim_epoch
    end(ticket, now=now)
    with pytest.raises(ClaimLost, match=r"Omar took this ticket back from you at .* it is urgent"):
        renew_claim(ticket.pk, reviewer=make.ana(), epoch=epoch, now=now)
    claim_ticket(ticket.pk, reviewer=make.ben(), now=now)
    with pytest.raises(Held, match="Ben has this ticket"):
        renew_claim(ticket.pk, reviewer=make.ana(), epoch=epoch, now=now)


def test_a_claim_that_ended_otherwise_names_no_lead(ticket, now):
    taken = claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    end(ticket, now=now)
    again = claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    release_claim(ticket.pk, reviewer=make.ana(), epoch=again.claim_epoch, now=now)
    with pytest.raises(ClaimLost, match="You don't hold this ticket any more"):
        renew_claim(ticket.pk, reviewer=make.ana(), epoch=again.claim_epoch, now=now)
    with pytest.raises(ClaimLost, match="Omar took"):
        renew_claim(ticket.pk, reviewer=make.ana(), epoch=taken.claim_epoch, now=now)


def test_nothing_is_ended_where_nobody_holds_it_or_it_is_decided(ticket, now, settings):
    settings.MIN_SECONDS_BEFORE_VERDICT = 0
    with pytest.raises(NotHeld):
        end(ticket, now=now)
    decide(ticket, make.ana(), now=now)
    with pytest.raises(AlreadyDecided):
        end(ticket, now=now)


@pytest.mark.parametrize(
    ("who", "refusal"),
    [(make.ana, NotAllowed), (make.ada, NotAllowed), (make.ines, NotAllowed), (make.eve, NotVisible)],
)
def test_only_a_lead_ends_a_claim_or_moves_a_ticket(ticket, now, who, refusal):
    with pytest.raises(refusal):
        move(ticket, make.ESCALATION, now=now, lead=who())
    claim_ticket(ticket.pk, reviewer=make.ben(), now=now)
    with pytest.raises(refusal):
        end(ticket, now=now, lead=who())
    assert Ticket.objects.get(pk=ticket.pk).state == TicketState.CLAIMED


# ---- A ticket that is moved -----------------------------------------------------------------------------------------


def test_a_moved_ticket_waits_in_the_other_group_and_the_log_says_from_where(ticket, now):
    moved = move(ticket, make.ESCALATION, now=now)
    assert (moved.group.name, moved.state, moved.version) == (make.ESCALATION, TicketState.OPEN, ticket.version + 1)
    event, body = last_event(ticket, EventKind.TICKET_MOVED)
    assert event.user == make.omar()
    assert (body["from"], body["to"], body["reason"]) == (ticket.group_id, moved.group_id, "load")
    assert claim_next(reviewer=make.ana(), now=now) is None
    assert claim_next(reviewer=make.ben(), now=now).pk == ticket.pk


def test_moving_leaves_alone_what_is_asked_of_people(now):
    make.make_live_policy(now=now, verdicts_needed=2)
    ticket = make.gate_of(make.submit_one(now=now))
    asked = ("verdicts_needed", "deliberate_acts", "stage", "due_at", "deadline", "requester_id", "priority", "kind")
    before = Ticket.objects.values(*asked).get(pk=ticket.pk)
    move(ticket, make.ESCALATION, now=now)
    assert Ticket.objects.values(*asked).get(pk=ticket.pk) == before
    assert before["verdicts_needed"] == 2


def test_whoever_asked_for_the_action_gets_it_in_no_group(now):
    make.make_user("ben", groups=[make.SUPPORT, make.ESCALATION])
    ticket = make.gate_of(make.submit_one(now=now, requested_by="ben@example.org"))
    assert ticket.requester == make.ben()
    move(ticket, make.ESCALATION, now=now)
    assert claim_next(reviewer=make.ben(), now=now) is None
    with pytest.raises(NotVisible):
        claim_ticket(ticket.pk, reviewer=make.ben(), now=now)


def test_whoever_answered_an_earlier_stage_gets_it_in_no_group(now, settings):
    settings.MIN_SECONDS_BEFORE_VERDICT = 0
    make.make_live_policy(now=now, verdicts_needed=2)
    ticket = make.gate_of(make.submit_one(now=now))
    decide(ticket, make.ben(), now=now)
    move(ticket, make.ESCALATION, now=now)
    assert claim_next(reviewer=make.ben(), now=now) is None
    with pytest.raises(NotAllowed, match="answered this already"):
        claim_ticket(ticket.pk, reviewer=make.ben(), now=now)
    assert claim_next(reviewer=make.omar(), now=now).pk == ticket.pk


def test_a_lead_moves_nothing_that_they_asked_for_themselves(now):
    make.omar()
    ticket = make.gate_of(make.submit_one(now=now, requested_by="omar@example.org"))
    with pytest.raises(NotAllowed, match="another lead"):
        move(ticket, make.ESCALATION, now=now)


def test_a_group_outside_of_the_workflow_and_the_present_one_are_refused(ticket, now):
    make.make_workflow("refunds", review_group="Refunds", escalation_group="Refunds escalation")
    for group in ("Refunds", "Leads", "Nobody's", make.SUPPORT):
        with pytest.raises(GroupRefused):
            move(ticket, group, now=now)
    assert [group.name for group in groups_to_move_to(ticket)] == [make.ESCALATION]


def test_a_group_that_a_rule_asks_for_is_not_gone_around(now):
    rule = {"expression": "amount > 10.0", "sentence": "Legal looks at it.", "group": "Legal"}
    make.make_live_policy(now=now, rules=[rule])
    ticket = make.gate_of(make.submit_one(now=now))
    assert ticket.group.name == "Legal"
    with pytest.raises(GroupRefused, match="asks Legal"):
        move(ticket, make.SUPPORT, now=now)
    assert move(ticket, make.ESCALATION, now=now).group.name == make.ESCALATION
    assert move(ticket, "Legal", now=now).group.name == "Legal"


def test_what_is_held_asked_disputed_or_over_is_not_moved(now, settings):
    settings.MIN_SECONDS_BEFORE_VERDICT = 0
    make.make_live_policy(now=now, verdicts_needed=2)
    held, asked, disputed = (make.gate_of(make.submit_one(now=now)) for _ in range(3))
    claim_ticket(held.pk, reviewer=make.ana(), now=now)
    with pytest.raises(Held):
        move(held, make.ESCALATION, now=now)
    Ticket.objects.filter(pk=asked.pk).update(state=TicketState.WAITING, asked_at=now)
    with pytest.raises(Asked):
        move(asked, make.ESCALATION, now=now)
    decide(disputed, make.ana(), now=now)
    decide(disputed, make.ben(), "reject", now=now)
    assert Ticket.objects.get(pk=disputed.pk).state == TicketState.DISPUTED
    with pytest.raises(NotMovable):
        move(disputed, make.SUPPORT, now=now)


# ---- What leads see -------------------------------------------------------------------------------------------------


def test_each_group_s_load_is_counted(now, settings):
    settings.MIN_SECONDS_BEFORE_VERDICT = 0
    workflow = make.make_workflow()
    tickets = [make.gate_of(make.submit_one(now=now)) for _ in range(5)]
    hour = timedelta(hours=1)
    Ticket.objects.filter(pk__in=[tickets[0].pk, tickets[1].pk]).update(due_at=now - hour)
    Ticket.objects.filter(pk=tickets[1].pk).update(priority=0, escalated_at=now)
    Ticket.objects.filter(pk=tickets[2].pk).update(due_at=now + hour / 2)
    claim_ticket(tickets[0].pk, reviewer=make.ana(), now=now)
    for ticket, due_at in ((tickets[3], now + hour), (tickets[4], now - hour)):
        decide(ticket, make.ben(), now=now)
        Ticket.objects.filter(pk=ticket.pk).update(
            state=TicketState.SETTLED, settled_at=now, due_at=due_at, effective_at=now
        )
    page = lead_page(make.omar(), group=workflow.review_group_id, now=now)
    (load,) = [load for load in page.loads if load.name == make.SUPPORT]
    assert (load.open, load.held, load.overdue, load.due_within_the_hour) == (2, 1, 2, 1)
    assert (load.settled, load.in_time, load.kept) == (2, 1, 0.5)
    assert (load.people, load.away) == (2, 0)
    assert load.oldest_at == tickets[1].created_at
    assert [each.row.ticket_id for each in page.held] == [tickets[0].pk]
    assert {each.row.ticket_id for each in page.overdue} == {tickets[0].pk, tickets[1].pk}
    assert [each.row.ticket_id for each in page.waiting] == [tickets[1].pk, tickets[2].pk]
    assert {each.group for each in page.overdue} == {make.SUPPORT}
