"""What another policy version would say of decisions that were made: tried on one of them, without any effect."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db.models import Q

from policies.domain.evaluate import evaluate
from policies.domain.expressions import ExpressionError, Scope, compile_rule
from policies.domain.sentences import describe
from policies.domain.spec import Assessment, Facts, Policy, Reason
from policies.domain.vocabulary import VersionStatus
from policies.models import PolicyVersion, Workflow
from policies.queries import document_of
from reviews.models import Decision
from reviews.queries.dossier import proposal_of

NO_DRAW: Final = Decimal(0)
"""The draw is another matter: it decides who is looked at afterwards, never the route."""
FOUND: Final = 10
"""So many of the newest decisions are offered."""


@dataclass(frozen=True, slots=True)
class RuleTried:
    """A rule, and whether it fires; `problem` says why that can't be told."""

    sentence: str
    expression: str
    fires: bool
    problem: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A decision as it was judged, and as `version` would judge it, with the switches and evidence of that moment."""

    decision: Decision
    reasons_then: tuple[Reason, ...]
    assessment: Assessment
    row: str
    rules: tuple[RuleTried, ...]

    @property
    def changes_sides(self) -> bool:
        return self.decision.route != self.assessment.route


def trial(version: PolicyVersion, decision: Decision, *, evidence_limit: timedelta) -> Trial:
    """Judge `decision` by `version`, a draft as it stands. Raises SpecError for a draft that can't be read."""
    policy = Policy.from_canonical(document_of(version), version.digest, number=version.number)
    proposal = proposal_of(decision)
    # Budgets are counted for the version that was live, so they say nothing of this one.
    facts = replace(Facts.from_json(decision.facts), live_versions=1, budget_spent=())
    assessment = evaluate(policy, proposal, facts, draw=NO_DRAW, evidence_limit=evidence_limit)
    scope = Scope(proposal, amount=assessment.amount, currency=assessment.currency)
    row = assessment.row
    return Trial(
        decision=decision,
        reasons_then=tuple(map(Reason.from_json, decision.reasons)),
        assessment=assessment,
        row="" if row is None else f"{describe(row, policy.actions.get(row.action))}.",
        rules=tuple(_tried(rule.sentence, rule.expression, scope) for rule in policy.rules),
    )


def _tried(sentence: str, expression: str, scope: Scope) -> RuleTried:
    try:
        return RuleTried(sentence, expression, fires=compile_rule(expression).fires(scope), problem="")
    except ExpressionError as error:
        return RuleTried(sentence, expression, fires=True, problem=error.message)


def versions_to_try(workflow: Workflow, *, asked: int | None = None) -> tuple[PolicyVersion, ...]:
    """Drafts and the shadow before the live version, newest first, and a retired one that is asked for. One query."""
    offered = ~Q(status=VersionStatus.RETIRED) | Q(number=asked)
    versions = PolicyVersion.objects.of(workflow).filter(offered).select_related("workflow")
    return tuple(sorted(versions, key=lambda version: (version.status == VersionStatus.LIVE, -version.number)))


def newest_decisions(workflow: Workflow) -> tuple[Decision, ...]:
    """The newest whose content is still there. One query."""
    decisions = Decision.objects.filter(workflow=workflow, purged_at=None).select_related("workflow", "policy_version")
    return tuple(decisions.newest_first()[:FOUND])


def decision_called(name: str, *, workflow: Workflow) -> Decision | None:
    """The newest decision of this id, or of this external id of any client. One query."""
    asked = Q(external_id=name)
    with suppress(ValueError):
        asked |= Q(pk=UUID(name))
    found: Decision | None = (
        Decision.objects.filter(asked, workflow=workflow, purged_at=None)
        .select_related("workflow", "policy_version")
        .newest_first()
        .first()
    )
    return found
