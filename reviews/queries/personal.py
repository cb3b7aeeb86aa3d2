"""What is shown of a payload to whoever needn't see its personal fields; permissions say who that is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from policies.models import ActionType
from reviews.domain.personal import MASK, redact
from reviews.models import Decision, Outcome, Verdict
from reviews.queries.dossier import Dossier


def hide_personal_fields(workflow_id: int, *rows: Decision | Outcome | Verdict) -> None:
    """Mask them in these rows as they are in memory, which are to be shown and never saved. One query."""
    fields = _personal_fields(workflow_id)
    for row in rows:
        row.payload = _masked(row.payload, action=row.action, fields=fields)


def without_personal_fields(found: Dossier) -> Dossier:
    """The same dossier with them masked: the proposal's, what people made of it, what lies on the table. One query."""
    # A change on the table is one of the standing verdicts, and those of a dispute are too.
    hide_personal_fields(found.decision.workflow_id, found.decision, *found.given)
    source = found.table.changed_by or found.decision
    return replace(found, table=replace(found.table, payload=source.payload or {}))


def _personal_fields(workflow_id: int) -> Mapping[str, list[str]]:
    """By the action's key, live: they are no part of what judges, so no version pins them."""
    actions = ActionType.objects.filter(workflow=workflow_id).order_by()
    return dict(actions.values_list("key", "personal_fields"))


def _masked(payload: Any, *, action: str, fields: Mapping[str, list[str]]) -> Any:
    if payload is None:
        return None
    # An action that nobody registered has the shape of any of them.
    pointers = fields[action] if action in fields else [each for of_one in fields.values() for each in of_one]
    masked = redact(payload, pointers)
    # A pointer to the whole leaves no object, which is what a payload is.
    return masked if isinstance(masked, dict) else {MASK: masked}
