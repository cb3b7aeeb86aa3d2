"""Past decisions with what was known of each, to try a draft on."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple
from uuid import UUID

from feedback.domain.findings import label_probability
from feedback.domain.vocabulary import LabelSource
from feedback.models import Label
from policies.domain.spec import Facts, Proposal
from policies.domain.vocabulary import Route
from policies.models import Workflow
from reviews.models import Decision, Verdict
from reviews.queries.dossier import proposal_of

CHUNK = 2_000
# Where nobody has given a verdict yet, one is taken to cost so much.
SECONDS_UNKNOWN = 90.0
MEDIAN_OF = 5_000
# All that judging reads of a decision and a back-test of what was known: a hundred thousand are read, and no reasoning.
_READ = (
    *("workflow_id", "action", "payload", "subject_type", "subject_id", "subject_label", "subject_url", "confidence"),
    *("alternatives", "context", "model_name", "model_version", "prompt_digest", "requested_by", "requester_id"),
    *("route", "flagged", "flag_probability", "received_at"),
)


@dataclass(frozen=True, slots=True)
class Past:
    """One decision: what was proposed, how it was routed, and what is known of it.

    `probability` is π, with which it came to be labelled: 0 where nobody could have looked, or nobody has yet.
    """

    id: UUID
    proposal: Proposal
    facts: Facts
    ran_alone: bool
    probability: float
    labelled: bool
    error: bool


class Known(NamedTuple):
    """The best known truth of a decision: where it comes from, and whether the AI was right."""

    source: LabelSource
    ai_was_right: bool


def past_decisions(workflow: Workflow, *, most: int, now: datetime) -> Iterator[list[Past]]:
    """The newest `most` decisions, newest first, in chunks; purged ones are left out, and so are known answers."""
    before: UUID | None = None
    left = most
    while left > 0:
        decisions = Decision.objects.filter(workflow=workflow, purged_at=None).order_by("-pk").only(*_READ)
        if before is not None:
            decisions = decisions.filter(pk__lt=before)
        page = list(decisions[: min(CHUNK, left)])
        if not page:
            return
        for decision in page:
            decision.workflow = workflow
        found = Label.objects.filter(decision__in=[one.pk for one in page], stands=True)
        labels = {
            decision: Known(LabelSource(source), ai_was_right)
            for decision, source, ai_was_right in found.values_list("decision", "source", "ai_was_right")
        }
        late = now - timedelta(hours=workflow.audit_sla_hours)
        yield [_past(decision, labels.get(decision.pk), late=late) for decision in page]
        before, left = page[-1].pk, left - len(page)


def _past(decision: Decision, label: Known | None, *, late: datetime) -> Past:
    alone = decision.route == Route.AUTO
    # An audit that is not done in time counts as an error, as in a certificate.
    overdue = label is None and decision.flagged and decision.received_at <= late
    return Past(
        id=decision.pk,
        proposal=proposal_of(decision),
        facts=_facts(decision),
        ran_alone=alone,
        probability=_probability(decision, label, overdue=overdue),
        labelled=overdue or (label is not None and _counts(decision, label)),
        error=overdue or (label is not None and not label.ai_was_right),
    )


def _counts(decision: Decision, label: Known) -> bool:
    probability = label_probability(label.source, route=decision.route, flagged=decision.flagged, flag_probability=1.0)
    return probability is not None


def _probability(decision: Decision, label: Known | None, *, overdue: bool) -> float:
    if decision.route == Route.AUTO:
        return float(decision.flag_probability)
    return 1.0 if label is not None or overdue else 0.0


def _facts(decision: Decision) -> Facts:
    """The moment as it was, but for stops and budgets: a draft is tried on what it says itself."""
    return Facts(
        now=decision.received_at,
        evidence_assessed_at=decision.received_at,
        requester_matched=decision.requester_id is not None,
    )


def median_seconds(workflow: Workflow) -> float:
    """What a verdict took on the median, of the newest."""
    times = (
        Verdict.objects.standing()
        .filter(ticket__workflow=workflow)
        .newest_first()
        .values_list("first_shown_at", "decided_at")[:MEDIAN_OF]
    )
    taken = [(end - begin).total_seconds() for begin, end in times]
    return median(taken) if taken else SECONDS_UNKNOWN
