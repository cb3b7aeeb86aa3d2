"""The parts of a row: what each says in words, and which way another value goes."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from policies.domain.figures import decisions, moment, money
from policies.domain.spec import ThresholdSpec, plain_decimal
from policies.domain.vocabulary import Autonomy


def runs_alone(row: ThresholdSpec) -> bool:
    """Whether the row lets anything run alone."""
    return row.autonomy == Autonomy.BY_CONFIDENCE


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a row: its fields, what they say in words, and whether another value loosens (of rows alike else)."""

    fields: tuple[str, ...]
    words: Callable[[ThresholdSpec], str]
    loosens: Callable[[ThresholdSpec, ThresholdSpec], bool]
    tightens: Callable[[ThresholdSpec, ThresholdSpec], bool]
    only_alone: bool = True
    """Whether it matters only while the row lets something run alone."""


def _rises(name: str) -> Callable[[ThresholdSpec, ThresholdSpec], bool]:
    """Whether a limit, None for none, is higher in the second row; or is in another currency."""

    def higher(old: ThresholdSpec, new: ThresholdSpec) -> bool:
        was, now = getattr(old, name), getattr(new, name)
        if was is None:
            return False
        return now is None or now > was or ("amount" in name and old.currency != new.currency)

    return higher


def _swapped(
    test: Callable[[ThresholdSpec, ThresholdSpec], bool],
) -> Callable[[ThresholdSpec, ThresholdSpec], bool]:
    return lambda old, new: test(new, old)


def _limit(name: str, words: Callable[[ThresholdSpec], str]) -> Part:
    fields = (name, "currency") if "amount" in name else (name,)
    return Part(fields, words, _rises(name), _swapped(_rises(name)))


def _lowers(name: str) -> Callable[[ThresholdSpec, ThresholdSpec], bool]:
    return lambda old, new: (getattr(new, name) or 0) < (getattr(old, name) or 0)


def _least(name: str, words: Callable[[ThresholdSpec], str], *, only_alone: bool) -> Part:
    return Part((name,), words, _lowers(name), _swapped(_lowers(name)), only_alone)


def _never(old: ThresholdSpec, new: ThresholdSpec) -> bool:
    return False


def _amount(value: Decimal | None, row: ThresholdSpec, otherwise: str) -> str:
    return otherwise if value is None else money(value, row.currency)


def _per_cent(share: Decimal) -> str:
    return f"{plain_decimal(share * 100)} %"


def _people(count: int) -> str:
    return "one person decides" if count == 1 else f"{count} people must agree"


def basis(row: ThresholdSpec) -> str:
    """What a row stands on, as the rest of a sentence."""
    if row.certificate_id:
        return f"it stands on certificate {row.certificate_id} ({row.certificate_digest[:19] or 'without a digest'})"
    reason = row.basis_reason.strip().rstrip(".")
    return f"it stands on the reason “{reason}”" if reason else "it stands on nothing"


def claim(row: ThresholdSpec) -> str:
    """What is claimed of the errors among what runs alone by a row."""
    if row.alpha is None and row.delta is None:
        return "no error rate is claimed"
    alpha, delta = ("no figure" if each is None else _per_cent(each) for each in (row.alpha, row.delta))
    return f"an error rate up to {alpha} is claimed, wrong with a chance of {delta}"


PARTS: Final = (
    _least(
        "least_confidence",
        lambda row: (
            "it names no confidence"
            if row.least_confidence is None
            else f"it runs alone from a confidence of {plain_decimal(row.least_confidence)}"
        ),
        only_alone=True,
    ),
    _limit("largest_amount", lambda row: f"it runs alone up to {_amount(row.largest_amount, row, 'any amount')}"),
    _limit(
        "daily_count",
        lambda row: (
            f"at most {decisions(row.daily_count)} a day run alone"
            if row.daily_count is not None
            else "no number a day is set"
        ),
    ),
    _limit("daily_amount", lambda row: f"up to {_amount(row.daily_amount, row, 'any amount')} a day run alone"),
    _limit(
        "subject_daily_count",
        lambda row: (
            f"at most {decisions(row.subject_daily_count)} a day run alone for one subject"
            if row.subject_daily_count is not None
            else "no number a day is set for one subject"
        ),
    ),
    _limit(
        "subject_daily_amount",
        lambda row: f"up to {_amount(row.subject_daily_amount, row, 'any amount')} a day run alone for one subject",
    ),
    _least("verdicts_needed", lambda row: _people(row.verdicts_needed), only_alone=False),
    _least(
        "deliberate_acts",
        lambda row: "one key approves" if row.deliberate_acts == 1 else "approving takes two deliberate acts",
        only_alone=False,
    ),
    _least(
        "separation",
        lambda row: (
            "two people must agree where nobody knows who asked for it"
            if row.separation
            else "it makes no difference whether somebody knows who asked for it"
        ),
        only_alone=False,
    ),
    _least(
        "audit_rate",
        lambda row: f"{_per_cent(row.audit_rate)} are drawn for review",
        only_alone=False,
    ),
    Part(
        ("basis_holds_until",),
        lambda row: (
            f"that holds until {moment(row.basis_holds_until)}" if row.basis_holds_until else "that holds without end"
        ),
        _rises("basis_holds_until"),
        _swapped(_rises("basis_holds_until")),
    ),
    Part(("certificate_id", "certificate_digest", "basis_reason"), basis, _never, _never),
    Part(("alpha", "delta"), claim, _never, _never),
)
