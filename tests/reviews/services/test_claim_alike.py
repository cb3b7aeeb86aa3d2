"""The claim that follows a verdict: what is like the ticket just decided comes next, and passes nothing urgent."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from psycopg import RawCursor

from reviews.models import Ticket
from reviews.queries import QueueFilters
from reviews.queries.alike import JUST_DECIDED, LOOKED_AT
from reviews.services.claim import _alike_statement, claim_next, skip_ticket
from reviews.services.ingest import ingest_intake, receive_batch
from tests.concurrency import another_session
from tests.factories import (
    NOW,
    ana,
    ben,
    gate_of,
    later,
    make_action,
    make_client,
    make_group,
    make_live_policy,
    make_workflow,
    proposal_body,
    submit_one,
)
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
FEE, CARD = "Do you charge for topping up?", "Where is my card?"


@pytest.fixture(autouse=True)
def policy():
    return make_live_policy()


def about(message: str, *, amount: str = "12.00", customer: int = 77) -> dict:
    return {
        "payload": {"message": message, "amount": amount, "currency": "EUR"},
        "subject": {"type": "customer", "id": f"c-{customer}", "label": f"Customer {customer}"},
    }


def gate(message: str, *, minute: int = 0, **figures) -> Ticket:
    return gate_of(submit_one(now=later(minutes=minute), **about(message, **figures)))


def queue_of_two() -> tuple[Ticket, Ticket]:
    """After a fee was decided: one about a card, and behind it one like the fee."""
    decide(gate(FEE), ana(), now=later(minutes=1))
    return gate(CARD, minute=1), gate(FEE, minute=2, amount="14.50", customer=78)


def next_of_ana(*, now=None, **filters: str) -> Ticket | None:
    return claim_next(reviewer=ana(), now=now or later(minutes=3), filters=QueueFilters(**filters))


def test_what_is_like_the_ticket_just_decided_comes_next_and_then_the_rest_in_order():
    card, fee = queue_of_two()
    assert [next_of_ana() for _ in range(3)] == [fee, card, None]


def test_several_alike_come_in_the_order_of_the_queue():
    card, fee = queue_of_two()
    later_fee = gate(FEE, minute=3)
    assert [next_of_ana() for _ in range(3)] == [fee, later_fee, card]


def test_where_none_is_alike_the_queue_keeps_its_order():
    card, fee = queue_of_two()
    assert claim_next(reviewer=ben(), now=later(minutes=3)) == card, "he has decided nothing"
    decide(card, ben(), now=later(minutes=3))
    assert claim_next(reviewer=ben(), now=later(minutes=4)) == fee, "and nothing is like the card"


def test_urgency_comes_first():
    card, fee = queue_of_two()
    Ticket.objects.filter(pk=card.pk).update(priority=0)
    assert [next_of_ana(), next_of_ana()] == [card, fee]


def test_what_was_brought_back_by_an_answer_comes_first():
    card, fee = queue_of_two()
    Ticket.objects.filter(pk=card.pk).update(reserved_for=ana(), reserved_until=later(hours=1))
    assert [next_of_ana(), next_of_ana()] == [card, fee]


def test_nothing_waits_for_ever_behind_what_is_alike():
    """The head start is half the time that the ticket has: one that came later than that waits its turn."""
    card, fee = queue_of_two()
    time = fee.due_at - fee.created_at
    Ticket.objects.filter(pk=card.pk).update(created_at=fee.created_at - time / 2 - timedelta(seconds=1))
    assert [next_of_ana(), next_of_ana()] == [card, fee]


def test_one_alike_in_a_group_of_others_is_not_offered_and_in_a_group_of_ones_own_it_is():
    card, fee = queue_of_two()
    workflow = make_workflow()
    other = make_group("Other")
    make_workflow("other", review_group="Other")
    Ticket.objects.filter(pk=fee.pk).update(group=other)
    assert next_of_ana() == card
    ana().groups.add(other)
    Ticket.objects.filter(pk=card.pk).update(state="open", claimed_by=None, claimed_at=None, claimed_until=None)
    assert workflow.review_group != other
    assert next_of_ana() == fee


def test_a_filter_of_the_desk_holds_for_what_is_alike():
    card, fee = queue_of_two()
    Ticket.objects.filter(pk=fee.pk).update(kind="audit")
    assert next_of_ana(kind="gate") == card
    assert next_of_ana(action="refund_fee") == fee


def test_another_action_is_not_alike_whatever_its_payload():
    make_action(make_workflow(), "trace_top_up")
    decide(gate(FEE), ana(), now=later(minutes=1))
    card = gate(CARD, minute=1)
    gate_of(submit_one(now=later(minutes=2), action="trace_top_up", **about(FEE)))
    assert next_of_ana() == card


def test_a_long_text_is_not_compared_however_little_of_it_is_stored():
    long = "a" * 300_000
    decide(gate(long), ana(), now=later(minutes=1))
    card, same = gate(CARD, minute=1), gate(long, minute=2)
    assert [next_of_ana(), next_of_ana()] == [card, same]


def test_a_long_text_in_the_queue_is_passed_over():
    decide(gate(FEE), ana(), now=later(minutes=1))
    gate("a" * 300_000, minute=1)
    fee = gate(FEE, minute=2)
    assert next_of_ana() == fee


def test_one_alike_that_was_skipped_stays_away():
    card, fee = queue_of_two()
    assert next_of_ana() == fee
    skip_ticket(fee.pk, reviewer=ana(), epoch=1, now=later(minutes=3))
    assert [next_of_ana(), next_of_ana()] == [card, None]


def test_the_one_before_is_forgotten_after_ten_minutes():
    card, _ = queue_of_two()
    assert next_of_ana(now=later(minutes=2) + JUST_DECIDED) == card


def test_an_audit_that_asks_for_an_own_answer_first_is_not_told_by_its_place():
    card, fee = queue_of_two()
    Ticket.objects.filter(pk=fee.pk).update(estimate_first=True)
    assert next_of_ana() == card


@pytest.mark.django_db(transaction=True)
def test_one_alike_that_a_colleague_is_taking_is_passed_over_without_waiting():
    card, fee = queue_of_two()
    with another_session() as colleague:
        colleague.execute("SELECT 1 FROM reviews_ticket WHERE id = %s FOR UPDATE", [fee.pk])
        assert next_of_ana() == card


def test_what_came_in_a_batch_is_offered_alike():
    client = make_client()[0]
    messages = [FEE, CARD, FEE.upper(), FEE]
    lines = [json.dumps(proposal_body(**about(text, customer=n))).encode() for n, text in enumerate(messages)]
    ingest_intake(receive_batch(client=client, lines=lines, key=None, now=NOW).pk, now=NOW)
    by_subject = {ticket.decision.subject_id: ticket for ticket in Ticket.objects.select_related("decision")}
    decide(by_subject["c-0"], ana())
    order = [next_of_ana() for _ in range(3)]
    assert order[0] == by_subject["c-3"]
    assert set(order[1:]) == {by_subject["c-1"], by_subject["c-2"]}


def test_looking_reads_no_more_than_the_head_of_the_queue():
    card, _ = queue_of_two()
    statement, names = _alike_statement((), (card.group_id,))
    values = {"user": ana().pk, "now": NOW, "just": NOW}
    with RawCursor(connection.connection) as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {statement}", [str(values[name]) for name in names])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "using queue on" in plan, plan
    assert "using verdicts_by_reviewer on" in plan, plan
    assert f"LIMIT {LOOKED_AT}" in statement
