"""What is in force: the live policy, compiled once, and the switches."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db.models import Subquery

from policies.domain.problems import WithdrawnBasis
from policies.domain.spec import ActionSpec, Policy, RuleSpec, ThresholdSpec, to_document
from policies.domain.vocabulary import ChangeKind, VersionStatus
from policies.models import ActionType, PolicyChange, PolicyVersion, Rule, Switch, Threshold, Workflow

# ---- What judging reads ---------------------------------------------------------------------------------------------


def live_version_id(workflow_id: int) -> int | None:
    """The version in force, in one query; the database allows but one."""
    return PolicyVersion.objects.filter(workflow_id=workflow_id).live().values_list("pk", flat=True).first()


def shadow_version_id(workflow_id: int) -> int | None:
    """The version that is judged beside the live one, in one query."""
    return PolicyVersion.objects.filter(workflow_id=workflow_id).shadow().values_list("pk", flat=True).first()


def live_policy(workflow_id: int) -> Policy | None:
    """The policy in force, compiled; one query once a process knows it."""
    version_id = live_version_id(workflow_id)
    return None if version_id is None else policy_of_version(version_id)


@lru_cache(maxsize=256)
def policy_of_version(version_id: int) -> Policy:
    """The policy that a version pinned. Kept by each process, since what is pinned never changes.

    Raises PolicyVersion.DoesNotExist for a draft, which pins nothing, and SpecError for a document that can't be read.
    """
    version = PolicyVersion.objects.exclude(status=VersionStatus.DRAFT).get(pk=version_id)
    return Policy.from_canonical(json.loads(version.document), version.digest, number=version.number)


@dataclass(frozen=True, slots=True)
class Switches:
    """What is stopped. Nothing runs alone while one of them is thrown."""

    everything: bool
    workflow: bool

    @property
    def paused(self) -> str:
        """As `Facts.paused` has it: "everything", "workflow" or ""."""
        return "everything" if self.everything else "workflow" if self.workflow else ""


def switches(workflow_id: int) -> Switches:
    """Both switches, in one query. Read them after the stop lock is held, in a statement of its own."""
    row = Workflow.objects.filter(pk=workflow_id).values_list(
        "paused", Subquery(Switch.objects.filter(pk=1).values("paused"))
    )
    workflow, everything = row.get()
    return Switches(everything=bool(everything), workflow=workflow)


# ---- Rows as judging knows them -------------------------------------------------------------------------------------


def action_spec(action: ActionType) -> ActionSpec:
    return ActionSpec(
        key=action.key,
        title=action.title,
        what=action.what,
        ask=action.ask,
        reversibility=action.reversibility,
        payload_schema=action.payload_schema,
        amount_pointer=action.amount_pointer,
        currency_pointer=action.currency_pointer,
        editable=tuple(action.editable_fields),
        layout=action.layout,
        allowed_verdicts=tuple(action.allowed_verdicts),
        hold_seconds=action.hold_seconds,
        active=action.active,
        sensitive=action.sensitive,
    )


def threshold_spec(row: Threshold) -> ThresholdSpec:
    return ThresholdSpec(
        action=row.action.key if row.action else "",
        model_name=row.model_name,
        model_version=row.model_version,
        autonomy=row.autonomy,
        least_confidence=row.least_confidence,
        largest_amount=row.largest_amount,
        currency=row.currency,
        verdicts_needed=row.verdicts_needed,
        audit_rate=row.audit_rate,
        deliberate_acts=row.deliberate_acts,
        separation=row.separation,
        daily_count=row.daily_count,
        daily_amount=row.daily_amount,
        subject_daily_count=row.subject_daily_count,
        subject_daily_amount=row.subject_daily_amount,
        alpha=row.alpha,
        delta=row.delta,
        certificate_id=row.certificate_id,
        certificate_digest=row.certificate_digest,
        basis_reason=row.basis_reason,
        basis_holds_until=row.basis_holds_until,
    )


def rule_spec(row: Rule) -> RuleSpec:
    return RuleSpec(
        position=row.position,
        expression=row.expression,
        sentence=row.sentence,
        ask=row.ask,
        group=row.group.name if row.group else "",
        verdicts_needed=row.verdicts_needed,
    )


def thresholds_of(version: PolicyVersion) -> list[Threshold]:
    return list(version.thresholds.select_related("action").order_by("pk"))


def rules_of(version: PolicyVersion) -> list[Rule]:
    return list(version.rules.select_related("group").order_by("position", "pk"))


def registered_actions(workflow: Workflow) -> tuple[ActionSpec, ...]:
    """The actions as they stand now: what the next version to be published pins."""
    return tuple(map(action_spec, ActionType.objects.filter(workflow=workflow)))


def written_document(version: PolicyVersion, *, actions: Iterable[ActionSpec] | None = None) -> dict[str, Any]:
    """The document that `version` has by its rows, with `actions` or those that are registered now."""
    return to_document(
        workflow=version.workflow.key,
        actions=registered_actions(version.workflow) if actions is None else actions,
        thresholds=map(threshold_spec, thresholds_of(version)),
        rules=map(rule_spec, rules_of(version)),
    )


def document_of(version: PolicyVersion) -> dict[str, Any]:
    """What `version` says: pinned once it is published or in shadow, by its rows while it is a draft."""
    if version.status == VersionStatus.DRAFT:
        return written_document(version)
    pinned: dict[str, Any] = json.loads(version.document)
    return pinned


def pinned_actions(version: PolicyVersion) -> tuple[ActionSpec, ...]:
    """The actions as a published version or a shadow pinned them."""
    return tuple(policy_of_version(version.pk).actions.values())


def withdrawn_bases(workflow: Workflow) -> tuple[WithdrawnBasis, ...]:
    """Every basis that evidence has withdrawn in this workflow."""
    changes = PolicyChange.objects.filter(workflow=workflow, kind=ChangeKind.WITHDRAWN).values_list("detail", flat=True)
    return tuple(WithdrawnBasis(**detail["basis"]) for detail in changes)
