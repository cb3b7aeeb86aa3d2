"""How often people changed what the AI proposed, and how the queue does: from tallies, whatever the log holds."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Q, Sum

from feedback.domain.rates import Rate, override_rate
from feedback.models import ReasonTally, Tally
from policies.domain.vocabulary import ReasonCode, Route, VerdictKind
from policies.models import Workflow
from reviews.domain.vocabulary import RejectReason, TicketKind
from reviews.models import Decision, Verdict
from reviews.queries.candidates import FIRST, LATER
from reviews.queries.decisions import NO_CONFIDENCE

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


# Every way of grouping in one pass over the tallies, where a query each would read them all again.
_MARGINS = """
    SELECT grouping(action, model_name, policy_version, band, username, week) AS margin,
           action, model_name, model_version, policy_version, band, username, week,
           sum(count), sum(count) FILTER (WHERE verdict <> %(approve)s)
      FROM (SELECT t.*, u.username, date_trunc('week', t.day)::date AS week
              FROM feedback_tally t JOIN auth_user u ON u.id = t.reviewer_id
             WHERE t.workflow_id = %(workflow)s AND t.day >= %(since)s AND t.ticket_kind = %(gate)s
               AND (%(action)s = '' OR t.action = %(action)s)
               AND (%(model_name)s = '' OR t.model_name = %(model_name)s)
               AND (%(model_version)s = '' OR t.model_version = %(model_version)s)) AS settled
     GROUP BY GROUPING SETS ((action), (model_name, model_version), (policy_version), (band), (username), (week), ())
"""
# What PostgreSQL's grouping() says: a bit for each column that a row is not grouped by.
_BY_ACTION, _BY_MODEL, _BY_POLICY, _BY_BAND, _BY_REVIEWER, _BY_WEEK, _WHOLE = (
    *(0b111111 ^ (1 << bit) for bit in (5, 4, 3, 2, 1, 0)),
    0b111111,
)


def overrides_of(window: Window) -> Overrides:
    """Every rate of the page. Three queries, of tallies only."""
    margins = _margins(window)
    drawn = (TicketKind.GATE, TicketKind.AUDIT)
    sample = Tally.objects.filter(flagged=True, ticket_kind__in=drawn, **window.narrowed())
    total = sample.aggregate(
        all=Sum("count", default=0), changed=Sum("count", filter=~Q(verdict=VerdictKind.APPROVE), default=0)
    )
    key = window.workflow.key
    return Overrides(
        whole=next((rate for _, rate in margins[_WHOLE]), override_rate(0, 0)),
        sample=override_rate(total["changed"], total["all"]),
        by_action=_most_first(
            Line(it[0], rate, {"workflow": key, "action": it[0]}) for it, rate in margins[_BY_ACTION]
        ),
        by_model=_most_first(
            Line(f"{it[1]} {it[2]}".strip(), rate, _named(workflow=key, model=it[1], model_version=it[2]))
            for it, rate in margins[_BY_MODEL]
        ),
        by_reason=_by_reason(window),
        by_policy=_most_first(
            Line(f"Version {it[3]}" if it[3] else "None", rate, {"workflow": key, "policy": str(it[3])})
            for it, rate in margins[_BY_POLICY]
        ),
        by_band=tuple(
            Line(_band_name(it[4]), rate, {"workflow": key, "band": NO_CONFIDENCE if it[4] is None else str(it[4])})
            for it, rate in sorted(margins[_BY_BAND], key=lambda margin: -1 if margin[0][4] is None else margin[0][4])
        ),
        by_reviewer=_most_first(
            Line(it[5], rate, {"workflow": key, "reviewer": it[5]}) for it, rate in margins[_BY_REVIEWER]
        ),
        by_week=tuple(
            Line(it[6].isoformat(), rate, _in_week(key, it[6]))
            for it, rate in sorted(margins[_BY_WEEK], key=lambda margin: margin[0][6])
        ),
    )


def _margins(window: Window) -> Mapping[int, list[tuple[tuple[Any, ...], Rate]]]:
    """For each way of grouping its rows: the columns grouped by (action to week), and the rate."""
    found: dict[int, list[tuple[tuple[Any, ...], Rate]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            _MARGINS,
            {
                "approve": str(VerdictKind.APPROVE),
                "gate": str(TicketKind.GATE),
                "workflow": window.workflow.pk,
                "since": window.since,
                "action": window.action,
                "model_name": window.model_name,
                "model_version": window.model_version,
            },
        )
        for margin, *columns, total, changed in cursor.fetchall():
            if total:
                found[margin].append((tuple(columns), override_rate(changed or 0, total)))
    return found


def _by_reason(window: Window) -> tuple[Line, ...]:
    groups = (
        ReasonTally.objects.filter(**window.narrowed())
        .values("reason")
        .annotate(all=Sum("count"), changed=Sum("count", filter=~Q(verdict=VerdictKind.APPROVE), default=0))
    )
    return _most_first(
        Line(
            ReasonCode(group["reason"]).label,
            override_rate(group["changed"], group["all"]),
            {"workflow": window.workflow.key, "reason": group["reason"]},
        )
        for group in groups
    )


def _named(**filters: str) -> dict[str, str]:
    return {name: value for name, value in filters.items() if value}


def _most_first(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: (-line.rate.total, line.name)))


def _in_week(workflow: str, first: date) -> dict[str, str]:
    return {"workflow": workflow, "since": first.isoformat(), "until": (first + timedelta(days=7)).isoformat()}


def _band_name(band: int | None) -> str:
    return "no confidence" if band is None else f"{band / 10:.1f}–{(band + 1) / 10:.1f}"


def record_of(decision: Decision, *, since: date) -> Rate:
    """How often people changed what this model and version proposed of this action. One query, of tallies only."""
    total = Tally.objects.filter(
        workflow=decision.workflow_id,
        day__gte=since,
        ticket_kind=TicketKind.GATE,
        action=decision.action,
        model_name=decision.model_name,
        model_version=decision.model_version,
    ).aggregate(all=Sum("count", default=0), changed=Sum("count", filter=~Q(verdict=VerdictKind.APPROVE), default=0))
    return override_rate(total["changed"], total["all"])


# ---- The queue ------------------------------------------------------------------------------------------------------

# Written so that each condition is met by a partial index: of the queue's two each has its group's in order of age.
_OLDEST_OF = """
    (SELECT t.created_at FROM reviews_ticket t
      WHERE t.group_id = g AND t.priority = p AND {condition}
      ORDER BY t.created_at, t.id LIMIT 1)
