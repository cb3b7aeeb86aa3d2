"""How often people changed what the AI proposed, and how the queue does: from tallies, whatever the log holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncWeek

from feedback.domain.rates import Rate, override_rate
from feedback.models import ReasonTally, Tally
from policies.domain.vocabulary import ReasonCode, Route, VerdictKind
from policies.models import Workflow
from reviews.domain.vocabulary import RejectReason, TicketKind
from reviews.models import Ticket, Verdict

# Counting what waits stops here: past it a figure tells nobody more.
COUNTED_UP_TO = 10_000
SHOWN = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Window:
    """Which verdicts are counted; what is empty is any. `since` is a day, the first that counts."""

    workflow: Workflow
    since: date
    action: str = ""
    model_name: str = ""
    model_version: str = ""

    def narrowed(self) -> dict[str, Any]:
        """As the tallies' columns have it."""
        named = {name: getattr(self, name) for name in ("action", "model_name", "model_version")}
        return {"workflow": self.workflow, "day__gte": self.since, **{name: it for name, it in named.items() if it}}


def window_from(now: datetime) -> date:
    """The first day of the window that is shown unless asked otherwise."""
    return (now - SHOWN).date()


@dataclass(frozen=True, slots=True)
class Line:
    """One group with its rate. `log` are the filters of the log that show its decisions."""

    name: str
    rate: Rate
    log: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Overrides:
    """Rates over settled gates, whole and by group; `sample` is over the random sample, gates and audits alike."""

    whole: Rate
    sample: Rate
    by_action: tuple[Line, ...]
    by_model: tuple[Line, ...]
    by_reason: tuple[Line, ...]
    by_policy: tuple[Line, ...]
    by_band: tuple[Line, ...]
    by_reviewer: tuple[Line, ...]
    by_week: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """What waits now, and how what was decided in the window went. Seconds are of one verdict, on average."""

    open: int  # COUNTED_UP_TO + 1 where there are more
    oldest_created_at: Any
    kept: Rate
    seconds_per_verdict: float | None
    arrived: int
    ran_alone: int

    @property
    def automatic_share(self) -> float | None:
        return self.ran_alone / self.arrived if self.arrived else None


def overrides_of(window: Window) -> Overrides:
    """Every rate of the page. Nine queries, of tallies only."""
    gates = Tally.objects.filter(ticket_kind=TicketKind.GATE, **window.narrowed())
    sample = Tally.objects.filter(
        flagged=True, ticket_kind__in=(TicketKind.GATE, TicketKind.AUDIT), **window.narrowed()
    )
    reasons = ReasonTally.objects.filter(**window.narrowed())
    key = window.workflow.key
    return Overrides(
        whole=_whole(gates),
        sample=_whole(sample),
        by_action=_lines(gates, "action", lambda action: (action, {"workflow": key, "action": action})),
        by_model=_lines(
            gates,
            ("model_name", "model_version"),
            lambda name, version: (f"{name} {version}", {"workflow": key, "model": name}),
        ),
        by_reason=_lines(reasons, "reason", lambda code: (ReasonCode(code).label, {"workflow": key, "reason": code})),
        by_policy=_lines(gates, "policy_version", lambda number: (f"Version {number}" if number else "None", {})),
        by_band=_lines(gates, "band", lambda band: (_band_name(band), {}), in_order=True),
        by_reviewer=_lines(gates, "reviewer__username", lambda name: (name, {"workflow": key, "reviewer": name})),
        by_week=_lines(
            gates.annotate(week=TruncWeek("day")),
            "week",
            lambda week: (week.isoformat(), _in_week(key, week)),
            in_order=True,
        ),
    )


def _in_week(workflow: str, first: date) -> dict[str, str]:
    return {"workflow": workflow, "since": first.isoformat(), "until": (first + timedelta(days=7)).isoformat()}


def _band_name(band: int | None) -> str:
    return "no confidence" if band is None else f"{band / 10:.1f}–{(band + 1) / 10:.1f}"


