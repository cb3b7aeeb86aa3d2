"""Take autonomy back where evidence fails: at once, and without a person."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction

from policies.domain.problems import WithdrawnBasis, row_name
from policies.domain.vocabulary import Autonomy, ChangeKind, VersionCause
from policies.models import PolicyVersion, Threshold, Workflow
from policies.queries import pinned_actions, threshold_spec, thresholds_of, written_document
from policies.services.drafts import copy_version
from policies.services.publication import put_in_force
from policies.services.refusals import PolicyRefused, written
from policies.services.stop import record_change, take_stop_lock_exclusive


class NothingToWithdraw(PolicyRefused):
    """The live version has no such row that may act alone (any more)."""


def withdraw_autonomy(
    workflow: Workflow,
    *,
    action: str,
    model_name: str,
    model_version: str,
    reason: str,
    evidence: Mapping[str, Any],
    now: datetime,
) -> PolicyVersion:
    """Publish a version in which the row of `action` ("": the default) and this model ("": any) lets nothing run alone.

    It differs from the live one in that row only; drafts stay, and are rebased before they can be published. What the
    row stood on never serves again. Waits for what is being submitted. Writes both versions and a PolicyChange.
    Raises NothingToWithdraw, ReasonMissing.
    """
    reason = written(reason)
    key = (action, model_name, model_version)
    with transaction.atomic():
        take_stop_lock_exclusive(workflow.pk)
        live = PolicyVersion.objects.of(workflow).live().select_related("workflow").first()
        rows = thresholds_of(live) if live else []
        failed = next((row for row in rows if _is_alone(row) and threshold_spec(row).key == key), None)
        if live is None or failed is None:
            raise NothingToWithdraw("The live version lets nothing run alone by this row.")
        spec = threshold_spec(failed)
        failed.autonomy = Autonomy.WITHDRAWN
        version = copy_version(
            live, cause=VersionCause.WITHDRAWAL, base=live, author=None, note=reason, thresholds=rows, now=now
        )
        put_in_force(version, document=written_document(version, actions=pinned_actions(live)), publisher=None, now=now)
        basis = WithdrawnBasis(action, model_name, model_version, spec.certificate_id, spec.basis_reason)
        record_change(
            ChangeKind.WITHDRAWN,
            workflow=workflow,
            version_id=version.pk,
            actor=None,
            reason=reason,
            now=now,
            detail={
                "version": version.number,
                "digest": version.digest,
                "row": row_name(spec),
                "basis": asdict(basis),
                "evidence": dict(evidence),
            },
        )
    return version


def _is_alone(row: Threshold) -> bool:
    return row.autonomy == Autonomy.BY_CONFIDENCE
