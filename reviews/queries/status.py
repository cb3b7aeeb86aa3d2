"""How the work and the machine stand: backlog, deliveries, the sealed log, and when each process last did its work."""
# ruff: noqa: S608 - the text of each query is made of constants; every value is a parameter.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Count, F, Min, Sum

from policies.models import Workflow
from reviews.domain.vocabulary import DeliveryState
from reviews.models import Delivery, Heartbeat, Intake, Leaf
from reviews.queries.backlog import EVIDENCE
from reviews.queries.candidates import FIRST, LATER
from reviews.queries.seal import newest_checkpoint, oldest_unsealed_at

COUNTED: Final = 100_000
"""So many tickets are looked at of each kind; past it the figures of the backlog say "at least"."""
LATE_AFTER: Final = timedelta(seconds=30)
"""A process that hasn't beaten for so long is late: deaf, not quiet."""
PURGE: Final = "sweep:purge"
"""The heartbeat of the daily look at retention."""


@dataclass(frozen=True, slots=True)
class WorkflowBacklog:
    """What waits for people in a workflow."""

    title: str
    paused: bool
    open: int
    held: int
    asked: int  # waits for an answer from upstream
    in_hold: int  # decided, and can still be taken back
    overdue: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outbox:
    """Messages that are on their way, or were given up."""

    waiting: int
    oldest_at: datetime | None
    dead: int
    newest_dead_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sealing:
    """How far the log is sealed. All None where nothing was sealed yet, or nothing waits for it."""

    oldest_unsealed_at: datetime | None
    leaves: int
    checkpoint_size: int | None
    checkpoint_at: datetime | None


@dataclass(frozen=True, slots=True)
class Intakes:
    """What was received and isn't ingested yet."""

    unfinished: int
    lines_left: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Beat:
    """When a process, or a workflow's evidence, last did its work."""

    name: str
    at: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class Status:
    backlog: tuple[WorkflowBacklog, ...]
    at_least: bool  # the backlog was not counted to its end
    outbox: Outbox
    sealing: Sealing
    intakes: Intakes
    processes: tuple[Beat, ...]
    evidence: tuple[Beat, ...]
    purged_at: datetime | None  # when retention was last seen to
    rung: tuple[tuple[str, datetime], ...]  # what the sweeper rings by the clock, and when it did last
    last_round: tuple[tuple[str, int], ...]  # what its last round did, by step
    failed: int  # steps of it


def status_of(*, evidence_max_age: timedelta, now: datetime) -> Status:
    """Everything on the status page. Ten queries, whatever there is."""
    counts = _counts(now=now)
    beats = {beat.name: beat for beat in Heartbeat.objects.order_by("name")}
    sweeper = beats.get("sweeper")
    done: Mapping[str, int] = sweeper.detail.get("done", {}) if sweeper else {}
    return Status(
        backlog=_backlog(counts),
        at_least=any(count >= COUNTED for count in _totals(counts).values()),
        outbox=_outbox(),
        sealing=_sealing(),
        intakes=_intakes(),
        processes=tuple(
            Beat(name=name, at=beat.beat_at, late=now - beat.beat_at > LATE_AFTER)
            for name, beat in beats.items()
            if ":" not in name
        ),
        evidence=tuple(
            Beat(name=name.removeprefix(EVIDENCE), at=beat.beat_at, late=now - beat.beat_at > evidence_max_age)
            for name, beat in beats.items()
            if name.startswith(EVIDENCE)
        ),
        purged_at=beats[PURGE].beat_at if PURGE in beats else None,
        rung=_rung(sweeper.detail if sweeper else {}),
        last_round=tuple((name, count) for name, count in done.items() if name != "failed"),
        failed=done.get("failed", 0),
    )


def _rung(detail: Mapping[str, Any]) -> tuple[tuple[str, datetime], ...]:
    rung = sorted(detail.get("rung", {}).items())
    return tuple((task, datetime.fromtimestamp(moment, tz=UTC)) for task, moment in rung)


# ---- Tickets --------------------------------------------------------------------------------------------------------

Counts = Sequence[tuple[int, str, int, int, datetime]]


def _counts(*, now: datetime) -> Counts:
    """Workflow, what of, how many, of them overdue, the oldest."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, {"now": now})
        return list(cursor.fetchall())


# Each reads one partial index to its end, or to COUNTED.
_COUNTS = " UNION ALL ".join(
    f"(SELECT t.workflow_id, '{what}', count(*), count(*) FILTER (WHERE t.due_at <= %(now)s), min(t.created_at)"
    f" FROM (SELECT workflow_id, due_at, created_at FROM reviews_ticket t WHERE {condition} LIMIT {COUNTED}) t"
    " GROUP BY t.workflow_id)"
    for what, condition in (
        ("first", FIRST),
        ("later", LATER),
        ("held", "t.state = 'claimed'"),
        ("in_hold", "t.state = 'decided'"),
        ("asked", "t.state = 'waiting' AND t.id IN (SELECT ticket_id FROM reviews_question WHERE answered_at IS NULL)"),
    )
)


def _totals(counts: Counts) -> Mapping[str, int]:
    totals: dict[str, int] = {}
    for _, what, count, _, _ in counts:
        totals[what] = totals.get(what, 0) + count
    return totals


def _backlog(counts: Counts) -> tuple[WorkflowBacklog, ...]:
    found: dict[int, dict[str, tuple[int, int, datetime]]] = {}
    for workflow, what, count, overdue, oldest in counts:
        found.setdefault(workflow, {})[what] = (count, overdue, oldest)
    rows = []
    for workflow_id, title, paused in Workflow.objects.order_by("title").values_list("id", "title", "paused"):
        of = found.get(workflow_id, {})
        number = {what: of[what][0] for what in of}
        waits = [of[what] for what in ("first", "later", "held") if what in of]
        rows.append(
            WorkflowBacklog(
                title=title,
                paused=paused,
                open=number.get("first", 0) + number.get("later", 0),
                held=number.get("held", 0),
                asked=number.get("asked", 0),
                in_hold=number.get("in_hold", 0),
                overdue=sum(late for _, late, _ in waits),
                oldest_at=min((oldest for _, _, oldest in waits), default=None),
            )
        )
    return tuple(rows)


# ---- The machine ----------------------------------------------------------------------------------------------------


def _outbox() -> Outbox:
    waiting = Delivery.objects.filter(state=DeliveryState.WAITING).aggregate(n=Count("pk"), oldest=Min("created_at"))
    dead = Delivery.objects.filter(state=DeliveryState.DEAD)
    newest = dead.order_by("-created_at").values_list("created_at", flat=True).first()
    return Outbox(waiting=waiting["n"], oldest_at=waiting["oldest"], dead=dead.count(), newest_dead_at=newest)


def _sealing() -> Sealing:
    leaves = Leaf.objects.order_by("-index").values_list("index", flat=True).first()
    newest = newest_checkpoint()
    return Sealing(
        oldest_unsealed_at=oldest_unsealed_at(),
        leaves=0 if leaves is None else leaves + 1,
        checkpoint_size=newest.size if newest else None,
        checkpoint_at=newest.created_at if newest else None,
    )


def _intakes() -> Intakes:
    found = Intake.objects.filter(finished_at__isnull=True).aggregate(
        n=Count("pk"), left=Sum(F("lines_total") - F("lines_done")), oldest=Min("received_at")
    )
    return Intakes(unfinished=found["n"], lines_left=found["left"] or 0, oldest_at=found["oldest"])
