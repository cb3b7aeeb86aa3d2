"""A payload as a person reads it: one field after another, none left out.

`fields_of` walks the stored JSON and says for every place in it how it is shown. Where the action's layout says
nothing, the shape of the value decides, so that a payload nobody planned for is still shown whole.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from policies.domain.pointers import pointer_to, pointer_tokens
from policies.domain.vocabulary import Layout

# Text past this length, or with line ends, is read as a block; anything shorter as a fact beside its name.
LONGEST_FACT: Final = 120
# What a page can still show, and a person still read, in one piece. Past it nothing is approved with one key.
MOST_CHARACTERS: Final = 100_000
MOST_FIELDS: Final = 400

_BLOCKS: Final = frozenset(
    {Layout.MESSAGE, Layout.MARKDOWN, Layout.TABLE, Layout.CODE, Layout.DIFF, Layout.IMAGE, Layout.LINK}
)


class NoSuchField(LookupError):
    """A JSON Pointer leads nowhere in the document."""


@dataclass(frozen=True, slots=True)
class Field:
    """One place in a payload: where it is, what it is called, how it is shown."""

    pointer: str  # RFC 6901
    label: str
    layout: str  # a member of policies.domain.vocabulary.Layout
    value: object
    editable: bool = False
    differs: bool = False  # from the case before, which is otherwise like this one

    @property
    def is_block(self) -> bool:
        """Read as a block of its own, not as a fact beside its name."""
        if self.layout in _BLOCKS:
            return True
        return isinstance(self.value, str) and (len(self.value) > LONGEST_FACT or "\n" in self.value)

    @property
    def text(self) -> str:
        """The value as text: strings as they are, everything else as JSON writes it."""
        return text_of(self.value)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a table: every name that any of its rows has, in order of appearance."""
        return tuple(dict.fromkeys(str(key) for row in self._records() for key in row))

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Of a table: the cells as text, "" where a row lacks a column."""
        return tuple(
            tuple(text_of(row[name]) if name in row else "" for name in self.columns) for row in self._records()
        )

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """Of a difference: each line with what it is, "added", "removed" or ""."""
        kinds = {"+": "added", "-": "removed"}
        return tuple((kinds.get(line[:1], ""), line) for line in self.text.split("\n"))

    def _records(self) -> list[Mapping[str, object]]:
        return [row for row in self.value if isinstance(row, Mapping)] if isinstance(self.value, list) else []

    @property
    def name(self) -> str:
        """A form's name for it."""
        return f"field:{self.pointer}"


def text_of(value: object) -> str:
    """A JSON value as a person reads it: strings bare, structures indented."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, dict | list) else None)


def fields_of(payload: object, *, layout: Mapping[str, str], editable: Collection[str] = ()) -> tuple[Field, ...]:
    """Every field of `payload`, blocks first, in the order of the payload; `layout` and `editable` by JSON Pointer."""
    found = list(_walk(payload, "", (), layout=layout, editable=editable))
    return tuple(sorted(found, key=lambda field: not field.is_block))


def shown_whole(payload: object) -> bool:
    """False for what is too much for one page: it can't be approved with one key."""
    characters = fields = 0
    waiting: list[object] = [payload]
    while waiting:
        value = waiting.pop()
        fields += 1
        if isinstance(value, Mapping):
            waiting.extend(value.values())
            characters += sum(len(str(key)) for key in value)
        elif isinstance(value, list):
            waiting.extend(value)
        else:
            characters += len(value) if isinstance(value, str) else 8
        if characters > MOST_CHARACTERS or fields > MOST_FIELDS:
            return False
    return True


def with_value(document: object, pointer: str, value: object) -> object:
    """A copy of `document` in which `pointer` holds `value`. Raises NoSuchField when its parent doesn't exist."""
    steps = pointer_tokens(pointer)
    return _placed(document, steps, value, pointer) if steps else value


def _placed(document: object, steps: tuple[str, ...], value: object, pointer: str) -> object:
    step, rest = steps[0], steps[1:]
    if isinstance(document, Mapping):
        if rest and step not in document:
            raise NoSuchField(pointer)
        return {**document, step: _placed(document[step], rest, value, pointer) if rest else value}
    if isinstance(document, list) and step.isdecimal() and int(step) < len(document):
        place = int(step)
        placed = _placed(document[place], rest, value, pointer) if rest else value
        return [*document[:place], placed, *document[place + 1 :]]
    raise NoSuchField(pointer)


def _walk(
    value: object, pointer: str, names: tuple[str, ...], *, layout: Mapping[str, str], editable: Collection[str]
) -> list[Field]:
    chosen = layout.get(pointer)
    if chosen not in Layout.values:
        chosen = None
    if chosen is None and isinstance(value, Mapping) and value:
        return [
            field
            for key, member in value.items()
            for field in _walk(
                member,
                pointer + pointer_to(key),
                (*names, key),
                layout=layout,
                editable=editable,
            )
        ]
    if chosen == Layout.TABLE and _fitting(value) != Layout.TABLE:
        chosen = None
    label = label_of(names)
    return [Field(pointer, label, chosen or _fitting(value), value, pointer in editable)]


def _fitting(value: object) -> str:
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        flat = all(not isinstance(cell, Mapping | list) for item in value for cell in item.values())
        return Layout.TABLE if flat else Layout.CODE
    return Layout.CODE if isinstance(value, Mapping | list) and value else Layout.TEXT


def label_of(names: Iterable[str]) -> str:
    """What a place in a payload is called, by the names on the way to it: “Card › Ending”."""
    return " › ".join(map(_humane, names)) or "Value"


def _humane(name: str) -> str:
    """`card_ending` is read as “Card ending”; names that aren't words (PAY_0) stay as they are."""
    if not name.replace("_", "").isalpha() or name.isupper():
        return name
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
