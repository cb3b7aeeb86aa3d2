"""Which tickets a reviewer may take, in order: the one rule behind the queue on the desk and behind the claim.

The shape is what keeps it flat to a million open tickets. Each branch walks one partial index in its own order, once a
group, and stops after `depth` rows:

- reserved: an answer came back to the person who asked;
- first: tickets that nobody has answered yet, which can't be the reviewer's own (index `queue`);
- later: further stages and second opinions, where the reviewer's own earlier verdicts are left out. Only `lookahead`
  rows are looked at, so that thousands of own verdicts at the head cost nothing (index `later_stages`);
- lapsed: claims whose lease is over by the database's clock (index `leases`).
"""
# ruff: noqa: S608 - the text of each query is made of the constants below; every value is a parameter.

from collections.abc import Iterable
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

    def __bool__(self) -> bool:
        return self != QueueFilters()


# The literals are those of the partial indexes: a parameter in their place would keep the planner from using them.
_FIRST = "t.state IN ('open', 'disputed') AND t.stage = 1 AND NOT (t.kind = 'second_opinion')"
_LATER = "t.state IN ('open', 'disputed') AND (t.stage > 1 OR t.kind = 'second_opinion')"
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
_NOT_ANSWERED_BEFORE = """
    NOT EXISTS (SELECT 1 FROM reviews_verdict v
                 WHERE v.ticket_id = t.id AND v.reviewer_id = %(user)s AND v.voided_at IS NULL)
    AND NOT (t.kind = 'second_opinion' AND EXISTS (
        SELECT 1 FROM reviews_verdict v JOIN reviews_ticket other ON other.id = v.ticket_id
         WHERE other.decision_id = t.decision_id AND v.reviewer_id = %(user)s AND v.voided_at IS NULL))
"""
_HELD = "t.state = 'claimed' AND t.claimed_until >= statement_timestamp()"
_KEPT = "(t.reserved_for_id = %(user)s AND t.reserved_until > %(now)s)"
_BEYOND = (
    "(t.priority, t.created_at, t.id)"
    " > (%(after_priority)s::smallint, %(after_created_at)s::timestamptz, %(after_id)s::uuid)"
)
_PLACE = "t.id, t.priority, t.created_at"
_COLUMNS = "t.id, t.priority, t.created_at, t.decision_id, t.kind"
_ORDER = "ORDER BY t.priority, t.created_at, t.id"
_GROUPS = "unnest(%(groups)s::int[]) AS g(id) CROSS JOIN LATERAL"

_CONDITIONS = {
    "workflow": "t.workflow_id = (SELECT w.id FROM policies_workflow w WHERE w.key = %(workflow)s)",
    "kind": "t.kind = %(kind)s",
    "action": "d.action = %(action)s",
    "reason": "d.reasons @> jsonb_build_array(jsonb_build_object('code', %(reason)s::text))",
    "model": "d.model_name = %(model)s",
    "text": "(d.external_id ILIKE %(text)s OR d.subject_id ILIKE %(text)s OR d.subject_label ILIKE %(text)s)",
}


def candidates_sql(filters: QueueFilters, *, beyond: bool = False, held: bool = False) -> str:
    """A query of (id, priority, created_at, ahead), up to `depth` rows a branch and group; `ahead` 0 comes first.

    A ticket that is kept for the reviewer may come twice. With `held`, live claims come too. With `beyond`, it begins
    after a place in the order (after_priority, after_created_at, after_id), and leaves out what is kept for the
    reviewer, which came first.
    """
    asked = [condition for name, condition in _CONDITIONS.items() if getattr(filters, name)]
    source = "reviews_ticket t"
    if any(condition.startswith(("d.", "(d.")) for condition in asked):
        source += " JOIN reviews_decision d ON d.id = t.decision_id"
    if beyond:
        asked += [f"NOT COALESCE({_KEPT}, false)", _BEYOND]
    fit = " AND ".join([_FIT, *asked])
    one_group = f"SELECT {_COLUMNS} FROM {source} WHERE t.group_id = g.id AND {fit}"
    branches = [
        f"SELECT {_PLACE}, 1 AS ahead FROM {_GROUPS} ({one_group} AND {_FIRST} {_ORDER} LIMIT %(depth)s) t",
        f"""(SELECT {_PLACE}, 1 FROM {_GROUPS} ({one_group} AND {_LATER} {_ORDER} LIMIT %(lookahead)s) t
              WHERE {_NOT_ANSWERED_BEFORE} {_ORDER} LIMIT %(depth)s)""",
        f"""(SELECT {_PLACE}, 1 FROM {_GROUPS} ({one_group} AND {LAPSED} {_ORDER} LIMIT %(lookahead)s) t
              WHERE {_NOT_ANSWERED_BEFORE} {_ORDER} LIMIT %(depth)s)""",
    ]
    if not beyond:
        branches.append(
            f"""(SELECT {_PLACE}, 0 FROM {source}
                  WHERE {_KEPT} AND {TAKEABLE} AND t.group_id = ANY(%(groups)s::int[]) AND {fit}
                    AND {_NOT_ANSWERED_BEFORE} {_ORDER} LIMIT %(depth)s)"""
        )
    if held:
        branches.append(f"SELECT {_PLACE}, 1 FROM {_GROUPS} ({one_group} AND {_HELD} {_ORDER} LIMIT %(depth)s) t")
    return " UNION ALL ".join(branches)


def filter_parameters(filters: QueueFilters) -> dict[str, Any]:
    """The values of the filters that are set."""
    values = {name: getattr(filters, name) for name in _CONDITIONS if getattr(filters, name)}
    if "text" in values:
        escaped = values["text"].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values["text"] = f"%{escaped}%"
    return values


def candidate_parameters(
    *, user_id: int, groups: Iterable[int], now: datetime, filters: QueueFilters, depth: int
) -> dict[str, Any]:
    """The parameters of `candidates_sql`, without those of `beyond`."""
    return {
        "user": user_id,
        "groups": list(groups),
        "now": now,
        "depth": depth,
        "lookahead": depth * 8,
        **filter_parameters(filters),
    }
