"""What upstream sends when it submits a decision: read once, strictly, into a Submission.

The reading is written by hand: it is on the hot path, and a schema library costs more than all the rest of a request.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from policies.domain.canonical import canonical_bytes, sha256_hex
from policies.domain.pointers import pointer_to
from policies.domain.spec import Alternative, Proposal, plain_decimal
from policies.domain.strict_json import Refused, parse_strict

EXACT: Final = frozenset({"/confidence", "/alternatives/*/confidence"})
"""Where numbers are kept exactly as sent (see parse_strict)."""

MAX_EXTERNAL_ID: Final = 255
MAX_WORKFLOW: Final = 50
MAX_ACTION: Final = 80
MAX_SUBJECT_TYPE: Final = 80
MAX_SUBJECT_ID: Final = 255
MAX_SUBJECT_LABEL: Final = 500
MAX_URL: Final = 2_000
MAX_MODEL: Final = 120
MAX_REQUESTER: Final = 320
MAX_REASONING: Final = 100_000
MAX_ALTERNATIVES: Final = 100
MAX_RUN_ID: Final = 255
"""Characters, and elements: the longest that each field may be."""

_FIELDS: Final = frozenset(
    {
        "external_id",
        "workflow",
        "action",
        "subject",
        "payload",
        "confidence",
        "alternatives",
        "reasoning",
        "context",
        "model",
        "requested_by",
        "deadline",
        "run",
    }
)
_SUBJECT_FIELDS: Final = frozenset({"type", "id", "label", "url"})
_MODEL_FIELDS: Final = frozenset({"name", "version", "prompt"})
_ALTERNATIVE_FIELDS: Final = frozenset({"action", "confidence"})
_RUN_FIELDS: Final = frozenset({"id", "call_id", "state"})
_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class InvalidSubmission(Refused):
    """JSON, but no submission. `errors` holds (JSON Pointer, what is wrong and past which limit) for each."""

    def __init__(self, errors: tuple[tuple[str, str], ...]) -> None:
        super().__init__(errors[0][1], errors[0][0])
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Submission:
    """A request to decide, as it was sent.

    `content` is the whole of it in canonical form, each confidence as the string of its exact decimal; `fingerprint`
    is its SHA-256, by which a repeated request is told from another one under the same id.
    """

    external_id: str
    proposal: Proposal
    reasoning: str
    deadline: datetime | None
    run: Mapping[str, Any] | None
    content: bytes
    fingerprint: str


def parse_submission(raw: bytes) -> Submission:
    """Read the bytes of a request. Raises NotJson and Refused, as parse_strict and read_submission do."""
    return read_submission(parse_strict(raw, exact=EXACT))


def read_submission(parsed: object) -> Submission:
    """Read what parse_strict gave, confidences as Decimals (EXACT). Raises InvalidSubmission with every fault found."""
    if not isinstance(parsed, dict):
        raise InvalidSubmission((("", "A decision is an object."),))
    faults = _Faults()
    if not parsed.keys() <= _FIELDS:
        faults.unknown_fields(parsed, _FIELDS, "")
    read = faults.text
    external_id = read(parsed, "external_id", "", longest=MAX_EXTERNAL_ID)
    proposal = Proposal(
        workflow=read(parsed, "workflow", "", longest=MAX_WORKFLOW),
        action=read(parsed, "action", "", longest=MAX_ACTION),
        payload=faults.mapping(parsed, "payload", required=True),
        subject=_read_subject(parsed, faults),
        confidence=faults.confidence(parsed, ""),
        alternatives=_read_alternatives(parsed, faults),
        context=faults.mapping(parsed, "context"),
        **_read_model(parsed, faults),
        requested_by=read(parsed, "requested_by", "", longest=MAX_REQUESTER, required=False),
    )
    reasoning = read(parsed, "reasoning", "", longest=MAX_REASONING, required=False)
    deadline = _read_deadline(parsed, faults)
    run = _read_run(parsed, faults)
    if faults.found:
        raise InvalidSubmission(tuple(faults.found))
    content = canonical_bytes(_with_exact_confidences(parsed))
    return Submission(
        external_id=external_id,
        proposal=proposal,
        reasoning=reasoning,
        deadline=deadline,
        run=run,
        content=content,
        fingerprint=sha256_hex(content),
    )


class _Faults:
    """Takes fields of the type and length that they must have, and collects what is wrong with the others."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add(self, pointer: str, detail: str) -> None:
        self.found.append((pointer, detail))

    def unknown_fields(self, members: Mapping[str, Any], known: frozenset[str], place: str) -> None:
        for name in members:
            if name not in known:
                self.add(place + pointer_to(name), f"No such field; known are {', '.join(sorted(known))}.")

    def text(self, members: Mapping[str, Any], name: str, place: str, *, longest: int, required: bool = True) -> str:
        value = members.get(name)
        if type(value) is str and (value or not required) and len(value) <= longest:
            return value
        if value is None:
            if required:
                self.add(f"{place}/{name}", f"{name} is required, as a string of 1 to {longest:,} characters.")
        elif not isinstance(value, str):
            self.add(f"{place}/{name}", f"{name} must be a string of {int(required)} to {longest:,} characters.")
        else:
            self.add(
                f"{place}/{name}",
                f"{name} has {len(value):,} characters; {int(required)} to {longest:,} are taken.",
            )
        return ""

    def mapping(self, members: Mapping[str, Any], name: str, *, required: bool = False) -> Mapping[str, Any]:
        value = members.get(name)
        if isinstance(value, dict):
            return value
        if value is not None:
            self.add(f"/{name}", f"{name} must be an object.")
        elif required:
            self.add(f"/{name}", f"{name} is required, as an object.")
        return _NOTHING

    def confidence(self, members: Mapping[str, Any], place: str) -> Decimal | None:
        value = members.get("confidence")
        if value is None:
            return None
        if isinstance(value, Decimal):
            if 0 <= value <= 1:
                return value
            self.add(f"{place}/confidence", f"confidence is {value}; it must lie in [0, 1].")
        else:
            self.add(f"{place}/confidence", "confidence must be a number in [0, 1], or null.")
        return None


