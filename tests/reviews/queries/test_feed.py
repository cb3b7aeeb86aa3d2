"""The feed: everything once, in the order of commit, however its writers dawdle."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from reviews.domain.vocabulary import EventKind
from reviews.models import Client, Event
from reviews.queries import BadCursor, feed_page
from reviews.services.record import record
from reviews.services.settle import settle_due
from tests.concurrency import until_readable
from tests.factories import NOW, ana, gate_of, later, make_client, make_live_policy, submit_one
from tests.reviewing import decide


def read_all(client: Client, after: str = "", *, limit: int = 100) -> list[int]:
    ids: list[int] = []
    while True:
        page = feed_page(client, after=after, limit=limit)
        ids += [item.id for item in page.events]
        if not page.more:
            return ids
        after = page.cursor


def write(client: Client, number: int) -> Event:
    return record(EventKind.OUTCOME_SETTLED, now=NOW, client=client, body={"number": number})


@pytest.mark.django_db(transaction=True)
def test_a_late_commit_is_not_skipped_by_a_reader_who_was_quicker():
    client, other = Client.objects.create(name="a"), Client.objects.create(name="b")
    wrote, may_commit = threading.Event(), threading.Event()

    def dawdle() -> None:
        with transaction.atomic():
            write(client, 1)
            wrote.set()
            may_commit.wait(5)
        connection.close()

    thread = threading.Thread(target=dawdle)
    thread.start()
    wrote.wait(5)
    write(client, 2)
    write(other, 3)
    page = feed_page(client)
    assert page.events == ()  # the second one waits for the first, whose id is lower
    may_commit.set()
    thread.join()
    until_readable()
    assert [item.body["number"] for item in feed_page(client, after=page.cursor).events] == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_sixteen_dawdling_writers_and_two_rival_readers():
    client = Client.objects.create(name="a")
    finished = threading.Event()
    committed: list[int] = []

    def writer(number: int) -> None:
        chance = random.Random(number)
        for _ in range(8):
            with transaction.atomic():
                events = [write(client, number) for _ in range(chance.randint(1, 3))]
                time.sleep(chance.random() * 0.02)
                if chance.random() < 0.3:
                    transaction.set_rollback(True)
                    events = []
            committed.extend(event.pk for event in events)
        connection.close()

    def reader(_: int) -> list[int]:
        seen: list[int] = []
        after = ""
        while True:
            last = finished.is_set()
            page = feed_page(client, after=after, limit=7)
            seen += [item.id for item in page.events]
            after = page.cursor
            if last and not page.events:
                connection.close()
                return seen

    with ThreadPoolExecutor(18) as pool:
        readers = [pool.submit(reader, number) for number in range(2)]
        for future in [pool.submit(writer, number) for number in range(16)]:
            future.result()
        until_readable()
        finished.set()
        seen = [future.result() for future in readers]
    assert len(committed) > 100
    for each in seen:
        assert sorted(each) == sorted(committed)
        assert len(set(each)) == len(each)
    assert seen[0] == seen[1]


@pytest.mark.django_db(transaction=True)
def test_a_restored_database_goes_on_in_a_new_epoch_whatever_its_counter_says():
    client = Client.objects.create(name="a")
    with connection.cursor() as cursor:
        # Written before the restore, by a database whose transactions had counted far further.
        cursor.execute(
            "INSERT INTO reviews_event (kind, at, client_id, body, xid, epoch)"
            " SELECT 'outcome.settled', now(), %s, '{\"number\":0}', (1000000000 + n)::text::xid8, 1"
            " FROM generate_series(1, 3) n RETURNING id",
            [client.pk],
        )
        old = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            "INSERT INTO reviews_event (kind, at, client_id, body, epoch)"
            " SELECT 'outcome.settled', now(), %s, '{\"number\":0}', 2 FROM generate_series(1, 2) RETURNING id",
            [client.pk],
        )
        new = [row[0] for row in cursor.fetchall()]
    until_readable()
    assert read_all(client) == old + new
    assert read_all(client, limit=2) == old + new
    assert feed_page(client, limit=3).more
    middle = feed_page(client, limit=3).cursor
    assert read_all(client, after=middle) == new


@pytest.mark.django_db(transaction=True)
def test_a_client_reads_of_its_own_decisions_what_concerns_it():
    make_live_policy()
    gate = gate_of(submit_one())
    decide(gate, ana())
    settle_due(now=later(minutes=1))
    other, _ = make_client("Another agent")
    until_readable()
    page = feed_page(gate.decision.client)
    assert [(item.kind, item.decision_id) for item in page.events] == [
        ("decision.submitted", gate.decision_id),
        ("outcome.settled", gate.decision_id),
    ]
    assert page.events[-1].body["kind"] == "approved"
    assert feed_page(other).events == ()


@pytest.mark.django_db(transaction=True)
def test_pages_go_on_where_the_last_one_ended():
    client = Client.objects.create(name="a")
    ids = [write(client, number).pk for number in range(7)]
    until_readable()
    first = feed_page(client, limit=3)
    assert ([item.id for item in first.events], first.more) == (ids[:3], True)
    rest = feed_page(client, after=first.cursor, limit=4)
    assert ([item.id for item in rest.events], rest.more) == (ids[3:], False)
    end = feed_page(client, after=rest.cursor)
    assert (end.events, end.cursor, end.more) == ((), rest.cursor, False)


@pytest.mark.django_db
@pytest.mark.parametrize("after", ["x", "1", "1.2", "1.2.3.4", "-1.2.3", "1.2.٣", "1.2.3\n", "1.2." + "9" * 30])
def test_what_is_no_cursor_is_refused(after):
    with pytest.raises(BadCursor):
        feed_page(Client(pk=1), after=after)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", [0, -5])
def test_a_page_holds_one_event_at_least(limit):
    client = Client.objects.create(name="a")
    ids = [write(client, number).pk for number in range(2)]
    until_readable()
    assert [item.id for item in feed_page(client, limit=limit).events] == ids[:1]
