"""Training data: what people decided, in the shapes that training takes.

A `Record` is one settled decision with everything that was said of it; each function makes one line of a file from it,
or nothing where the record has nothing of that kind. Formats: JSON Lines; chat messages as fine-tuning services take
them (`{"messages": [...]}`); preference pairs both as `{"input", "preferred_output", "non_preferred_output"}` and as
`{"prompt", "chosen", "rejected"}`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from feedback.domain.vocabulary import ExportShape
from policies.domain.vocabulary import VerdictKind
from reviews.domain import personal
from reviews.domain.changes import changes_between

Json = dict[str, Any]
REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True)
class Answer:
    """One person's verdict. `reviewer` is a number, not a name."""

    ticket: str
    stage: int
    reviewer: int
    kind: str
    action: str
    payload: Any
    material: bool | None
    reason_code: str
    note: str
    reasoning_rating: int | None
    seconds: float
    decided_at: str


@dataclass(frozen=True, slots=True)
class Record:
    """One decision with its verdicts. Times are RFC 3339, confidences exact decimals as text."""

    id: str
    external_id: str
    workflow: str
    action: str
    subject: Mapping[str, str]
    payload: Any
    confidence: str | None
    alternatives: Any
    reasoning: str
    context: Any
    model: Mapping[str, str]
    received_at: str
    policy_version: int | None
    route: str
    reasons: tuple[str, ...]
    flagged: bool
    flag_probability: float
    label_probability: float | None
    ai_was_right: bool | None
    right_action: str
    label_source: str
    outcome: Mapping[str, Any] | None
    personal_fields: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    comments: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def final(self) -> Answer | None:
        """The answer that counted: the last one on the gate, else on the audit."""
        for ticket in ("gate", "audit"):
            given = [answer for answer in self.answers if answer.ticket == ticket]
            if given:
                return max(given, key=lambda answer: answer.stage)
        return None


def redact(payload: Any, pointers: Iterable[str]) -> Any:
    """A copy of the payload without its personal fields, in words that no field holds by chance."""
    return personal.redact(payload, pointers, mask=REDACTED)


def decision_line(record: Record) -> Json:
    """Everything: the AI's recommendation, each person's answer, edit and reason, the label and its probability."""
    return {
        "id": record.id,
        "external_id": record.external_id,
        "workflow": record.workflow,
        "received_at": record.received_at,
        "subject": dict(record.subject),
        "recommendation": {
            "action": record.action,
            "payload": redact(record.payload, record.personal_fields),
            "confidence": record.confidence,
            "alternatives": record.alternatives or [],
            "reasoning": record.reasoning,
            "context": record.context or {},
            "model": dict(record.model),
        },
        "route": record.route,
        "reasons": list(record.reasons),
        "policy_version": record.policy_version,
        "verdicts": [_answer(record, answer) for answer in record.answers],
        "outcome": dict(record.outcome) if record.outcome else None,
        "label": _label(record),
        "comments": [dict(comment) for comment in record.comments],
    }


def _label(record: Record) -> Json:
    return {
        "ai_was_right": record.ai_was_right,
        "right_action": record.right_action,
        "source": record.label_source,
        "flagged": record.flagged,
        "flag_probability": record.flag_probability,
        "label_probability": record.label_probability,
    }


def _answer(record: Record, answer: Answer) -> Json:
    line: Json = {
        "ticket": answer.ticket,
        "stage": answer.stage,
        "reviewer": answer.reviewer,
        "kind": answer.kind,
        "action": answer.action,
        "reason_code": answer.reason_code,
        "note": answer.note,
        "reasoning_rating": answer.reasoning_rating,
        "seconds": round(answer.seconds, 3),
        "decided_at": answer.decided_at,
    }
    if answer.kind in (VerdictKind.EDIT, VerdictKind.OVERRIDE):
        line["payload"] = redact(answer.payload, record.personal_fields)
    if answer.kind == VerdictKind.EDIT:
        line["material"] = answer.material
        before, after = redact(record.payload, record.personal_fields), line["payload"]
        line["edit"] = [
            {"field": change.pointer, "runs": [[run.kind, run.text] for run in change.runs]}
            for change in changes_between(before, after)
        ]
    return line


def label_line(record: Record) -> Json | None:
    """A label with its propensity, for off-policy evaluation. None where nothing is known."""
    if record.ai_was_right is None:
        return None
    return {
        "id": record.id,
        "workflow": record.workflow,
        "action": record.action,
        "model": dict(record.model),
        "confidence": record.confidence,
        "route": record.route,
        **_label(record),
    }


def correction_line(record: Record) -> Json | None:
    """The person's answer as a chat to learn from. None where there was no answer, or nothing was to run."""
    final = record.final
    if final is None or final.kind == VerdictKind.REJECT:
        return None
    return {"messages": [*_prompt(record), _proposal(record, final.action, final.payload)]}


def preference_line(record: Record) -> Json | None:
    """Rejected: what the AI proposed. Chosen: what the person made of it. None where the person changed nothing."""
    pair = _pair(record)
    if pair is None:
        return None
    chosen, rejected = pair
    return {"prompt": _prompt(record), "chosen": [chosen], "rejected": [rejected]}


def preference_line_for_services(record: Record) -> Json | None:
    """The same pair as fine-tuning services take it."""
    pair = _pair(record)
    if pair is None:
        return None
    chosen, rejected = pair
    return {
        "input": {"messages": _prompt(record), "tools": [], "parallel_tool_calls": True},
        "preferred_output": [chosen],
        "non_preferred_output": [rejected],
    }


def _pair(record: Record) -> tuple[Json, Json] | None:
    final = record.final
    if final is None or final.kind not in (VerdictKind.EDIT, VerdictKind.OVERRIDE):
        return None
    return _proposal(record, final.action, final.payload), _proposal(record, record.action, record.payload)


def _prompt(record: Record) -> list[Json]:
    """What the AI had before it: the workflow, the subject and the context; never its own proposal."""
    given = {"subject": dict(record.subject), "context": record.context or {}}
    return [
        {"role": "system", "content": f"Propose the next action in the workflow “{record.workflow}”, as JSON."},
        {"role": "user", "content": json.dumps(given, ensure_ascii=False, sort_keys=True)},
    ]


def _proposal(record: Record, action: str, payload: Any) -> Json:
    content = {"action": action, "payload": redact(payload, record.personal_fields)}
    return {"role": "assistant", "content": json.dumps(content, ensure_ascii=False, sort_keys=True)}


SHAPES: Mapping[str, Callable[[Record], Json | None]] = {
    ExportShape.DECISIONS: decision_line,
    ExportShape.LABELS: label_line,
    ExportShape.CORRECTIONS: correction_line,
    ExportShape.PREFERENCES: preference_line,
    ExportShape.PREFERENCES_FOR_SERVICES: preference_line_for_services,
}