def _read_subject(parsed: Mapping[str, Any], faults: _Faults) -> Mapping[str, Any]:
    subject = faults.mapping(parsed, "subject")
    if subject is _NOTHING:
        return _NOTHING
    if not subject.keys() <= _SUBJECT_FIELDS:
        faults.unknown_fields(subject, _SUBJECT_FIELDS, "/subject")
    faults.text(subject, "type", "/subject", longest=MAX_SUBJECT_TYPE)
    faults.text(subject, "id", "/subject", longest=MAX_SUBJECT_ID)
    faults.text(subject, "label", "/subject", longest=MAX_SUBJECT_LABEL, required=False)
    url = faults.text(subject, "url", "/subject", longest=MAX_URL, required=False)
    if url and not url.startswith(("https://", "http://")):
        faults.add("/subject/url", "url must start with https:// or http://.")
    return subject


def _read_model(parsed: Mapping[str, Any], faults: _Faults) -> dict[str, str]:
    model = faults.mapping(parsed, "model", required=True)
    if model is _NOTHING:
        return {}
    if not model.keys() <= _MODEL_FIELDS:
        faults.unknown_fields(model, _MODEL_FIELDS, "/model")
    return {
        "model_name": faults.text(model, "name", "/model", longest=MAX_MODEL),
        "model_version": faults.text(model, "version", "/model", longest=MAX_MODEL),
        "prompt_digest": faults.text(model, "prompt", "/model", longest=MAX_MODEL, required=False),
    }


def _read_alternatives(parsed: Mapping[str, Any], faults: _Faults) -> tuple[Alternative, ...]:
    alternatives = parsed.get("alternatives")
    if alternatives is None:
        return ()
    if not isinstance(alternatives, list) or len(alternatives) > MAX_ALTERNATIVES:
        faults.add("/alternatives", f"alternatives must be an array of at most {MAX_ALTERNATIVES} objects.")
        return ()
    read = []
    for at, alternative in enumerate(alternatives):
        place = f"/alternatives/{at}"
        if not isinstance(alternative, dict):
            faults.add(place, "An alternative is an object with an action and a confidence.")
            continue
        if not alternative.keys() <= _ALTERNATIVE_FIELDS:
            faults.unknown_fields(alternative, _ALTERNATIVE_FIELDS, place)
        action = faults.text(alternative, "action", place, longest=MAX_ACTION)
        read.append(Alternative(action, faults.confidence(alternative, place)))
    return tuple(read)


def _read_deadline(parsed: Mapping[str, Any], faults: _Faults) -> datetime | None:
    value = parsed.get("deadline")
    if value is None:
        return None
    if isinstance(value, str) and (moment := read_moment(value)):
        return moment
    faults.add("/deadline", "deadline must be a moment of RFC 3339 with its offset, such as 2026-12-01T12:00:00Z.")
    return None


def read_moment(text: str) -> datetime | None:
    """A moment of RFC 3339 with its offset, in UTC; None for anything else."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # There is no 30th of February, and no year before 1.
        return None


def _read_run(parsed: Mapping[str, Any], faults: _Faults) -> Mapping[str, Any] | None:
    run = faults.mapping(parsed, "run")
    if run is _NOTHING:
        return None
    if not run.keys() <= _RUN_FIELDS:
        faults.unknown_fields(run, _RUN_FIELDS, "/run")
    faults.text(run, "id", "/run", longest=MAX_RUN_ID, required=False)
    faults.text(run, "call_id", "/run", longest=MAX_RUN_ID, required=False)
    return run


def _with_exact_confidences(parsed: dict[str, Any]) -> dict[str, Any]:
    """A copy with each confidence as a string, since a canonical number is a double; equal numbers, equal strings."""
    exact = dict(parsed)
    confidence = parsed.get("confidence")
    if confidence is not None:
        exact["confidence"] = plain_decimal(confidence)
    alternatives = parsed.get("alternatives")
    if alternatives:
        exact["alternatives"] = [
            each if each.get("confidence") is None else {**each, "confidence": plain_decimal(each["confidence"])}
            for each in alternatives
        ]
    return exact
