"""Judges a submission by the policy in force, on what this process remembers of the workflow.

Nothing here decides whether the memory is right: whoever writes the decision compares it with the truth while it holds
the stop locks, and has it judged again where the two differ.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Lock
from typing import Any, Final, NamedTuple

import structlog
from django.conf import settings
from django.db.models import Count, Exists, Min, OuterRef, Q, Subquery, Value
from django.db.models.functions import Concat

from policies.domain.evaluate import evaluate
from policies.domain.spec import Assessment, Facts, Policy, Proposal, Reason
from policies.domain.vocabulary import ReasonCode, Route, VersionStatus
from policies.models import Switch, Workflow
from policies.queries import policy_of_version
from reviews.models import Heartbeat, Restore

logger = structlog.get_logger(__name__)


class Known(NamedTuple):
    """What judging needs to know of a workflow, as of some moment."""

    workflow_id: int
    workflow: str
    version_id: int | None
    live_versions: int
    shadow_id: int | None
    paused: str
    evidence_at: datetime | None


class Requester(NamedTuple):
    """The user whose e-mail a submission names; matched when exactly one has it."""

    user_id: int | None
    matched: bool


NOBODY: Final = Requester(None, matched=False)


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of judging, and all that it rests on. `policy` is None where none could be applied."""

    known: Known
    requester: Requester
    facts: Facts
    policy: Policy | None
    assessment: Assessment
    shadow: Assessment | None


def judge(
    proposal: Proposal,
    *,
    known: Known,
    requester: Requester,
    budget_spent: tuple[str, ...],
    now: datetime,
    draw: Decimal,
) -> Judged:
    """Never raises: what can't be judged goes to a person, and the reason says so."""
    facts = Facts(
        now=now,
        paused=known.paused,
        live_versions=known.live_versions,
        evidence_assessed_at=known.evidence_at,
        requester_matched=requester.matched,
        budget_spent=budget_spent,
    )
    policy, assessment = _assess(known.version_id, proposal, facts, draw=draw)
    shadow = None
    if known.shadow_id is not None:
        # A shadow is judged as if it were live: it is its rules that one wants to know.
        shadow = _assess(known.shadow_id, proposal, replace(facts, live_versions=1), draw=draw)[1]
    return Judged(known, requester, facts, policy, assessment, shadow)


def sent_to_a_person(judged: Judged, *, why: str) -> Judged:
    """The same, but for a person to decide, because of `why`."""
    return replace(judged, assessment=_unjudged(why, before=judged.assessment))


def evidence_limit() -> timedelta:
    """How old the last assessment of the evidence may be."""
    return timedelta(seconds=settings.EVIDENCE_MAX_AGE_SECONDS)


def _assess(
    version_id: int | None, proposal: Proposal, facts: Facts, *, draw: Decimal
) -> tuple[Policy | None, Assessment]:
    policy = None
    try:
        policy = None if version_id is None else policy_of_version(version_id)
        return policy, evaluate(policy, proposal, facts, draw=draw, evidence_limit=evidence_limit())
    except Exception:  # whatever went wrong, it is a reason to ask a person
        logger.exception("judging failed", version=version_id, action=proposal.action)
        return policy, _unjudged("The policy could not be applied")


def _unjudged(why: str, *, before: Assessment | None = None) -> Assessment:
    reason = Reason(
        code=ReasonCode.POLICY_ERROR,
        message=f"{why}, so a person decides.",
        ask="Would you approve this yourself? No policy has looked at it.",
    )
    if before is not None:
        return replace(before, route=Route.REVIEW, reasons=(*before.reasons, reason), deliberate_acts=2, budgets=())
    return Assessment(
        route=Route.REVIEW,
        reasons=(reason,),
        threshold=None,
        row=None,
        audit_rate=Decimal(0),
        flagged=False,
        verdicts_needed=1,
        deliberate_acts=2,
        separation=True,
        group="",
        amount=None,
        currency="",
        budgets=(),
    )


# --- What this process remembers --------------------------------------------------------------------------------------

_MOST_REQUESTERS: Final = 10_000
_workflows: dict[str, Known] = {}
_requesters: OrderedDict[str, Requester] = OrderedDict()
_lock = Lock()


def remembered(workflow: str) -> Known | None:
    """What was last known of the workflow; read from the database, in one query, if nothing is. None: unknown."""
    return _workflows.get(workflow) or _read(workflow)


def remember(known: Known) -> None:
    _workflows[known.workflow] = known


def forget(workflow: str) -> None:
    """Let the next submission read it from the database."""
    _workflows.pop(workflow, None)


def remembered_requester(email: str) -> Requester:
    """Whom this e-mail was last known to be; NOBODY until the database has said otherwise."""
    return _requesters.get(email.casefold(), NOBODY) if email else NOBODY


def remember_requester(email: str, requester: Requester) -> None:
    if email:
        with _lock:
            _requesters[email.casefold()] = requester
            _requesters.move_to_end(email.casefold())
            if len(_requesters) > _MOST_REQUESTERS:
                _requesters.popitem(last=False)


def _read(workflow: str) -> Known | None:
    found = known_workflows(Q(key=workflow))
    for known in found:
        remember(known)
        return known
    return None


def known_workflows(condition: Q) -> Iterator[Known]:
    """What is true of these workflows at this moment, in one query."""
    live, shadow = Q(versions__status=VersionStatus.LIVE), Q(versions__status=VersionStatus.SHADOW)
    evidence = Heartbeat.objects.filter(name=Concat(Value("evidence:"), OuterRef("key")))
    rows = Workflow.objects.filter(condition).annotate(
        version_id=Min("versions", filter=live),
        live_versions=Count("versions", filter=live),
        shadow_id=Min("versions", filter=shadow),
        restored=Exists(Restore.objects.filter(acknowledged_at__isnull=True)),
        everything=Subquery(Switch.objects.filter(pk=1).values("paused")[:1]),
        evidence_at=Subquery(evidence.values("beat_at")[:1]),
    )
    for row in rows:
        yield Known(
            workflow_id=row.pk,
            workflow=row.key,
            version_id=row.version_id,
            live_versions=row.live_versions,
            shadow_id=row.shadow_id,
            paused=_what_is_paused(row),
            evidence_at=row.evidence_at,
        )


def _what_is_paused(row: Any) -> str:
    if row.restored:
        return "restored"
    if row.everything is not False:
        return "everything"
    return "workflow" if row.paused else ""
