"""Puts a judged submission into the rows that record it: for the one call of submit.py, and for ingest.py's COPY."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from policies.domain.canonical import canonical_bytes, sha256_hex
from policies.domain.spec import Assessment, Proposal, Reason, plain_decimal
from policies.domain.vocabulary import ReasonCode, Route
from reviews.domain.answer import decision_answer, outcome_answer, ticket_answer
from reviews.domain.submission import Submission
from reviews.domain.vocabulary import DecisionStatus, OutcomeKind, OutcomeMethod, TicketKind, WebhookType
from reviews.models import new_id
from reviews.services.judge import Judged
from reviews.services.record import message

ESCALATED, ORDINARY, UNHURRIED = range(3)
"""Priorities of a ticket: what has waited too long first, what holds up nothing last."""
LONGEST_CURRENCY: Final = 16
# What these reasons observed may be a sentence of somebody's; the log keeps figures only.
_WITHOUT_FIGURES: Final = frozenset({ReasonCode.RULE, ReasonCode.RULE_ERROR, ReasonCode.POLICY_ERROR})


class Composed(NamedTuple):
    """A decision as it is written, with the names of submit.sql's arguments.

    JSON is text, bytes are hexadecimal; `ticket` is its gate, or the audit of what runs alone.
    """

    id: UUID
    external_id: str
    fingerprint: str
    action: str
    subject_type: str
    subject_id: str
    subject_label: str | None
    subject_url: str | None
    payload: str
    payload_sha256: str
    amount: Decimal | None
    currency: str
    confidence: Decimal | None
    alternatives: str | None
    reasoning: str
    context: str | None
    model_name: str
    model_version: str
    prompt_digest: str
    requested_by: str
    run: str | None
    deadline: datetime | None
    salt: str
    threshold: Decimal | None
    facts: str
    route: str
    reasons: str
    flagged: bool
    flag_probability: Decimal
    ticket: UUID | None
    ticket_kind: str | None
    group: str
    priority: int
    verdicts_needed: int
    deliberate_acts: int
    submitted: str
    opened: str | None
    settled: str | None
    message_type: str
    message: str
    shadow_route: str | None
    shadow_reasons: str | None
    budgets: str | None


def compose(submission: Submission, *, judged: Judged, decision_id: UUID, client_id: int, now: datetime) -> Composed:
    """All that is written of a submission, whatever route it takes."""
    proposal, assessment = submission.proposal, judged.assessment
    automatic = is_sound(assessment, proposal)
    audited = automatic and assessment.flagged
    ticket = new_id() if audited or not automatic else None
    payload = canonical_bytes(proposal.payload)
    payload_sha256 = sha256_hex(payload)
    salt = secrets.token_bytes(16)
    reasons = [reason.to_json() for reason in assessment.reasons]
    policy = None if judged.policy is None else {"version": judged.policy.number, "digest": judged.policy.digest}
    outcome = {
        "kind": str(OutcomeKind.APPROVED),
        "method": str(OutcomeMethod.AUTO),
        "action": proposal.action,
        "payload_sha256": payload_sha256,
    }
    known_as = {"decision": str(decision_id), "external_id": submission.external_id}
    submitted = {
        **known_as,
        "actor": {"client": client_id},
        "workflow": proposal.workflow,
        "action": proposal.action,
        "model": {"name": proposal.model_name, "version": proposal.model_version, "prompt": proposal.prompt_digest},
        "confidence": None if proposal.confidence is None else plain_decimal(proposal.confidence),
        "payload_sha256": payload_sha256,
        # Binds the log to everything that was sent, and tells nothing of it once the salt is purged.
        "content_commitment": sha256(salt + submission.content).hexdigest(),
        "policy": policy,
        "threshold": None if assessment.threshold is None else plain_decimal(assessment.threshold),
        "route": "auto" if automatic else "review",
        "reasons": [_figures(reason) for reason in assessment.reasons],
        "flagged": assessment.flagged,
        "ticket": None if ticket is None else str(ticket),
    }
    kind = None if ticket is None else TicketKind.AUDIT if automatic else TicketKind.GATE
    message_type = WebhookType.DECISION_SETTLED if automatic else WebhookType.DECISION_PENDING
    told = {
        **known_as,
        "status": str(DecisionStatus.APPROVED if automatic else DecisionStatus.PENDING_REVIEW),
        "outcome": outcome if automatic else None,
        "sequence": 0,  # the number of the event, which only the database knows
    }
    shadow = judged.shadow
    return Composed(
        id=decision_id,
        external_id=submission.external_id,
        fingerprint=submission.fingerprint,
        action=proposal.action,
        subject_type=proposal.subject.get("type") or "",
        subject_id=proposal.subject.get("id") or "",
        subject_label=proposal.subject.get("label"),
        subject_url=proposal.subject.get("url"),
        payload=payload.decode(),
        payload_sha256=payload_sha256,
        amount=assessment.amount,
        currency=assessment.currency[:LONGEST_CURRENCY],
        confidence=proposal.confidence,
        alternatives=_alternatives(submission),
        reasoning=submission.reasoning,
        context=_json(proposal.context) if proposal.context else None,
        model_name=proposal.model_name,
        model_version=proposal.model_version,
        prompt_digest=proposal.prompt_digest,
        requested_by=proposal.requested_by,
        run=None if submission.run is None else _json(submission.run),
        deadline=submission.deadline,
        salt="\\x" + salt.hex(),
        threshold=assessment.threshold,
        facts=_json(judged.facts.to_json()),
        route="auto" if automatic else "review",
        reasons=_json(reasons),
        flagged=assessment.flagged,
        flag_probability=assessment.audit_rate,
        ticket=ticket,
        ticket_kind=None if kind is None else str(kind),
        group="" if automatic else assessment.group,
        priority=UNHURRIED if automatic else ORDINARY,
        verdicts_needed=1 if automatic else assessment.verdicts_needed,
        deliberate_acts=1 if automatic else assessment.deliberate_acts,
        submitted=_canonical(submitted),
        opened=_canonical({**known_as, "ticket": str(ticket), "ticket_kind": str(kind)}) if audited else None,
        settled=_canonical({**known_as, **outcome, "policy": policy}) if automatic else None,
        message_type=str(message_type),
        message=_canonical(message(message_type, at=now, body=told)),
        shadow_route=None if shadow is None else str(shadow.route),
        shadow_reasons=None if shadow is None else _json([reason.to_json() for reason in shadow.reasons]),
        budgets=_budgets(judged) if automatic and assessment.budgets else None,
    )


def is_sound(assessment: Assessment, proposal: Proposal) -> bool:
    """Written again as "automatic only if": an assessment that isn't sound in every part is for a person."""
    return (
        assessment.route == Route.AUTO
        and not assessment.reasons
        and assessment.threshold is not None
        and proposal.confidence is not None
        and 0 < assessment.threshold <= proposal.confidence
    )


