"""Labels as columns, a million at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

import numpy as np
from django.db import connection
from django.db.models import Sum
from numpy.typing import NDArray

from feedback.domain.rates import Floats
from feedback.models import Tally
from policies.domain.vocabulary import Route
from policies.models import Workflow

Flags = NDArray[np.bool_]
Key = tuple[str, str, str]
"""An action, a model's name and its version."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which decisions a figure is of; what is empty is any. `since`: received then, at the earliest."""

    workflow: Workflow
    action: str = ""
    model_name: str = ""
    model_version: str = ""
    since: datetime | None = None
    # Where given, only these combinations: what one row of a policy governs.
    keys: tuple[Key, ...] | None = None


@dataclass(frozen=True, slots=True)
class Labels:
    """Columns of one length, in the order of arrival. A confidence is NaN where the AI gave none.

    `received` is in seconds since 1970; `error`: the AI was not right; `ran_alone`: its route was auto; `probability`
    is π, 0 where a label enters no estimate.
    """

    received: Floats
    id_high: NDArray[np.uint64]
    id_low: NDArray[np.uint64]
    confidence: Floats
    error: Flags
    ran_alone: Flags
    flagged: Flags
    probability: Floats

    def __len__(self) -> int:
        return len(self.received)

    def of(self, chosen: Flags | NDArray[np.intp] | slice) -> Self:
        """Some of them: by flags, by place, or a stretch."""
        return type(self)(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def estimable(self) -> Self:
        """Those that may enter an estimate with the weight 1/π."""
        return self.of((self.probability > 0) & ~np.isnan(self.confidence))

    def with_confidence(self) -> Self:
        """No confidence reaches no threshold."""
        return replace(self, confidence=np.nan_to_num(self.confidence, nan=-1.0))

    def in_order(self) -> Self:
        """By arrival; a decision's id is random, but in order of time."""
        return self.of(np.lexsort((self.id_low, self.id_high, self.received)))


# Rows as PostgreSQL sends numbers: in binary, in network order, put end to end into one value. A million of them come
# over in half a second, where a million tuples would take several.
_ROW = np.dtype(
    [
        ("id_high", ">u8"),
        ("id_low", ">u8"),
        ("received", ">i8"),  # microseconds since 2000
        ("confidence", ">f8"),
        ("probability", ">i4"),  # in ten-thousandths, as it is stored
        ("flags", ">i4"),
    ]
)
_ERROR, _RAN_ALONE, _FLAGGED = 1, 2, 4
_YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_PACKED = """
    SELECT string_agg(uuid_send(decision_id) || timestamptz_send(decided_at)
                      || float8send(coalesce(confidence, 'NaN')) || int4send(({probability} * 10000)::int4)
                      || int4send({error} + CASE route WHEN %(auto)s THEN 2 ELSE 0 END + {flagged}), ''::bytea)
      FROM {rows}
"""
_LABELS = _PACKED.format(
    probability="coalesce(label_probability, 0)",
    error="CASE WHEN ai_was_right THEN 0 ELSE 1 END",
    flagged="CASE WHEN flagged THEN 4 ELSE 0 END",
    rows="feedback_label WHERE stands",
)
_AWAITED = _PACKED.format(probability="flag_probability", error="1", flagged="4", rows="feedback_awaited WHERE true")


def labels_of(scope: Scope) -> Labels:
    """Every label in scope that stands."""
    return _read(_LABELS, scope)


def sample_of(scope: Scope, *, now: datetime) -> Labels:
    """The random sample: every flagged decision up to a moment, labelled, or else counted as an error.

    The moment is the arrival of the first whose label may still come in time. Of the decisions before it none is left
    out: those that have waited past the audit's SLA count as errors. So nothing is chosen by how long its label took,
    and leaving audits undone makes no error disappear.
    """
    labels = labels_of(scope)
    awaited = _read(_AWAITED, scope)
    joined = _joined(labels.of(labels.flagged), awaited)
    place = np.arange(len(joined)) >= len(joined) - len(awaited)
    order = np.lexsort((joined.id_low, joined.id_high, joined.received))
    late_before = (now - timedelta(hours=scope.workflow.audit_sla_hours)).timestamp()
    in_time = (place & (joined.received > late_before))[order]
    end = int(np.argmax(in_time)) if in_time.any() else len(order)
    return joined.of(order[:end])


def _joined(first: Labels, second: Labels) -> Labels:
    return Labels(
        *(np.concatenate([getattr(first, column.name), getattr(second, column.name)]) for column in fields(Labels))
    )


def _read(select: str, scope: Scope) -> Labels:
    conditions, values = _conditions(scope)
    connection.ensure_connection()
    with connection.connection.cursor(binary=True) as cursor:
        cursor.execute(f"{select} AND {conditions}", {"auto": str(Route.AUTO), **values})
        packed: bytes = cursor.fetchone()[0] or b""
    rows = np.frombuffer(packed, dtype=_ROW)
    flags = rows["flags"].astype(np.int32)
    return Labels(
        received=rows["received"] / 1e6 + _YEAR_2000,
        id_high=rows["id_high"].astype(np.uint64),
        id_low=rows["id_low"].astype(np.uint64),
        confidence=rows["confidence"].astype(float),
        error=(flags & _ERROR) > 0,
        ran_alone=(flags & _RAN_ALONE) > 0,
        flagged=(flags & _FLAGGED) > 0,
        probability=rows["probability"] / 10_000,
    ).in_order()


def _conditions(scope: Scope) -> tuple[str, dict[str, Any]]:
    named = [column for column in ("action", "model_name", "model_version") if getattr(scope, column)]
    conditions = ["workflow_id = %(workflow)s", *(f"{column} = %({column})s" for column in named)]
    if scope.since is not None:
        conditions.append("decided_at >= %(since)s")
    if scope.keys is not None:
        conditions.append(
            "(action, model_name, model_version) IN"
            " (SELECT * FROM unnest(%(actions)s::text[], %(names)s::text[], %(versions)s::text[]))"
        )
    actions, names, versions = zip(*scope.keys, strict=True) if scope.keys else ((), (), ())
    return " AND ".join(conditions), {
        "workflow": scope.workflow.pk,
        "action": scope.action,
        "model_name": scope.model_name,
        "model_version": scope.model_version,
        "since": scope.since,
        "actions": list(actions),
        "names": list(names),
        "versions": list(versions),
    }


def busiest_of(workflows: Sequence[Workflow], *, since: date) -> Workflow:
    """The one in which most decisions arrived; the first of several. One query."""
    arrived = Tally.objects.filter(ticket_kind="", day__gte=since).values_list("workflow").annotate(Sum("count"))
    counts = dict(arrived.order_by())
    return max(workflows, key=lambda workflow: counts.get(workflow.pk, 0))


def keys_of(workflow: Workflow) -> tuple[Key, ...]:
    """Every combination of action and model that decisions of the workflow came with, by the tallies."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT action, model_name, model_version FROM feedback_tally"
            " WHERE workflow_id = %s ORDER BY 1, 2, 3",
            [workflow.pk],
        )
        return tuple((action, name, version) for action, name, version in cursor.fetchall())
