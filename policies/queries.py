"""What is in force: the live policy, compiled once, the switches, and all of it in words."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import OuterRef, Subquery

from policies.domain.differences import Difference, basis_in_words, differences, whom_a_rule_asks
from policies.domain.problems import WithdrawnBasis
from policies.domain.sentences import describe
from policies.domain.spec import ActionSpec, Policy, RuleSpec, ThresholdSpec, to_document
from policies.domain.vocabulary import ChangeKind, VersionStatus
from policies.models import ActionType, PolicyChange, PolicyVersion, Rule, Switch, Threshold, Workflow

# ---- What judging reads ---------------------------------------------------------------------------------------------


def live_version_id(workflow_id: int) -> int | None:
    """The version in force, in one query; the database allows but one."""
    return PolicyVersion.objects.filter(workflow_id=workflow_id).live().values_list("pk", flat=True).first()


def live_versions(workflow: OuterRef) -> Subquery:
    """The same beside each row of a query that knows its workflow."""
    return Subquery(PolicyVersion.objects.filter(workflow=workflow).live().values("pk")[:1])


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


# ---- What pages show ------------------------------------------------------------------------------------------------

IN_FORCE_BY = (ChangeKind.PUBLISHED, ChangeKind.ROLLED_BACK, ChangeKind.WITHDRAWN)
"""The changes that put a version in force."""


@dataclass(frozen=True, slots=True)
class RowInWords:
    """One row: what its action may do, and what that stands on."""

    sentence: str
    basis: str


@dataclass(frozen=True, slots=True)
class RuleInWords:
    """One rule: what the reviewer reads, when it fires, whom it asks, and what."""

    sentence: str
    expression: str
    whom: str
    ask: str


NO_DEFAULT_ROW = RowInWords("Whatever no row speaks of always goes to a person.", "")


@dataclass(frozen=True, slots=True)
class VersionInWords:
    """A version with everything that it says; `change` put it in force, None where that never happened."""

    version: PolicyVersion
    rows: tuple[RowInWords, ...]
    rules: tuple[RuleInWords, ...]
    change: PolicyChange | None


@dataclass(frozen=True, slots=True)
class WorkflowInWords:
    """A workflow as it stands: what is in force, and the stop that holds now."""

    workflow: Workflow
    live: VersionInWords | None
    shadow: PolicyVersion | None
    drafts: tuple[PolicyVersion, ...]
    stop: PolicyChange | None


@dataclass(frozen=True, slots=True)
class PoliciesInWords:
    """All workflows; `stop` is the change that paused everything, where everything is paused."""

    workflows: tuple[WorkflowInWords, ...]
    everything_paused: bool
    stop: PolicyChange | None


def policies_in_words() -> PoliciesInWords:
    """Every workflow with what is in force. Five queries, however many there are."""
    workflows = Workflow.objects.select_related("review_group", "escalation_group")
    versions = PolicyVersion.objects.exclude(status=VersionStatus.RETIRED).select_related("publisher", "author")
    return _in_words(list(workflows), list(versions.newest_first()))


def workflow_in_words(workflow: Workflow) -> WorkflowInWords:
    """One workflow with what is in force. Four queries."""
    versions = PolicyVersion.objects.of(workflow).exclude(status=VersionStatus.RETIRED)
    found = _in_words([workflow], list(versions.select_related("publisher", "author").newest_first()))
    return found.workflows[0]


def _in_words(workflows: list[Workflow], versions: list[PolicyVersion]) -> PoliciesInWords:
    paused = Switch.objects.values_list("paused", flat=True).first() is not False
    stops = {
        change.workflow_id: change
        for change in PolicyChange.objects.filter(kind__in=(ChangeKind.PAUSED, ChangeKind.RESUMED))
        .select_related("actor")
        .order_by("workflow_id", "-pk")
        .distinct("workflow_id")
    }
    put_in_force = PolicyChange.objects.filter(
        kind__in=IN_FORCE_BY, version__in=[each.pk for each in versions if each.status == VersionStatus.LIVE]
    )
    changes = {change.version_id: change for change in put_in_force.select_related("actor")}
    return PoliciesInWords(
        workflows=tuple(
            WorkflowInWords(
                workflow=workflow,
                live=next(
                    (
                        in_words(each, change=changes.get(each.pk))
                        for each in versions
                        if each.workflow_id == workflow.pk and each.status == VersionStatus.LIVE
                    ),
                    None,
                ),
                shadow=next(
                    (e for e in versions if e.workflow_id == workflow.pk and e.status == VersionStatus.SHADOW), None
                ),
                drafts=tuple(e for e in versions if e.workflow_id == workflow.pk and e.status == VersionStatus.DRAFT),
                stop=stops.get(workflow.pk) if workflow.paused else None,
            )
            for workflow in workflows
        ),
        everything_paused=paused,
        stop=stops.get(None) if paused else None,
    )


def in_words(version: PolicyVersion, *, change: PolicyChange | None = None) -> VersionInWords:
    """What `version` says, in words: one sentence a row, the default row last. Raises SpecError for a broken draft."""
    policy = Policy.from_canonical(document_of(version), version.digest, number=version.number)
    rows = [
        RowInWords(f"{describe(row, policy.actions.get(row.action))}.", basis_in_words(row))
        for row in sorted(policy.thresholds, key=lambda row: (row.action == "", row.key))
    ]
    if all(any(row.key) for row in policy.thresholds):
        rows.append(NO_DEFAULT_ROW)
    rules = (RuleInWords(rule.sentence, rule.expression, whom_a_rule_asks(rule), rule.ask) for rule in policy.rules)
    return VersionInWords(version=version, rows=tuple(rows), rules=tuple(rules), change=change)


def put_in_force_by(version: PolicyVersion) -> PolicyChange | None:
    """The change that made `version` live, None where it never was."""
    changes = PolicyChange.objects.filter(version=version, kind__in=IN_FORCE_BY)
    return changes.select_related("actor").first()


def versions_that_ask(group: Group) -> tuple[PolicyVersion, ...]:
    """The versions that judge now, live or in shadow, with a rule that names the group. One query."""
    judging = PolicyVersion.objects.filter(status__in=(VersionStatus.LIVE, VersionStatus.SHADOW))
    found = judging.filter(rules__group=group).distinct().defer("document").select_related("workflow")
    return tuple(found.order_by("workflow__title", "number"))


def versions_of(workflow: Workflow) -> tuple[tuple[PolicyVersion, PolicyChange | None], ...]:
    """All that was published or in shadow, newest first, each with the change that put it in force. Two queries."""
    versions = PolicyVersion.objects.of(workflow).exclude(status=VersionStatus.DRAFT)
    versions = versions.defer("document").select_related("publisher", "author").newest_first()
    changes = PolicyChange.objects.filter(workflow=workflow, kind__in=IN_FORCE_BY).select_related("actor")
    by_version = {change.version_id: change for change in changes}
    return tuple((version, by_version.get(version.pk)) for version in versions)


def changes_of(workflow: Workflow | None, *, limit: int = 50) -> tuple[PolicyChange, ...]:
    """What was done to a workflow, or (None) to the global switch, newest first. One query."""
    changes = PolicyChange.objects.filter(workflow=workflow).select_related("actor", "version")
    return tuple(changes.order_by("-pk")[:limit])


def version_of(workflow: Workflow, number: int) -> PolicyVersion | None:
    """The version of this number."""
    found = PolicyVersion.objects.of(workflow).filter(number=number)
    return found.select_related("workflow", "publisher", "author", "base").first()


def differences_between(before: PolicyVersion | None, after: PolicyVersion) -> tuple[Difference, ...]:
    """What `after` says otherwise than `before`, in words. Raises SpecError for a draft that can't be read."""
    return differences(None if before is None else document_of(before), document_of(after))
