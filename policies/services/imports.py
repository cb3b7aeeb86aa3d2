"""Take a policy over from a file, as a draft."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction

from policies.domain.spec import ActionSpec, Policy, digest_of
from policies.models import ActionType, PolicyVersion, Rule, Threshold, Workflow
from policies.permissions import may_edit_policies
from policies.queries import document_of
from policies.services.drafts import create_draft
from policies.services.refusals import PolicyRefused, require


class CannotImport(PolicyRefused):
    """The file doesn't fit this installation (422)."""


def import_draft(document: Mapping[str, Any], *, author: User, note: str, now: datetime) -> PolicyVersion:
    """A draft on top of what is live that, published as it is, has the digest of `document`.

    Writes the actions that differ (which bind only when a version is published) and a draft with its rows.
    Raises NotAllowed, CannotImport, SpecError.
    """
    require(may_edit_policies(author), detail="Only admins change policies.")
    policy = Policy.from_canonical(document, digest_of(document), number=0)
    workflow = Workflow.objects.filter(key=policy.workflow).first()
    if workflow is None:
        raise CannotImport(f"There is no workflow called {policy.workflow}. Add it in the admin first.")
    with transaction.atomic():
        for spec in policy.actions.values():
            _put_action(workflow, spec)
        draft = create_draft(workflow, author=author, note=note, now=now)
        draft.thresholds.all().delete()
        draft.rules.all().delete()
        _put_rows(draft, policy)
        if digest_of(document_of(draft)) != policy.digest:
            raise CannotImport(_difference(draft, policy))
    return draft


def _put_action(workflow: Workflow, spec: ActionSpec) -> None:
    values = {
        "title": spec.title,
        "what": spec.what,
        "ask": spec.ask,
        "reversibility": spec.reversibility,
        "payload_schema": spec.payload_schema,
        "amount_pointer": spec.amount_pointer,
        "currency_pointer": spec.currency_pointer,
        "editable_fields": list(spec.editable),
        "layout": dict(spec.layout),
        "allowed_verdicts": list(spec.allowed_verdicts),
        "hold_seconds": spec.hold_seconds,
        "active": spec.active,
        "sensitive": spec.sensitive,
    }
    action = ActionType.objects.filter(workflow=workflow, key=spec.key).first() or ActionType(
        workflow=workflow, key=spec.key
    )
    if action.pk is None or any(getattr(action, name) != value for name, value in values.items()):
        for name, value in values.items():
            setattr(action, name, value)
        action.save()


def _put_rows(draft: PolicyVersion, policy: Policy) -> None:
    actions = {action.key: action for action in ActionType.objects.filter(workflow=draft.workflow)}
    groups = {group.name: group for group in Group.objects.all()}
    if missing := sorted({rule.group for rule in policy.rules if rule.group} - groups.keys()):
        raise CannotImport(f"There is no group called {missing[0]}. Add it in the admin first.")
    if missing := sorted({row.action for row in policy.thresholds if row.action} - actions.keys()):
        raise CannotImport(f"A row names the action {missing[0]}, which the file does not describe.")
    for row in policy.thresholds:
        values = {name: getattr(row, name) for name in row.__dataclass_fields__ if name != "action"}
        Threshold.objects.create(version=draft, action=actions.get(row.action), **values)
    for rule in policy.rules:
        Rule.objects.create(
            version=draft,
            position=rule.position,
            expression=rule.expression,
            sentence=rule.sentence,
            ask=rule.ask,
            group=groups.get(rule.group),
            verdicts_needed=rule.verdicts_needed,
        )


def _difference(draft: PolicyVersion, policy: Policy) -> str:
    """Why the draft would have another digest than the file."""
    here = set(ActionType.objects.filter(workflow=draft.workflow).values_list("key", flat=True))
    if extra := sorted(here - policy.actions.keys()):
        return f"The action {extra[0]} is registered here, and the file does not describe it. Export again, or add it."
    return "The draft would not have the digest of the file: some figure has more digits than the database keeps."
