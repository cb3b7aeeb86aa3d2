"""What a reviewer sends with a verdict, and whether it can be taken: every fault with its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policies.domain.canonical import payload_sha256
from policies.domain.spec import ActionSpec, Policy
from policies.domain.vocabulary import VerdictKind
from reviews.domain.amendments import Finding, forbidden_changes, schema_errors, unreadable_parts
from reviews.domain.vocabulary import RejectReason
from reviews.queries.dossier import Table, allowed_verdicts, known_action
from reviews.services.tickets import DecideError

LONGEST_NOTE = 5_000
NO_NUL = "No text may hold NUL (U+0000)."
LONGEST_KEY = 64


class InvalidAnswer(DecideError):
    """The answer can't be taken as it stands (422). `errors` are pairs of a JSON Pointer into it and a sentence."""

    def __init__(self, *errors: Finding) -> None:
        super().__init__(" ".join(dict.fromkeys(detail for _, detail in errors)))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A verdict as it is sent. `acts` counts the deliberate acts that were made, 1 or 2."""

    kind: str
    epoch: int
    version: int
    shown_sha256: str
    request_key: str
    action: str = ""  # of an override
    payload: Mapping[str, Any] | None = None  # of an edit or override, whole
    material: bool | None = None  # of an edit
    reason_code: str = ""
    note: str = ""
    reasoning_rating: int | None = None  # 1 to 5
    acts: int = 1


@dataclass(frozen=True, slots=True)
class Checked:
    """What would run (for a rejection, what won't), and the policy by which that is judged."""

    action: str
    payload: Mapping[str, Any] | None
    payload_sha256: str
    spec: ActionSpec | None
    policy: Policy | None
    is_new: bool  # nobody has judged it yet by this policy


def check_text(text: str, *, at: str, required: bool) -> None:
    """A question, an answer or a note. Raises InvalidAnswer for one that is empty, too long, or holds NUL."""
    if required and not text.strip():
        raise InvalidAnswer((at, "There is nothing in it."))
    if len(text) > LONGEST_NOTE:
        raise InvalidAnswer((at, f"It has at most {LONGEST_NOTE:,} characters."))
    if "\x00" in text:
        raise InvalidAnswer((at, NO_NUL))


def check_answer(answer: Answer, *, table: Table, policy: Policy | None, live: Policy | None) -> Checked:
    """What an answer to the proposal on the table comes to. Raises InvalidAnswer with every fault that was found.

    `policy` is the one that judged. An action that it doesn't know is looked for in the live one, so that it can be
    approved once it is registered.
    """
    judging, spec = policy, known_action(policy, table.action)
    if spec is None and (found := known_action(live, table.action)):
        judging, spec = live, found
    errors = _faults_of_form(answer)
    others = any(other.active and other.key != table.action for other in policy.actions.values()) if policy else False
    allowed = allowed_verdicts(spec, overrides=others)
    if answer.kind not in allowed:
        what = "is not registered" if spec is None else f"takes {', '.join(allowed)}"
        errors.append(("/kind", f"{table.action} {what}; {answer.kind} is not possible."))
    if errors:
        raise InvalidAnswer(*errors)
    if answer.kind == VerdictKind.EDIT:
        return _edited(answer, table=table, spec=spec, policy=judging)
    if answer.kind == VerdictKind.OVERRIDE:
        return _overridden(answer, table=table, policy=policy)
    payload = None if answer.kind == VerdictKind.REJECT else table.payload
    is_new = judging is not policy and answer.kind == VerdictKind.APPROVE
    return Checked(table.action, payload, table.payload_sha256, spec, judging, is_new)


def _faults_of_form(answer: Answer) -> list[Finding]:
    errors: list[Finding] = []
    if not answer.request_key or len(answer.request_key) > LONGEST_KEY:
        errors.append(("/request_key", f"A key of 1 to {LONGEST_KEY} characters is needed."))
    if answer.reason_code and answer.reason_code not in RejectReason.values:
        errors.append(("/reason_code", f"One of {', '.join(RejectReason.values)} is needed."))
    if answer.kind in (VerdictKind.OVERRIDE, VerdictKind.REJECT) and not answer.reason_code:
        errors.append(("/reason_code", "Say why: a reason is needed to override or reject."))
    if answer.kind == VerdictKind.EDIT and answer.material is None:
        errors.append(("/material", "Say whether the edit changes the substance or only the style."))
    if answer.reasoning_rating is not None and not 1 <= answer.reasoning_rating <= 5:
        errors.append(("/reasoning_rating", "A rating is 1 to 5."))
    if len(answer.note) > LONGEST_NOTE:
        errors.append(("/note", f"A note has at most {LONGEST_NOTE:,} characters."))
    errors += [(f"/{name}", NO_NUL) for name in ("request_key", "note", "action") if "\x00" in getattr(answer, name)]
    return errors


def _edited(answer: Answer, *, table: Table, spec: ActionSpec | None, policy: Policy | None) -> Checked:
    assert spec is not None, "an unknown action takes no edit"
    if answer.payload is None:
        raise InvalidAnswer(("/payload", "An edit sends the whole payload as it is to run."))
    findings = unreadable_parts(answer.payload) or [
        *forbidden_changes(table.payload, answer.payload, editable=spec.editable),
        *schema_errors(answer.payload, schema=spec.payload_schema),
    ]
    _refuse(findings)
    hashed = payload_sha256(answer.payload)
    if hashed == table.payload_sha256:
        raise InvalidAnswer(("/payload", "Nothing was changed. To let it run as it is, approve it."))
    return Checked(table.action, answer.payload, hashed, spec, policy, is_new=True)


def _overridden(answer: Answer, *, table: Table, policy: Policy | None) -> Checked:
    spec = known_action(policy, answer.action)
    if spec is None or answer.action == table.action:
        raise InvalidAnswer(("/action", f"{answer.action or 'Nothing'} is not another active action of this workflow."))
    if answer.payload is None:
        raise InvalidAnswer(("/payload", "An override sends the other action's payload."))
    _refuse(unreadable_parts(answer.payload) or schema_errors(answer.payload, schema=spec.payload_schema))
    return Checked(answer.action, answer.payload, payload_sha256(answer.payload), spec, policy, is_new=True)


def _refuse(findings: list[Finding]) -> None:
    if findings:
        raise InvalidAnswer(*((f"/payload{pointer}", detail) for pointer, detail in findings))
