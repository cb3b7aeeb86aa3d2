"""The desk: rows in the order of taking, counts, and a fixed number of queries."""

import pytest
from django.db import connection

from reviews.models import Ticket
from reviews.queries import QueueFilters, queue_for
from reviews.queries.queue import COUNTED_UP_TO, PAGE
from reviews.services.ask import answer_question, ask_upstream
from reviews.services.claim import claim_next, claim_ticket, skip_ticket
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
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
QUERIES = 5


def gates(count: int, **changes) -> list[Ticket]:
    if not make_workflow().versions.exists():
        make_live_policy()
    return [gate_of(submit_one(now=later(minutes=minute), **changes)) for minute in range(count)]


def ids(page) -> list:
    return [row.ticket_id for row in page.rows]


def test_the_queue_stands_in_the_order_in_which_it_is_taken():
    waiting = gates(5)
    Ticket.objects.filter(pk=waiting[3].pk).update(priority=0)
    shown = ids(queue_for(ana(), now=later(hours=1)))
    taken = []
    while ticket := claim_next(reviewer=ana(), now=later(hours=1)):
        taken.append(ticket.pk)
    assert shown == taken
    assert shown[0] == waiting[3].pk


def test_a_row_says_what_about_what_and_why():
    (gate,) = gates(1)
    (row,) = queue_for(ana(), now=NOW).rows
    assert (row.ticket_id, row.decision_id, row.workflow, row.kind) == (gate.pk, gate.decision_id, "support", "gate")
    assert (row.action, row.action_title, row.subject) == ("refund_fee", "Refund fee", "Customer 77")
    assert (str(row.amount), row.currency, str(row.confidence), float(row.threshold)) == ("12.00", "EUR", "0.62", 0.85)
    assert [reason.code for reason in row.reasons] == ["low_confidence"]
    assert (row.held_by, row.mine, row.answered) == ("", False, False)


def test_it_shows_who_holds_what():
    held, _ = gates(2)
    claim_ticket(held.pk, reviewer=ben(), now=NOW)
    rows = {row.ticket_id: row for row in queue_for(ana(), now=NOW).rows}
    assert (rows[held.pk].held_by, rows[held.pk].mine) == ("Ben", False)
    assert {row.ticket_id: row.mine for row in queue_for(ben(), now=NOW).rows}[held.pk]


def test_what_came_back_answered_stands_first_and_is_marked():
    first, second = gates(2)
    claim_ticket(second.pk, reviewer=ana(), now=NOW)
    ask_upstream(second.pk, reviewer=ana(), epoch=1, text="Which plan?", now=NOW)
    assert queue_for(ana(), now=NOW).counts.asked == 1
    answer_question(second.decision_id, client=second.decision.client, text="Small.", context=None, now=NOW)
    page = queue_for(ana(), now=NOW)
    assert ids(page) == [second.pk, first.pk]
    assert (page.rows[0].answered, page.counts.asked, page.counts.answered) == (True, 0, 1)
    assert ids(queue_for(ben(), now=NOW)) == [first.pk]


def test_what_a_reviewer_can_not_take_is_not_shown():
    ana()  # so that the address of who asks is known
    answered, skipped = gates(2)
    (asked_for,) = gates(1, requested_by="ana@example.org")
    Ticket.objects.filter(pk=answered.pk).update(verdicts_needed=2)
    decide(answered, ana())
    claim_ticket(skipped.pk, reviewer=ana(), now=NOW)
    skip_ticket(skipped.pk, reviewer=ana(), epoch=1, now=NOW)
    shown = ids(queue_for(ana(), now=later(minutes=1)))
    assert not {answered.pk, skipped.pk, asked_for.pk} & set(shown)
    assert {answered.pk, skipped.pk, asked_for.pk} <= set(ids(queue_for(ben(), now=later(minutes=1))))


@pytest.mark.parametrize("stranger", [eve, ines])
def test_those_who_review_nothing_have_an_empty_desk(stranger):
    gates(2)
    page = queue_for(stranger(), now=NOW)
    assert (page.rows, page.counts.open) == ((), 0)


def test_the_counts_are_of_everything_whatever_the_filters():
    gates(4)
    Ticket.objects.filter(pk=Ticket.objects.first().pk).update(due_at=later(minutes=30))
    claim_next(reviewer=ana(), now=NOW)
    for filters in (QueueFilters(), QueueFilters(action="nonesuch")):
        counts = queue_for(ana(), filters=filters, now=NOW).counts
        assert (counts.open, counts.due_within_the_hour, counts.mine) == (3, 1, 1)


def test_filters_hold_at_once():
    make_action(make_workflow(), "refund_fee")
    make_action(make_workflow(), "trace_top_up")
    gates(2)
    (wanted,) = gates(1, action="trace_top_up", model={"name": "other", "version": "2"})
    for filters in (QueueFilters(action="trace_top_up"), QueueFilters(model="other", reason="low_confidence")):
        assert ids(queue_for(ana(), filters=filters, now=NOW)) == [wanted.pk]
    assert ids(queue_for(ana(), filters=QueueFilters(action="trace_top_up", model="support-router"), now=NOW)) == []


def test_pages_follow_each_other_without_gap_or_overlap(monkeypatch):
    monkeypatch.setattr("reviews.queries.queue.PAGE", 3)
    waiting = [gate.pk for gate in gates(8)]
    seen, after, pages = [], "", 0
    while pages == 0 or after:
        page = queue_for(ana(), now=later(hours=1), after=after)
        seen += ids(page)
        after = page.next_after
        pages += 1
    assert (seen, pages) == (waiting, 3)
    assert ids(queue_for(ana(), now=later(hours=1), after="nonsense")) == waiting[:3]


@pytest.mark.parametrize("count", [1, 12])
def test_it_takes_the_same_few_queries_however_long_it_is(count, django_assert_num_queries):
    gates(count)
    reviewer = ana()
    with django_assert_num_queries(QUERIES):
        assert len(queue_for(reviewer, now=NOW).rows) == min(count, PAGE)


def test_counting_stops_where_a_figure_tells_nobody_more():
    (gate,) = gates(1)
    decision, ticket = gate.decision_id, gate.pk
    with connection.cursor() as cursor:
        # Known answers: no constraint counts them.
        cursor.execute(
            "INSERT INTO reviews_ticket (id, decision_id, kind, state, resting_state, workflow_id, group_id, priority,"
            " created_at, due_at, claim_epoch, stage, verdicts_needed, deliberate_acts, estimate_first,"
            " reminders_sent, version)"
            " SELECT gen_random_uuid(), %s, 'known_answer', 'open', 'open', workflow_id, group_id, 2, created_at,"
            " due_at, 0, 1, 1, 1, false, 0, 1 FROM reviews_ticket, generate_series(1, %s) WHERE id = %s",
            [decision, COUNTED_UP_TO + 5, ticket],
        )
    page = queue_for(ana(), now=NOW)
    assert page.counts.open == COUNTED_UP_TO + 1
    assert len(page.rows) == PAGE
