"""What a person changed, against what the AI proposed: words for text, fields for data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from policies.domain.pointers import pointer_to
from reviews.domain.fields import label_of, text_of

KEPT: Final = "kept"
ADDED: Final = "added"
REMOVED: Final = "removed"

# The comparison is quadratic at worst; a longer text is compared line by line, and past that as a whole.
MOST_PIECES: Final = 4_000
FEW_WORDS: Final = 3
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text that was kept, added or removed."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs. `runs` joins both versions, in order."""

    pointer: str
    label: str
    runs: tuple[Run, ...]

    @property
    def in_short(self) -> tuple[Run, ...]:
        """Both values whole where they are a few words; of longer ones the words that differ, side by side."""
        was = "".join(run.text for run in self.runs if run.kind != ADDED)
        now = "".join(run.text for run in self.runs if run.kind != REMOVED)
        old, new = was.split(), now.split()
        if max(len(old), len(new)) <= FEW_WORDS:
            return tuple(run for run in (Run(REMOVED, was), Run(ADDED, now)) if run.text)
        if max(len(old), len(new)) > MOST_PIECES:
            return tuple(run for run in self.runs if run.kind != KEPT)
        return tuple(
            Run(kind, " ".join(words[start:end]))
            for opcode, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
            if opcode != "equal"
            for kind, words, start, end in ((REMOVED, old, i1, i2), (ADDED, new, j1, j2))
            if start < end
        )


def word_runs(before: str, after: str) -> tuple[Run, ...]:
    """Both texts in one, word by word: kept and removed runs give `before`, kept and added ones give `after`."""
    for pattern in (_WORDS, _LINES):
        old, new = pattern.findall(before), pattern.findall(after)
        if max(len(old), len(new)) <= MOST_PIECES:
            return _compared(old, new)
    return tuple(run for run in (Run(REMOVED, before), Run(ADDED, after)) if run.text)


def changes_between(before: object, after: object) -> tuple[Change, ...]:
    """The fields in which two payloads differ, in the order of `after`, removed ones last."""
    old, new = dict(_leaves(before, "", ())), dict(_leaves(after, "", ()))
    changes = []
    for pointer in [*new, *(pointer for pointer in old if pointer not in new)]:
        was, now = old.get(pointer), new.get(pointer)
        # JSON keeps 1, 1.0 and true apart; Python's == would not.
        if was is not None and now is not None and (type(was[1]), was[1]) == (type(now[1]), now[1]):
            continue
        names = (now or was or ((), None))[0]
        changes.append(
            Change(
                pointer,
                label_of(names),
                _field_runs(was[1:] if was is not None else (), now[1:] if now is not None else ()),
            )
        )
    return tuple(changes)


def _field_runs(was: tuple[object, ...], now: tuple[object, ...]) -> tuple[Run, ...]:
    if was and now and isinstance(was[0], str) and isinstance(now[0], str):
        return word_runs(was[0], now[0])
    removed = tuple(Run(REMOVED, text_of(value)) for value in was)
    return removed + tuple(Run(ADDED, text_of(value)) for value in now)


def _compared(old: list[str], new: list[str]) -> tuple[Run, ...]:
    runs: list[Run] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            runs.append(Run(KEPT, "".join(old[i1:i2])))
            continue
        runs.extend(run for run in (Run(REMOVED, "".join(old[i1:i2])), Run(ADDED, "".join(new[j1:j2]))) if run.text)
    return tuple(runs)


def _leaves(value: object, pointer: str, names: tuple[str, ...]) -> list[tuple[str, tuple[tuple[str, ...], object]]]:
    if isinstance(value, Mapping) and value:
        members = [(str(key), member) for key, member in value.items()]
    elif isinstance(value, list) and value:
        members = [(str(place), member) for place, member in enumerate(value)]
    else:
        return [(pointer, (names, value))]
    return [leaf for key, member in members for leaf in _leaves(member, pointer + pointer_to(key), (*names, key))]