"""
_OLDEST = (
    "SELECT min(first.created_at) FROM unnest(%s::int[]) AS g, generate_series(0, 3) AS p"  # noqa: S608
    " CROSS JOIN LATERAL ("
    f"{_OLDEST_OF.format(condition=FIRST)} UNION ALL {_OLDEST_OF.format(condition=LATER)}) AS first"
)
_WAITING = f"""
    SELECT least(count(*), {COUNTED_UP_TO + 1}) FROM (
        (SELECT 1 FROM reviews_ticket t WHERE {FIRST} AND t.workflow_id = %(workflow)s LIMIT {COUNTED_UP_TO + 1})
        UNION ALL (SELECT 1 FROM reviews_ticket t WHERE {LATER} AND t.workflow_id = %(workflow)s)
        UNION ALL (SELECT 1 FROM reviews_ticket t WHERE t.state = 'claimed' AND t.workflow_id = %(workflow)s)
        UNION ALL (SELECT 1 FROM reviews_question q JOIN reviews_ticket t ON t.id = q.ticket_id
                    WHERE q.answered_at IS NULL AND t.state = 'waiting' AND t.workflow_id = %(workflow)s)
    ) AS waiting
"""  # noqa: S608  made of constants


def queue_health_of(window: Window) -> QueueHealth:
    """How the workflow's queue does. Four queries; what waits is counted up to a limit."""
    workflow = window.workflow
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
        cursor.execute(_WAITING, {"workflow": workflow.pk})
        (waiting,) = cursor.fetchone()
    return QueueHealth(
        open=waiting,
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

    def as_evidence(self) -> dict[str, Any]:
        """As an alarm keeps it."""
        return {"reason": self.reason, "label": self.label, "count": self.count, "tickets": list(self.tickets)}


def leading_reasons(
    workflow: Workflow, *, action: str, since: date, kinds: Sequence[str] = (TicketKind.GATE,), most: int = 3
) -> tuple[Leading, ...]:
    """The reason codes that led to changes of an action (of any, where it is empty), most frequent first."""
    verdicts = Verdict.objects.standing().filter(
        ticket__workflow=workflow,
        ticket__kind__in=kinds,
        ticket__decision__internal=False,
        # As a moment, since no index is of its day.
        decided_at__gte=datetime.combine(since, time.min, tzinfo=UTC),
    )
    if action:
        verdicts = verdicts.filter(ticket__decision__action=action)
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
