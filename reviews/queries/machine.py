"""How the machine stands: what it has still to do and since when, and when each process last did its work.

One reading for the status page, for /metrics and for /readyz, so that they never say different things of one moment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from reviews.models import Heartbeat, Leaf
from reviews.queries.seal import RECHECK, newest_checkpoint, oldest_unsealed_at, open_restore

EVIDENCE: Final = "evidence:"
PURGE: Final = "sweep:purge"
"""The heartbeat of the daily look at retention."""
SWEEPER: Final = "sweeper"
LATE_AFTER: Final = timedelta(seconds=30)
"""A process that hasn't beaten for so long is late: deaf, not quiet."""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Messages to endpoints and channels that did not arrive yet, and those that were given up."""

    waiting: int
    due_since: datetime | None  # the moment at which the first of those that are due now was to be sent
    dead: int
    dead_at: datetime | None  # when the newest of them was written


@dataclass(frozen=True, slots=True)
class Intakes:
    """What was received to be judged later, and isn't finished."""

    unfinished: int
    lines_left: int
    since: datetime | None  # when the first of them was received


@dataclass(frozen=True, slots=True)
class Sealing:
    """How far the log is sealed. All None where nothing was sealed yet, or nothing waits for it."""

    unsealed_since: datetime | None  # when the oldest event happened that the tree doesn't hold
    leaves: int
    checkpoint_size: int | None
    checkpoint_at: datetime | None
    stopped: str  # the cause of a restore that nobody has acknowledged, else ""
    fault: str  # what was found to be otherwise than it was sealed, else ""


@dataclass(frozen=True, slots=True)
class Beat:
    """When a process, or a workflow's evidence, last did its work."""

    name: str
    at: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class Machine:
    deliveries: Deliveries
    intakes: Intakes
    sealing: Sealing
    processes: tuple[Beat, ...]
    evidence: tuple[Beat, ...]  # by the keys of their workflows
    sweep: Mapping[str, Any]  # what the sweeper says of its last round
    purged_at: datetime | None  # when retention was last seen to


def machine(*, evidence_max_age: timedelta, now: datetime) -> Machine:
    """Six queries, each over what waits and not over what is done."""
    beats = {beat.name: beat for beat in Heartbeat.objects.order_by("name")}
    deliveries, intakes = _outbox_and_intakes(now=now)
    return Machine(
        deliveries=deliveries,
        intakes=intakes,
        sealing=_sealing(beats.get(RECHECK)),
        processes=_processes(beats.values(), now=now),
        evidence=tuple(
            Beat(name=name.removeprefix(EVIDENCE), at=beat.beat_at, late=now - beat.beat_at > evidence_max_age)
            for name, beat in beats.items()
            if name.startswith(EVIDENCE)
        ),
        sweep=beats[SWEEPER].detail if SWEEPER in beats else {},
        purged_at=beats[PURGE].beat_at if PURGE in beats else None,
    )


def processes(*, now: datetime) -> tuple[Beat, ...]:
    """Of each process, by name. One query."""
    return _processes(Heartbeat.objects.exclude(name__contains=":").order_by("name"), now=now)


def _processes(beats: Iterable[Heartbeat], *, now: datetime) -> tuple[Beat, ...]:
    return tuple(
        Beat(name=beat.name, at=beat.beat_at, late=now - beat.beat_at > LATE_AFTER)
        for beat in beats
        if ":" not in beat.name
    )


def _outbox_and_intakes(*, now: datetime) -> tuple[Deliveries, Intakes]:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"now": now})
        found = {what: figures for what, *figures in cursor.fetchall()}
    waiting, _, due_since = found["waiting"]
    dead, _, dead_at = found["dead"]
    unfinished, lines_left, since = found["intakes"]
    return (
        Deliveries(waiting=waiting, due_since=due_since, dead=dead, dead_at=dead_at),
        Intakes(unfinished=unfinished, lines_left=lines_left, since=since),
    )


# Each part has a partial index that holds what waits, or was given up, and nothing else.
_WAITING: Final = """
    SELECT 'waiting', count(*), 0, min(next_attempt_at) FILTER (WHERE next_attempt_at <= %(now)s)
      FROM reviews_delivery WHERE state = 'waiting'
    UNION ALL
    SELECT 'dead', count(*), 0, max(created_at) FROM reviews_delivery WHERE state = 'dead'
    UNION ALL
    SELECT 'intakes', count(*), COALESCE(sum(lines_total - lines_done), 0)::int, min(received_at)
      FROM reviews_intake WHERE finished_at IS NULL
"""


def _sealing(recheck: Heartbeat | None) -> Sealing:
    leaves = Leaf.objects.order_by("-index").values_list("index", flat=True).first()
    newest, restore = newest_checkpoint(), open_restore()
    return Sealing(
        unsealed_since=oldest_unsealed_at(),
        leaves=0 if leaves is None else leaves + 1,
        checkpoint_size=newest.size if newest else None,
        checkpoint_at=newest.created_at if newest else None,
        stopped=str(restore.cause) if restore else "",
        fault=str(recheck.detail.get("fault", "")) if recheck else "",
    )
