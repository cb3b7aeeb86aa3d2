"""Which tickets a reviewer may take, in order: the one rule behind the queue on the desk and behind the claim.

The shape is what keeps it flat to a million open tickets. Each branch walks one partial index in its own order, once a
group, and stops after `depth` rows:

- reserved: an answer came back to the person who asked;
- first: tickets that nobody has answered yet, which can't be the reviewer's own (index `queue`);
- later: further stages and second opinions, where decisions that the reviewer has answered are left out. Only so many
  rows are looked at, so that thousands of own verdicts at the head cost nothing (index `later_stages`);
- lapsed: claims whose lease is over by the database's clock (index `leases`).
"""
# ruff: noqa: S608 - the text of each query is made of the constants below; every value is a parameter.

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class QueueFilters:
    """What a reviewer wants to see of the queue; "" is anything. They all hold at once."""

    workflow: str = ""  # its key
    action: str = ""  # its key
    kind: str = ""  # of the ticket
    reason: str = ""  # a reason's code
    model: str = ""  # its name
    text: str = ""  # found in external id, subject's id or label

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of those that are set."""
        return tuple(name for name in _CONDITIONS if getattr(self, name))

    def __bool__(self) -> bool:
        return bool(self.asked)


# The literals are those of the partial indexes: a parameter in their place would keep the planner from using them.
FIRST = "t.state IN ('open', 'disputed') AND t.stage = 1 AND NOT (t.kind = 'second_opinion')"
LATER = "t.state IN ('open', 'disputed') AND (t.stage > 1 OR t.kind = 'second_opinion')"
LAPSED = "t.state = 'claimed' AND t.claimed_until < statement_timestamp()"
TAKEABLE = f"(t.state IN ('open', 'disputed') OR ({LAPSED}))"

# Nobody decides what they asked for themselves; what was skipped stays away a while; what is kept for somebody is
# theirs first; what has run out of time is no longer anybody's.
_FIT = """
    t.requester_id IS DISTINCT FROM %(user)s
    AND (t.deadline IS NULL OR t.deadline > %(now)s)
    AND t.id NOT IN (SELECT s.ticket_id FROM reviews_skip s WHERE s.reviewer_id = %(user)s AND s.until > %(now)s)
    AND (t.reserved_for_id IS NULL OR t.reserved_for_id = %(user)s OR t.reserved_until <= %(now)s)
"""
# Asked of each row that is looked at, one by one: the planner is not to fetch every verdict the reviewer ever gave.
_ANSWERED = """
    LEFT JOIN LATERAL (
        SELECT 1 AS answered FROM reviews_ticket other JOIN reviews_verdict v ON v.ticket_id = other.id
         WHERE other.decision_id = t.decision_id AND v.reviewer_id = %(user)s AND v.voided_at IS NULL
         LIMIT 1) own ON true