def _whole(tallies: Any) -> Rate:
    total = tallies.aggregate(
        total=Sum("count", default=0),
        approved=Sum("count", filter=Q(verdict=VerdictKind.APPROVE), default=0),
    )
    return override_rate(total["total"] - total["approved"], total["total"])


def _lines(tallies: Any, by: str | tuple[str, ...], named: Any, *, in_order: bool = False) -> tuple[Line, ...]:
    """A line for each value of a column, or of several; in their order, else by how many there are."""
    columns = (by,) if isinstance(by, str) else by
    groups = (
        tallies.values(*columns)
        .annotate(total=Sum("count"), approved=Sum("count", filter=Q(verdict=VerdictKind.APPROVE), default=0))
        .order_by(*(F(column).asc(nulls_first=True) for column in columns) if in_order else ("-total", *columns))
    )
    lines = []
    for group in groups:
        name, log = named(*(group[column] for column in columns))
        lines.append(Line(name=name, rate=override_rate(group["total"] - group["approved"], group["total"]), log=log))
    return tuple(lines)


# ---- The queue ------------------------------------------------------------------------------------------------------

# One index scan a group and priority: the queue's index has each in order of age.
_OLDEST = """
    SELECT min(first.created_at)
      FROM unnest(%s::int[]) AS g, generate_series(0, 3) AS p
     CROSS JOIN LATERAL (
        SELECT t.created_at FROM reviews_ticket t
         WHERE t.group_id = g AND t.priority = p AND t.state IN ('open', 'disputed')
         ORDER BY t.created_at, t.id LIMIT 1) AS first
"""


def queue_health_of(window: Window) -> QueueHealth:
    """How the workflow's queue does. Four queries; what waits is counted up to a limit."""
    workflow = window.workflow
    waiting = Ticket.objects.undecided().filter(workflow=workflow).order_by()[: COUNTED_UP_TO + 1]
    settled = (
        Tally.objects.filter(**window.narrowed())
        .exclude(ticket_kind="")
        .aggregate(
            count=Sum("count", default=0), in_time=Sum("in_time", default=0), seconds=Sum("seconds", default=0.0)
        )
    )
    arrived = Tally.objects.filter(ticket_kind="", **window.narrowed()).aggregate(
        all=Sum("count", default=0), alone=Sum("count", filter=Q(route=Route.AUTO), default=0)
    )
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST, [[workflow.review_group_id, workflow.escalation_group_id]])
        (oldest,) = cursor.fetchone()
    return QueueHealth(
        open=waiting.count(),
        oldest_created_at=oldest,
        kept=override_rate(settled["in_time"], settled["count"]),
        seconds_per_verdict=settled["seconds"] / settled["count"] if settled["count"] else None,
        arrived=arrived["all"],
        ran_alone=arrived["alone"],
    )


# ---- What leads -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leading:
    """What people most often gave as their reason, with the newest tickets of it."""

    reason: str
    label: str
    count: int
    tickets: tuple[str, ...]


def leading_reasons(workflow: Workflow, *, action: str, since: date, most: int = 3) -> tuple[Leading, ...]:
    """The reason codes that led to changes of an action, most frequent first."""
    verdicts = Verdict.objects.standing().filter(
        ticket__workflow=workflow,
        ticket__kind=TicketKind.GATE,
        ticket__decision__action=action,
        ticket__decision__internal=False,
        decided_at__date__gte=since,
    )
    counted = (
        verdicts.exclude(reason_code="").values("reason_code").annotate(n=Count("pk")).order_by("-n", "reason_code")
    )
    return tuple(
        Leading(
            reason=row["reason_code"],
            label=RejectReason(row["reason_code"]).label,
            count=row["n"],
            tickets=_newest(verdicts.filter(reason_code=row["reason_code"])),
        )
        for row in counted[:most]
    )


def _newest(verdicts: Any, *, most: int = 3) -> tuple[str, ...]:
    ids: Iterable[Any] = verdicts.order_by("-decided_at").values_list("ticket_id", flat=True)[:most]
    return tuple(map(str, ids))
