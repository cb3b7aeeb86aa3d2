"""What the verdicts on one ticket add up to: whether they agree, what is on the table, what the answer is.

Nothing here knows rows or the clock. A *choice* is what one person's verdict says is to run, or that nothing is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from policies.domain.canonical import canonical_bytes, sha256_hex
from policies.domain.vocabulary import VerdictKind
from reviews.domain.vocabulary import OutcomeKind, TicketEvent


@dataclass(frozen=True, slots=True)
class Choice:
    """One person's verdict: its kind, and the action and payload hash that would run (for a rejection, that won't)."""

    kind: str
    action: str
    payload_sha256: str

    @property
    def rejects(self) -> bool:
        return self.kind == VerdictKind.REJECT

    def agrees_with(self, other: "Choice") -> bool:
        """Whether both say the same: nothing runs, or exactly this action with exactly this payload."""
        if self.rejects or other.rejects:
            return self.rejects and other.rejects
        return (self.action, self.payload_sha256) == (other.action, other.payload_sha256)


def is_disputed(choices: Sequence[Choice]) -> bool:
    """Whether not all of them say the same."""
    return any(not choices[0].agrees_with(other) for other in choices[1:])


def event_of(choice: Choice, *, earlier: Sequence[Choice], needed: int) -> TicketEvent:
    """What a verdict does to its ticket, after the standing verdicts of earlier stages.

    A dispute is the escalation group's to end: its one verdict is final. `needed` counts people that must agree.
    """
    if is_disputed(earlier):
        return TicketEvent.VERDICT_FINAL
    if is_disputed([*earlier, choice]):
        return TicketEvent.VERDICT_DISAGREES
    return TicketEvent.VERDICT_FINAL if len(earlier) + 1 >= needed else TicketEvent.VERDICT_MORE


def index_on_the_table(choices: Sequence[Choice]) -> int | None:
    """Which earlier verdict an approval would now confirm; None when it is the AI's recommendation as it stands.

    An edit or override that waits for a second person is confirmed as it is, by its hash. In a dispute nobody's
    change has precedence: approving means the recommendation again, and any other answer is given in full.
    """
    if is_disputed(choices):
        return None
    for index, choice in enumerate(choices):
        if choice.kind in (VerdictKind.EDIT, VerdictKind.OVERRIDE):
            return index
    return None


def outcome_kind(choice: Choice, *, action: str, payload_sha256: str) -> OutcomeKind:
    """The binding answer that a final choice gives, against the action and payload that were proposed."""
    if choice.rejects:
        return OutcomeKind.REJECTED
    if choice.action != action:
        return OutcomeKind.OVERRIDDEN
    return OutcomeKind.APPROVED if choice.payload_sha256 == payload_sha256 else OutcomeKind.EDITED


def ai_was_right(kind: str, *, material: bool | None) -> bool:
    """Whether a verdict says that the AI was right: approved as it stood, or edited in style only."""
    return kind == VerdictKind.APPROVE or (kind == VerdictKind.EDIT and material is False)


def shown_sha256(
    *,
    action: str,
    payload_sha256: str,
    reasons: Iterable[Mapping[str, object]],
    answers: Iterable[tuple[str, object]],
    policy_digest: str,
) -> str:
    """Binds a verdict to what was on the screen: SHA-256 over canonical JSON, 64 hexadecimal digits.

    The proposal on the table, why a person was asked, what upstream answered (text and context, in order), and the
    policy. Relative times and precedents are outside it, since they change while nothing that matters does.
    """
    shown = {
        "action": action,
        "payload": payload_sha256,
        "reasons": list(reasons),
        "answers": [{"text": text, "context": context} for text, context in answers],
        "policy": policy_digest,
    }
    return sha256_hex(canonical_bytes(shown))
