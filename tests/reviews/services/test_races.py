"""Many people, one moment: real threads on the real database."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from reviews.domain.vocabulary import TicketState
from reviews.models import Event, Outcome, Ticket, Verdict
from reviews.services.claim import ClaimError, claim_next, claim_ticket
from reviews.services.decide import AlreadyDecided, give_verdict, undo_verdict
from reviews.services.settle import cancel_decision, settle_due
from tests.factories import SUPPORT, gate_of, make_live_policy, make_user, submit_one
from tests.reviewing import answer_to

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(count: int, act: Callable[[int], object]) -> list[object]:
    """`act` in so many threads that start together; what each gave, or the refusal that it met."""
    barrier = threading.Barrier(count)

    def run(number: int) -> object:
        barrier.wait()
        try:
            return act(number)
        except ClaimError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def reviewers(count: int) -> list[User]:
    return [make_user(f"reviewer-{number}", groups=[SUPPORT]) for number in range(count)]


def gates(count: int, **row) -> list[UUID]:
    make_live_policy(now=timezone.now(), **row)
    return [gate_of(submit_one(now=timezone.now())).pk for _ in range(count)]


def answer(ticket: Ticket, reviewer: User, kind: str = "approve", **changes) -> Verdict:
    now = timezone.now() + timedelta(seconds=1)
    return give_verdict(ticket.pk, reviewer=reviewer, answer=answer_to(ticket, reviewer, kind, **changes), now=now)


def test_sixteen_reviewers_and_a_hundred_tickets_make_a_hundred_verdicts():
    gates(100)
    people = reviewers(16)

    def work(number: int) -> int:
        given = 0
        while ticket := claim_next(reviewer=people[number], now=timezone.now()):
            answer(ticket, people[number])
            given += 1
        return given

    given = at_once(16, work)
    assert sum(given) == 100
    assert Verdict.objects.count() == 100
    assert Verdict.objects.values("ticket").distinct().count() == 100
    assert set(Ticket.objects.values_list("state", "claim_epoch")) == {(TicketState.DECIDED, 1)}
    assert Event.objects.filter(kind="ticket.claimed").count() == 100
    assert Event.objects.filter(kind="verdict.given").count() == 100


def test_one_ticket_is_claimed_by_one_of_sixteen():
    (gate,) = gates(1)
    people = reviewers(16)
    taken = at_once(16, lambda number: claim_next(reviewer=people[number], now=timezone.now()))
    assert Counter(ticket is not None for ticket in taken) == {True: 1, False: 15}
    assert Ticket.objects.get().claim_epoch == 1
    named = at_once(16, lambda number: claim_ticket(gate, reviewer=people[number], now=timezone.now()))
    assert sum(isinstance(each, Ticket) for each in named) == 1  # who holds it already


def test_who_comes_too_late_for_a_ticket_learns_who_has_it():
    people = reviewers(16)
    for gate in gates(8):
        found = at_once(16, lambda number, gate=gate: claim_ticket(gate, reviewer=people[number], now=timezone.now()))
        (winner,) = [ticket.claimed_by for ticket in found if isinstance(ticket, Ticket)]
        assert {refusal.by for refusal in found if not isinstance(refusal, Ticket)} == {winner.first_name}


def test_sixteen_reviewers_in_one_moment_get_sixteen_tickets():
    gates(16)
    people = reviewers(16)
    taken = at_once(16, lambda number: claim_next(reviewer=people[number], now=timezone.now()))
    assert len({ticket.pk for ticket in taken}) == 16


def test_of_two_who_answer_one_ticket_the_first_wins_and_the_other_learns_who():
    (gate,) = gates(1)
    people = reviewers(2)
    answers = []
    for person in people:
        ticket = claim_ticket(gate, reviewer=person, now=timezone.now())
        answers.append(answer_to(ticket, person))
        if person is people[0]:
            Ticket.objects.update(claimed_until=timezone.now() - timedelta(hours=1))
    now = timezone.now() + timedelta(seconds=1)
    given = at_once(2, lambda number: give_verdict(gate, reviewer=people[number], answer=answers[number], now=now))
    assert [type(each) for each in given][1] is Verdict
    assert isinstance(given[0], ClaimError)
    assert Verdict.objects.count() == 1


def test_one_answer_sent_sixteen_times_is_one_verdict():
    (gate,) = gates(1)
    (person,) = reviewers(1)
    ticket = claim_ticket(gate, reviewer=person, now=timezone.now())
    sent = answer_to(ticket, person)
    now = timezone.now() + timedelta(seconds=1)
    given = at_once(16, lambda _: give_verdict(gate, reviewer=person, answer=sent, now=now))
    assert len({verdict.pk for verdict in given}) == 1
    assert Event.objects.filter(kind="verdict.given").count() == 1


def test_a_verdict_and_a_cancel_in_one_moment_leave_one_of_them():
    for _ in range(5):
        (gate,) = gates(1)
        (person,) = reviewers(1)
        ticket = claim_ticket(gate, reviewer=person, now=timezone.now())
        sent, client = answer_to(ticket, person), ticket.decision.client
        now = timezone.now() + timedelta(seconds=1)

        def act(number: int, gate=gate, person=person, sent=sent, client=client, ticket=ticket, now=now) -> object:
            if number:
                return cancel_decision(ticket.decision_id, client=client, reason="", now=now)
            return give_verdict(gate, reviewer=person, answer=sent, now=now)

        given = at_once(2, act)
        assert isinstance(given[0], Verdict | AlreadyDecided)
        assert isinstance(given[1], Outcome)
        settle_due(now=now + timedelta(minutes=1))
        assert Outcome.objects.get(decision=ticket.decision_id).kind == "cancelled"


def test_an_undo_and_the_sweep_in_one_moment_leave_a_verdict_that_counts_or_none():
    for _ in range(5):
        (gate,) = gates(1)
        (person,) = reviewers(1)
        ticket = claim_ticket(gate, reviewer=person, now=timezone.now())
        verdict = answer(ticket, person)
        end = verdict.effective_at

        def act(number: int, gate=gate, person=person, end=end) -> object:
            if number:
                return settle_due(now=end)
            return undo_verdict(gate, reviewer=person, now=end - timedelta(microseconds=1))

        undone, _ = at_once(2, act)
        verdict.refresh_from_db()
        settled = Outcome.objects.filter(decision=ticket.decision_id).exists()
        assert settled is (verdict.voided_at is None)
        assert settled is isinstance(undone, ClaimError)


def test_four_sweepers_settle_each_ticket_once():
    gates(40)
    (person,) = reviewers(1)
    while ticket := claim_next(reviewer=person, now=timezone.now()):
        answer(ticket, person)
    done = at_once(4, lambda _: settle_due(now=timezone.now() + timedelta(minutes=1)))
    assert sum(done) == 40
    assert Event.objects.filter(kind="outcome.settled").count() == 40