"""
_HELD = "t.state = 'claimed' AND t.claimed_until >= statement_timestamp()"
_KEPT = "(t.reserved_for_id = %(user)s AND t.reserved_until > %(now)s)"
_BEYOND = (
    "(t.priority, t.created_at, t.id)"
    " > (%(after_priority)s::smallint, %(after_created_at)s::timestamptz, %(after_id)s::uuid)"
)
_PLACE = "t.id, t.priority, t.created_at"
_COLUMNS = "t.id, t.priority, t.created_at, t.decision_id"
_ORDER = "ORDER BY t.priority, t.created_at, t.id"
_GROUPS = "unnest(%(groups)s::int[]) AS g(id) CROSS JOIN LATERAL"

_CONDITIONS = {
    "workflow": "t.workflow_id = (SELECT w.id FROM policies_workflow w WHERE w.key = %(workflow)s)",
    # A known answer counts as the gate that it pretends to be, or a filter would tell it from one.
    "kind": "CASE t.kind WHEN 'known_answer' THEN 'gate' ELSE t.kind END = %(kind)s",
    "action": "d.action = %(action)s",
    "reason": "d.reasons @> jsonb_build_array(jsonb_build_object('code', %(reason)s::text))",
    "model": "d.model_name = %(model)s",
    "text": "(d.external_id ILIKE %(text)s OR d.subject_id ILIKE %(text)s OR d.subject_label ILIKE %(text)s)",
}

_OF_DECISIONS = frozenset({"action", "reason", "model", "text"})
# How many rows are looked at, among those that the reviewer may have answered, for each that is offered.
LOOKED_AT_FOR_ONE = 8


def unanswered_sql(asked: Collection[str], *, depth: int) -> str:
    """A query of (id, priority, created_at, decision_id, workflow_id, estimate_first): the first branch, for itself."""
    columns = f"{_COLUMNS}, t.workflow_id, t.estimate_first"
    fit = " AND ".join([_FIT, *(_CONDITIONS[name] for name in asked)])
    one_group = f"SELECT {columns} FROM {_source(asked)} WHERE t.group_id = g.id AND {fit}"
    return f"SELECT t.* FROM {_GROUPS} ({one_group} AND {FIRST} {_ORDER} LIMIT {depth:d}) t"


def candidates_sql(
    asked: Collection[str], *, depth: int, beyond: bool = False, held: bool = False, named: bool = False
) -> str:
    """A query of (id, priority, created_at, ahead), up to `depth` rows a branch and group; `ahead` 0 comes first.

    `asked` names the filters that are set. A ticket that is kept for the reviewer may come twice. With `held`, live
    claims come too. With `named`, the unanswered ticket of the parameter `alike` comes too, however far back. With
    `beyond`, it begins after a place in the order (after_priority, after_created_at, after_id), and leaves out what is
    kept for the reviewer, which came first. Parameters are written as %(name)s; `depth` stands in the text, since a
    plan for any depth would not be one for a small depth.
    """
    conditions = [_CONDITIONS[name] for name in asked]
    source = _source(asked)
    if beyond:
        conditions += [f"NOT COALESCE({_KEPT}, false)", _BEYOND]
    fit = " AND ".join([_FIT, *conditions])
    one_group = f"SELECT {_COLUMNS} FROM {source} WHERE t.group_id = g.id AND {fit}"
    unanswered = f"{_ANSWERED} WHERE own.answered IS NULL {_ORDER} LIMIT {depth:d}"
    look = depth * LOOKED_AT_FOR_ONE
    branches = [
        f"SELECT {_PLACE}, 1 AS ahead FROM {_GROUPS} ({one_group} AND {FIRST} {_ORDER} LIMIT {depth:d}) t",
        f"(SELECT {_PLACE}, 1 FROM {_GROUPS} ({one_group} AND {LATER} {_ORDER} LIMIT {look:d}) t {unanswered})",
        f"(SELECT {_PLACE}, 1 FROM {_GROUPS} ({one_group} AND {LAPSED} {_ORDER} LIMIT {look:d}) t {unanswered})",
    ]
    if not beyond:
        kept = f"{_KEPT} AND {TAKEABLE} AND t.group_id = ANY(%(groups)s::int[]) AND {fit}"
        kept = f"SELECT {_COLUMNS} FROM {source} WHERE {kept} {_ORDER} LIMIT {look:d}"
        branches.append(f"(SELECT {_PLACE}, 0 FROM ({kept}) t {unanswered})")
    if held:
        branches.append(f"SELECT {_PLACE}, 1 FROM {_GROUPS} ({one_group} AND {_HELD} {_ORDER} LIMIT {depth:d}) t")
    if named:
        one = f"t.id = %(alike)s AND {FIRST} AND t.group_id = ANY(%(groups)s::int[]) AND {fit}"
        branches.append(f"SELECT {_PLACE}, 1 FROM {source} WHERE {one}")
    return " UNION ALL ".join(branches)


def _source(asked: Collection[str]) -> str:
    of_decisions = not _OF_DECISIONS.isdisjoint(asked)
    return "reviews_ticket t" + (" JOIN reviews_decision d ON d.id = t.decision_id" if of_decisions else "")


def filter_parameters(filters: QueueFilters) -> dict[str, Any]:
    """The values of the filters that are set."""
    values = {name: getattr(filters, name) for name in filters.asked}
    if "text" in values:
        escaped = values["text"].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values["text"] = f"%{escaped}%"
    return values


def candidate_parameters(
    *, user_id: int, groups: Iterable[int], now: datetime, filters: QueueFilters
) -> dict[str, Any]:
    """The parameters of `candidates_sql`, without those of `beyond`."""
    return {"user": user_id, "groups": list(groups), "now": now, **filter_parameters(filters)}
