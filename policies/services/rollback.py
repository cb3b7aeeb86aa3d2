"""Put an earlier version's content in force again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from policies.domain.problems import is_spent
from policies.domain.spec import Policy, to_document
from policies.domain.vocabulary import Autonomy, ChangeKind, VersionCause, VersionStatus
from policies.models import PolicyVersion, Threshold, Workflow
from policies.permissions import may_edit_policies
from policies.queries import (
    pinned_actions,
    policy_of_version,
    rule_spec,
    rules_of,
    threshold_spec,
    thresholds_of,
    withdrawn_bases,
    written_document,
)
from policies.services.drafts import copy_version
from policies.services.publication import SecondAdminNeeded, put_in_force, refuse_invalid
from policies.services.refusals import PolicyRefused, require, written
from policies.services.stop import record_change, take_stop_lock_exclusive

RowKey = tuple[str, str, str]
"""An action's key, a model's name and its version, each "" for any."""
NOTHING_RESTORED: Final[Mapping[RowKey, str]] = {}


class NeverPublished(PolicyRefused):
    """Only a version that was live before, and isn't now, can be rolled back to (409)."""


def roll_back(
    workflow: Workflow,
    *,
    to: PolicyVersion,
    publisher: User,
    reason: str,
    now: datetime,
    restored: Mapping[RowKey, str] = NOTHING_RESTORED,
) -> PolicyVersion:
    """Publish a copy of an earlier version, its actions as they were pinned then.

    Rows that evidence withdrew stay withdrawn, but for those that `restored` gives a new written reason. Writes a new
    version, the one that was live, and a PolicyChange.
    Raises NotAllowed, ReasonMissing, NeverPublished, SecondAdminNeeded (for restored rows), InvalidPolicy (likewise).
    """
    require(may_edit_policies(publisher), detail="Only admins roll a policy back.")
    reason = written(reason)
    if restored and settings.POLICY_TWO_ADMINS:
        raise SecondAdminNeeded("Giving autonomy back takes a second admin: roll back without it, then draft it.")
    with transaction.atomic():
        take_stop_lock_exclusive(workflow.pk)
        source = PolicyVersion.objects.select_related("workflow").get(pk=to.pk)
        if source.workflow_id != workflow.pk or source.published_at is None or source.status != VersionStatus.RETIRED:
            raise NeverPublished(f"Version {source.number} was not in force before, so there is nothing to go back to.")
        live = PolicyVersion.objects.of(workflow).live().first()
        copy = copy_version(
            source,
            cause=VersionCause.ROLLBACK,
            base=live,
            author=publisher,
            note=reason,
            thresholds=rows_after_rollback(source, live=live, restored=restored),
            now=now,
        )
        document = written_document(copy, actions=pinned_actions(source))
        if restored:
            refuse_invalid(copy)
        put_in_force(copy, document=document, publisher=publisher, now=now)
        record_change(
            ChangeKind.ROLLED_BACK,
            workflow=workflow,
            version_id=copy.pk,
            actor=publisher,
            reason=reason,
            now=now,
            detail={"version": copy.number, "digest": copy.digest, "to": source.number},
        )
    return copy


def rows_after_rollback(
    source: PolicyVersion, *, live: PolicyVersion | None, restored: Mapping[RowKey, str] = NOTHING_RESTORED
) -> list[Threshold]:
    """The rows of `source` as a roll-back would publish them: what evidence withdrew since stays withdrawn.

    A row stays withdrawn when its basis was, or when the live row that governs the same decisions is. A live row that
    is withdrawn and that `source` lacks is kept, or a broader row would let the same decisions run alone again.
    """
    withdrawn = withdrawn_bases(source.workflow)
    policy = policy_of_version(live.pk) if live else None
    rows = thresholds_of(source)
    for row in rows:
        if row.autonomy != Autonomy.BY_CONFIDENCE:
            continue
        spec = threshold_spec(row)
        if spec.key in restored:
            row.basis_reason, row.certificate_id, row.certificate_digest = restored[spec.key], "", ""
            row.basis_holds_until = None
        elif is_spent(spec, withdrawn) or (policy is not None and _is_withdrawn(policy, spec.key)):
            row.autonomy = Autonomy.WITHDRAWN
    kept = {threshold_spec(row).key for row in rows}
    if live is not None:
        rows += [
            row
            for row in thresholds_of(live)
            if row.autonomy == Autonomy.WITHDRAWN and threshold_spec(row).key not in kept
        ]
    return rows


def document_after_rollback(source: PolicyVersion, *, live: PolicyVersion | None) -> dict[str, Any]:
    """What a roll-back to `source` would put in force, with nothing restored."""
    return to_document(
        workflow=source.workflow.key,
        actions=pinned_actions(source),
        thresholds=map(threshold_spec, rows_after_rollback(source, live=live)),
        rules=map(rule_spec, rules_of(source)),
    )


def withdrawn_by_rollback(source: PolicyVersion, *, live: PolicyVersion | None) -> tuple[RowKey, ...]:
    """The rows of `source` that let something run alone then, and would stay withdrawn."""
    alone = {row.key for row in map(threshold_spec, thresholds_of(source)) if row.autonomy == Autonomy.BY_CONFIDENCE}
    after = map(threshold_spec, rows_after_rollback(source, live=live))
    return tuple(row.key for row in after if row.key in alone and row.autonomy == Autonomy.WITHDRAWN)


def _is_withdrawn(policy: Policy, key: RowKey) -> bool:
    action, model_name, model_version = key
    governing = policy.row_for(action=action, model_name=model_name, model_version=model_version)
    return governing is not None and governing.autonomy == Autonomy.WITHDRAWN
