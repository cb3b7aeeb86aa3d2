"""What the labels say of each row of the live policy that lets something run alone."""

from dataclasses import dataclass
from datetime import datetime

from feedback.domain import drift, evalues
from feedback.domain.thresholds import DELTA
from feedback.queries.labels import Scope, keys_of, labels_of
from policies.domain.spec import Policy, ThresholdSpec
from policies.domain.vocabulary import Autonomy
from policies.models import PolicyVersion, Workflow
from policies.queries import policy_of_version

# What a row claims. Budgets, people and audit rates may change without a new beginning for its evidence.
CLAIM = ("autonomy", "least_confidence", "alpha", "delta", "certificate_id", "certificate_digest", "basis_reason")


@dataclass(frozen=True, slots=True)
class RowEvidence:
    """One row and the flagged labels of what it governs, since it stands as it does.

    `claim` is about those that ran alone, and None where the row claims no error rate; `watch` is about all of them.
    """

    row: ThresholdSpec
    since: datetime
    labels: int
    claim: evalues.Refutation | None
    watch: drift.Watch


def rows_alone(policy: Policy | None) -> tuple[ThresholdSpec, ...]:
    """The rows by which something may run alone."""
    return tuple(row for row in policy.thresholds if row.autonomy == Autonomy.BY_CONFIDENCE) if policy else ()


def evidence_of(workflow: Workflow, *, policy: Policy) -> tuple[RowEvidence, ...]:
    """The evidence of each row by which something may run alone."""
    keys = keys_of(workflow)
    found = []
    for row in rows_alone(policy):
        governed = tuple(key for key in keys if _row_for(policy, key) == row)
        since = standing_since(workflow, row=row)
        labels = labels_of(Scope(workflow, since=since, keys=governed))
        labels = labels.of(labels.flagged)
        alone = labels.error[labels.ran_alone]
        claim = None
        if row.alpha:
            claim = evalues.refute(alone, alpha=float(row.alpha), delta=float(row.delta or DELTA))
        found.append(
            RowEvidence(row=row, since=since, labels=len(labels), claim=claim, watch=drift.watch(labels.error))
        )
    return tuple(found)


def _row_for(policy: Policy, key: tuple[str, str, str]) -> ThresholdSpec | None:
    action, model_name, model_version = key
    return policy.row_for(action=action, model_name=model_name, model_version=model_version)


def standing_since(workflow: Workflow, *, row: ThresholdSpec) -> datetime:
    """Since when every version in force has had this row with this claim."""
    published = (
        PolicyVersion.objects.of(workflow).filter(published_at__isnull=False).order_by("-published_at", "-number")
    )
    since: datetime | None = None
    for version in published:
        earlier = next((one for one in policy_of_version(version.pk).thresholds if one.key == row.key), None)
        if earlier is None or any(getattr(earlier, part) != getattr(row, part) for part in CLAIM):
            break
        since = version.published_at
    assert since is not None, "the row is in the live version"
    return since
