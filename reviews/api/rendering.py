"""Rows as the JSON of the review endpoints; reviews.api.responses says what stands in it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from policies.domain.spec import ActionSpec, plain_decimal
from policies.domain.vocabulary import Reversibility
from reviews.domain.answer import moment, outcome_answer
from reviews.domain.vocabulary import TicketKind
from reviews.models import Decision, Question, Ticket, Verdict
from reviews.queries import Dossier, Weighed, name_of


def ticket_json(dossier: Dossier) -> dict[str, Any]:
    told = _ticket_json(dossier)
    return _before_the_estimate(told, dossier) if dossier.awaits_estimate else told


def _before_the_estimate(told: dict[str, Any], dossier: Dossier) -> dict[str, Any]:
    """The case without what the AI says of it; every action of the workflow is told alike."""
    proposal, recommendation = told["proposal"], told["recommendation"]
    of_case = {"action": proposal["action"], "title": proposal["title"]}
    return {
        **told,
        "shown_sha256": "",
        "proposal": {**proposal, "action": "", "title": "", "what": "", "reversibility": ""},
        "recommendation": {
            **recommendation,
            "action": "",
            "confidence": None,
            "threshold": None,
            "alternatives": [],
            "reasoning": None,
        },
        "reasons": [],
        "allowed_verdicts": [],
        "overrides": sorted([*told["overrides"], of_case], key=lambda action: str(action["title"])),
        "editable": [],
        "outcome": None,
    }


def _ticket_json(dossier: Dossier) -> dict[str, Any]:
    ticket, outcome = dossier.ticket, dossier.outcome
    return {
        "id": ticket.id,
        # Whoever could tell them apart would answer them differently.
        "kind": TicketKind.GATE if ticket.kind == TicketKind.KNOWN_ANSWER else ticket.kind,
        "state": ticket.state,
        "version": ticket.version,
        "stage": ticket.stage,
        "verdicts_needed": ticket.verdicts_needed,
        "workflow": ticket.workflow.key,
        "group": ticket.group.name,
        "created_at": moment(ticket.created_at),
        "due_at": moment(ticket.due_at),
        "claim": _claim_json(dossier),
        "shown_sha256": dossier.shown_sha256,
        "awaits_estimate": dossier.awaits_estimate,
        "proposal": _proposal_json(dossier),
        "recommendation": _recommendation_json(dossier.decision, alternatives=dossier.alternatives),
        "reasons": [reason.to_json() for reason in dossier.reasons],
        "policy": {"version": dossier.policy_number, "digest": dossier.policy_digest}
        if dossier.policy_number is not None
        else None,
        "questions": [_question_json(question) for question in dossier.questions],
        "earlier_verdicts": [_earlier_json(verdict) for verdict in dossier.earlier],
        "disputed": dossier.disputed,
        "allowed_verdicts": dossier.allowed_verdicts,
        "overrides": [{"action": spec.key, "title": spec.title} for spec in dossier.overrides],
        "editable": dossier.editable,
        "deliberate_acts": dossier.deliberate_acts,
        "hold_seconds": dossier.hold_seconds,
        "outcome": outcome
        and outcome_answer(
            kind=outcome.kind,
            method=outcome.method,
            action=outcome.action,
            payload=outcome.payload,
            payload_sha256=outcome.payload_sha256,
            settled_at=outcome.settled_at,
        ),
    }


def _claim_json(dossier: Dossier) -> dict[str, Any] | None:
    ticket = dossier.ticket
    if not dossier.holder:
        return None
    return {
        "held_by": dossier.holder,
        "mine": dossier.held,
        "epoch": ticket.claim_epoch,
        "until": _when(ticket.claimed_until),
    }


def _proposal_json(dossier: Dossier) -> dict[str, Any]:
    table = dossier.table
    action: ActionSpec | None = dossier.action
    return {
        "action": table.action,
        "title": action.title if action else table.action,
        "what": action.what if action else "",
        # An action that nobody registered counts as one that can't be undone.
        "reversibility": action.reversibility if action else Reversibility.IRREVERSIBLE,
        "payload": table.payload,
        "payload_sha256": table.payload_sha256,
        "changed_by": name_of(table.changed_by.reviewer) if table.changed_by else "",
    }


def _recommendation_json(decision: Decision, *, alternatives: tuple[Weighed, ...]) -> dict[str, Any]:
    return {
        "id": decision.id,
        "external_id": decision.external_id,
        "action": decision.action,
        "subject": {
            "type": decision.subject_type,
            "id": decision.subject_id,
            "label": decision.subject_label,
            "url": decision.subject_url,
        },
        "payload": decision.payload,
        "confidence": _exact(decision.confidence),
        "threshold": _exact(decision.threshold),
        "alternatives": [
            {"action": each.action, "title": each.title, "confidence": each.confidence} for each in alternatives
        ],
        "reasoning": decision.reasoning,
        "context": decision.context,
        "model": {
            "name": decision.model_name,
            "version": decision.model_version,
            "prompt": decision.prompt_digest,
        },
        "requested_by": decision.requested_by,
        "deadline": _when(decision.deadline),
        "received_at": moment(decision.received_at),
    }


def _question_json(question: Question) -> dict[str, Any]:
    return {
        "text": question.text,
        "asked_by": name_of(question.asked_by),
        "asked_at": moment(question.asked_at),
        "answer": question.answer,
        "context": question.answer_context,
        "answered_at": _when(question.answered_at),
    }


def _earlier_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "stage": verdict.stage,
        "kind": verdict.kind,
        "by": name_of(verdict.reviewer),
        "action": verdict.action,
        "reason_code": verdict.reason_code,
        "note": verdict.note,
        "decided_at": moment(verdict.decided_at),
    }


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.id,
        "ticket": verdict.ticket_id,
        "stage": verdict.stage,
        "kind": verdict.kind,
        "action": verdict.action,
        "payload_sha256": verdict.payload_sha256,
        "request_key": verdict.request_key,
        "decided_at": moment(verdict.decided_at),
        "effective_at": moment(verdict.effective_at),
    }


def etag_of(ticket: Ticket) -> str:
    return f'"{ticket.version}"'


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)


def _when(value: datetime | None) -> str | None:
    return None if value is None else moment(value)
