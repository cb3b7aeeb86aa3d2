"""What the verdicts on a settled ticket, and later the truth, say of the AI.

Nothing here knows rows. An approval may confirm what an earlier person changed, so the last verdict's kind alone does
not say whether the AI was right: what was to run does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from feedback.domain.vocabulary import LabelSource
from policies.domain.vocabulary import Route, VerdictKind
from reviews.domain.judgement import Choice, outcome_kind
from reviews.domain.judgement import ai_was_right as verdict_says_right
from reviews.domain.vocabulary import OutcomeKind

KINDS = {
    OutcomeKind.APPROVED: VerdictKind.APPROVE,
    OutcomeKind.EDITED: VerdictKind.EDIT,
    OutcomeKind.OVERRIDDEN: VerdictKind.OVERRIDE,
    OutcomeKind.REJECTED: VerdictKind.REJECT,
}
# The best known truth first.
RANK = (LabelSource.GROUND_TRUTH, LabelSource.GATE, LabelSource.AUDIT, LabelSource.SECOND_OPINION)


@dataclass(frozen=True, slots=True)
class Given:
    """One standing verdict; `material` says of an edit whether it changed the substance."""

    choice: Choice
    material: bool | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a ticket comes to: the kind that counts for override rates, whether the AI was right, and what was."""

    kind: VerdictKind
    ai_was_right: bool
    right_action: str


def finding_of(verdicts: Sequence[Given], *, action: str, payload_sha256: str) -> Finding:
    """Of the standing verdicts, in order of stages, on a proposal of `action` with this payload. The last one counts.

    `right_action` is empty after a rejection: it is only known that the AI's was wrong.
    """
    last = verdicts[-1].choice
    kind = KINDS[outcome_kind(last, action=action, payload_sha256=payload_sha256)]
    # Whoever made the edit that came to stand said what it was; who confirmed it, approved.
    material = next(
        (one.material for one in reversed(verdicts) if one.material is not None and one.choice.agrees_with(last)), None
    )
    return Finding(
        kind=kind,
        ai_was_right=verdict_says_right(kind, material=material),
        right_action="" if kind == VerdictKind.REJECT else last.action,
    )


def label_probability(source: LabelSource, *, route: str, flagged: bool, flag_probability: float) -> float | None:
    """π, with which a decision came to be labelled: 1 if reviewed anyway, q if only because it was flagged.

    None where a truth came in on an automatic decision that nobody drew: who reports it, when and why is unknown, so
    it is shown apart and enters no estimate.
    """
    if route == Route.REVIEW:
        return 1.0
    return flag_probability if flagged or source != LabelSource.GROUND_TRUTH else None


def band_of(confidence: float | None) -> int | None:
    """The confidence in tenths, 0 to 9; None where there is none."""
    return None if confidence is None else min(9, int(confidence * 10))
