"""How the work and the machine stand: backlog, deliveries, the sealed log, and when each process last did its work."""
# ruff: noqa: S608 - the text of each query is made of constants; every value is a parameter.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection

from policies.models import Workflow
from reviews.queries.candidates import FIRST, LATER
from reviews.queries.machine import Machine, machine

COUNTED: Final = 100_000
"""So many tickets are looked at of each kind; past it the figures of the backlog say "at least"."""


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
class Status:
    backlog: tuple[WorkflowBacklog, ...]
    at_least: bool  # the backlog was not counted to its end
    machine: Machine
    rung: tuple[tuple[str, datetime], ...]  # what the sweeper rings by the clock, and when it did last
    last_round: tuple[tuple[str, int], ...]  # what its last round did, by step
    overdue_steps: tuple[tuple[str, datetime], ...]  # which failed in it, and when they last did their work
    failed: int  # steps of it


def status_of(*, evidence_max_age: timedelta, now: datetime) -> Status:
    """Everything on the status page. Eight queries, whatever there is."""
    counts = _counts(now=now)
    found = machine(evidence_max_age=evidence_max_age, now=now)
    done: Mapping[str, int] = found.sweep.get("done", {})
    return Status(
        backlog=_backlog(counts),
        at_least=any(count >= COUNTED for count in _totals(counts).values()),
        machine=found,
        rung=_rung(found.sweep),
        last_round=tuple((name, count) for name, count in done.items() if name != "failed"),
        overdue_steps=_overdue_steps(found.sweep),
        failed=done.get("failed", 0),
    )


def _overdue_steps(sweep: Mapping[str, Any]) -> tuple[tuple[str, datetime], ...]:
    done = sweep.get("done", {})
    return tuple(
        (step, datetime.fromtimestamp(moment, tz=UTC))
        for step, moment in sweep.get("worked", {}).items()
        if step not in done
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