def answer_to(
    submission: Submission,
    judged: Judged,
    composed: Composed,
    *,
    to: str | None,
    due_at: datetime | None,
    now: datetime,
) -> dict[str, Any]:
    """What upstream is answered once the rows are committed."""
    automatic = composed.route == Route.AUTO
    policy = judged.policy
    return decision_answer(
        decision_id=composed.id,
        external_id=submission.external_id,
        status=DecisionStatus.APPROVED if automatic else DecisionStatus.PENDING_REVIEW,
        route=composed.route,
        reasons=[reason.to_json() for reason in judged.assessment.reasons],
        policy_number=None if policy is None else policy.number,
        policy_digest="" if policy is None else policy.digest,
        ticket=None
        if automatic or composed.ticket is None or to is None or due_at is None
        else ticket_answer(ticket_id=composed.ticket, group=to, due_at=due_at),
        outcome=outcome_answer(
            kind=OutcomeKind.APPROVED,
            method=OutcomeMethod.AUTO,
            action=submission.proposal.action,
            payload=submission.proposal.payload,
            payload_sha256=composed.payload_sha256,
            settled_at=now,
        )
        if automatic
        else None,
    )


def _figures(reason: Reason) -> dict[str, str]:
    figures = {"code": str(reason.code), "field": reason.field, "operator": reason.operator}
    if reason.code not in _WITHOUT_FIGURES:
        figures |= {"limit": reason.limit, "observed": reason.observed}
    return figures


def _alternatives(submission: Submission) -> str | None:
    """Confidences as strings, which keep every digit that was sent."""
    alternatives = submission.proposal.alternatives
    if not alternatives:
        return None
    return _json(
        [
            {"action": each.action, "confidence": None if each.confidence is None else format(each.confidence, "f")}
            for each in alternatives
        ]
    )


def _budgets(judged: Judged) -> str:
    return _json(
        [
            {
                "name": claim.name,
                "action": claim.action,
                "subject": claim.subject,
                "currency": claim.currency,
                "count": claim.count,
                "amount": format(claim.amount, "f"),
                "limit_count": claim.limit_count,
                "limit_amount": None if claim.limit_amount is None else format(claim.limit_amount, "f"),
            }
            for claim in judged.assessment.budgets
        ]
    )


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _canonical(value: Mapping[str, Any]) -> str:
    """What canonical_bytes gives of texts, whole numbers, true, false and null, as everything in these bodies is."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
