"""No skipped event: writers that dawdle and roll back, and rival readers of the feed while they do."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from django.db import connections, transaction
from django.utils import timezone

from reviews.domain.vocabulary import EventKind
from reviews.models import Event
from reviews.services.record import record
from tests.faults.counts import Counts, Shown
from tests.faults.stage import Stage
from tests.faults.world import Upstream, unique, upstream

WRITERS, READERS = 16, 2
CATCH_UP_SECONDS = 30


class ChangedTheirMind(Exception):
    """The writer rolls back."""


def run(stage: Stage, counts: Counts) -> Shown:
    """Each writer's transactions write one to three events, wait up to 80 ms, and every fourth is rolled back."""
    transactions = counts.of(100, least=10)
    shown = Shown(
        promise="no skipped event",
        did=f"{WRITERS} writers × {transactions} transactions with delays, a quarter rolled back;"
        f" {READERS} rival readers",
    )
    agent = upstream(unique("feed"))
    written = threading.Event()
    committed = [0] * WRITERS

    def write(number: int) -> None:
        draw = counts.draw(f"writer {number}")
        try:
            for _ in range(transactions):
                many = draw.randint(1, 3)
                with suppress(ChangedTheirMind), transaction.atomic():
                    for place in range(many):
                        body = {"writer": number, "place": place}
                        record(EventKind.EXECUTION_REPORTED, now=timezone.now(), client=agent.client, body=body)
                        time.sleep(draw.uniform(0, 0.08 / many))
                    if draw.random() < 0.25:
                        raise ChangedTheirMind
                    committed[number] += many
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WRITERS + READERS) as threads:
        reading = [threads.submit(read, stage, agent, written) for _ in range(READERS)]
        for writing in [threads.submit(write, number) for number in range(WRITERS)]:
            writing.result()
        written.set()
        seen = [reader.result() for reader in reading]
    there = list(Event.objects.filter(client=agent.client).order_by("xid", "pk").values_list("pk", flat=True))
    shown.figures = {
        "events": len(there),
        "seen by each": " and ".join(f"{len(ids):,}" for ids in seen),
        "skipped": sum(len(set(there) - set(ids)) for ids in seen),
        "seen twice": sum(len(ids) - len(set(ids)) for ids in seen),
        "out of order": sum(ids != there for ids in seen),
    }
    shown.expect(holds=len(there) == sum(committed), otherwise=f"{len(there)} rows of {sum(committed)} committed")
    shown.expect(holds=all(ids == there for ids in seen), otherwise="not seen once and in order")
    return shown


def read(stage: Stage, agent: Upstream, written: threading.Event) -> list[int]:
    """Ids in the order of the feed, until the writers are done and nothing comes any more."""
    ids: list[int] = []
    cursor = ""
    quiet_since = time.monotonic()
    while not written.is_set() or time.monotonic() - quiet_since < 3:
        status, page = agent.send(stage, "GET", f"/events?limit=50&after={cursor}")
        assert status == 200, page
        if page["events"]:
            ids += [event["id"] for event in page["events"]]
            quiet_since = time.monotonic()
        cursor = page["cursor"]
        if not page["more"]:
            time.sleep(0.01)
    return ids
