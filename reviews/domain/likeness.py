"""Near-identical cases: the same but for whom it is about, and for figures.

Two cases are near-identical when they are of one workflow and action, and their payloads are the same once these are
masked: the subject's id and label, every number, and every word with a digit in it (amounts, dates, account numbers).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reviews.domain.changes import ADDED, REMOVED, Change, Run, changes_between

# The look-behind keeps a long word without a digit from being scanned again from each of its letters.
_WITH_DIGITS: Final = re.compile(r"(?<![\w-])[\w-]*\d[\w-]*(?:[.,:/]\d[\w-]*)*")
_FIGURE: Final = "0"
_SUBJECT: Final = "\0"
_NUMBER: Final = ("a number",)


@dataclass(frozen=True, slots=True)
class Case:
    """What of a decision is compared. Of the subject, its label is shown, its id where it has none."""

    workflow_id: int
    action: str
    subject_id: str
    subject_label: str
    payload: Mapping[str, Any]

    @property
    def subject(self) -> str:
        return self.subject_label or self.subject_id


def differences(before: Case, after: Case) -> tuple[Change, ...] | None:
    """In what two near-identical cases differ, the subject first; None where they aren't near-identical."""
    if not after.payload or in_common(before) != in_common(after):
        return None
    changes = changes_between(before.payload, after.payload)
    if before.subject == after.subject:
        return changes
    runs = (Run(REMOVED, before.subject), Run(ADDED, after.subject))
    return (Change("", "Subject", tuple(run for run in runs if run.text)), *changes)


def in_common(case: Case) -> object:
    """What is equal of near-identical cases, and of no others."""
    return case.workflow_id, case.action, _masked(case.payload, subject=_names(case))


def _names(case: Case) -> re.Pattern[str] | None:
    names = sorted({case.subject_id, case.subject_label} - {""}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, names))) if names else None


def _masked(value: object, *, subject: re.Pattern[str] | None) -> object:
    if isinstance(value, Mapping):
        return {key: _masked(member, subject=subject) for key, member in value.items()}
    if isinstance(value, list):
        return [_masked(member, subject=subject) for member in value]
    if isinstance(value, str):
        return _WITH_DIGITS.sub(_FIGURE, subject.sub(_SUBJECT, value) if subject else value)
    # True equals 1 to Python, and is no figure.
    return value if value is None or isinstance(value, bool) else _NUMBER
