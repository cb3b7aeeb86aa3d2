"""Frozen dataclasses to JSON and back, by the types of their fields, unchanged.

Text, whole numbers, true and false stand as they are; Decimals as plain decimal text, moments as RFC 3339 in UTC,
tuples as lists. What is read must be what would be written: a field too many, too few or of another type is refused.

A field that a dataclass gets after documents have been pinned is declared with `added_later`: it is written only where
it differs from its default, so that a document from before is still what would be written, under the same digest.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, get_args, get_type_hints

from policies.domain.pointers import pointer_to


class SpecError(ValueError):
    """A document that isn't what it should be: `pointer` (RFC 6901) says where, `detail` what is wrong there."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        super().__init__(f"{detail} (at {pointer or 'the top'})")
        self.detail = detail
        self.pointer = pointer


ADDED_LATER: Final = "added_later"


def added_later(default: Any) -> Any:
    """A field of a dataclass that older documents don't have. `default` means what they meant by not having it."""
    return field(default=default, metadata={ADDED_LATER: True})


def _may_be_missing(each: Field[Any]) -> bool:
    return ADDED_LATER in each.metadata


# ---- Writing --------------------------------------------------------------------------------------------------------


def plain(value: Any, *, without: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass as JSON values, but those `without` and later ones that have their default."""
    return {
        each.name: _written(getattr(value, each.name))
        for each in fields(value)
        if each.name not in without and not (_may_be_missing(each) and getattr(value, each.name) == each.default)
    }


def plain_decimal(value: Decimal) -> str:
    """`value` without exponent or superfluous zeros: one way to write one number."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain_moment(value: datetime) -> str:
    """`value` as RFC 3339 in UTC, to the microsecond. Raises ValueError for a moment without a time zone."""
    if value.tzinfo is None:
        raise ValueError("A moment without a time zone can't be told from another.")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _written(value: Any) -> Any:
    match value:
        case Decimal():
            return plain_decimal(value)
        case datetime():
            return plain_moment(value)
        case str():
            return str(value)
        case tuple():
            return [_written(each) for each in value]
        case Mapping():
            return dict(value)
    return value


# ---- Reading --------------------------------------------------------------------------------------------------------


def read_fields(
    kind: type, document: object, place: str = "", *, without: Collection[str] = (), **choices: Collection[str]
) -> dict[str, Any]:
    """The fields of the dataclass `kind`, but those `without`, from the object `document` that stands at `place`.

    `choices` names the values that a field may have. Raises SpecError with the place of the first field that is wrong.
    """
    if not isinstance(document, Mapping):
        raise SpecError("An object is due here.", place)
    readers = {name: reader for name, reader in _readers_of(kind) if name not in without}
    later = {each.name: each.default for each in fields(kind) if _may_be_missing(each)}
    for name in sorted(readers.keys() ^ document.keys(), key=str):
        if name in readers and name in later:
            continue
        raise SpecError(
            "This field is missing." if name in readers else "No such field.", place + pointer_to(str(name))
        )
    found = {}
    for name, reader in readers.items():
        if name not in document:
            continue  # The dataclass has its default.
        try:
            found[name] = reader(document[name])
            if name in choices and found[name] not in choices[name]:
                raise ValueError(f"One of {', '.join(choices[name])} is due here.")
            if name in later and found[name] == later[name]:
                raise ValueError("This is the default, which is left out.")
        except ValueError as error:
            raise SpecError(str(error), place + pointer_to(name)) from None
    return found


@lru_cache(maxsize=32)
def _readers_of(kind: type) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    hints = get_type_hints(kind)
    return tuple((each.name, _reader_of(hints[each.name])) for each in fields(kind) if each.init)


def _reader_of(hint: Any) -> Callable[[Any], Any]:
    if type(None) in get_args(hint):
        (hint,) = (each for each in get_args(hint) if each is not type(None))
        reader = _reader_of(hint)
        return lambda value: None if value is None else reader(value)
    return _READERS[hint]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("Text is due here.")  # noqa: TRY004 - one kind of error for one kind of fault
    return str(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("A list of texts is due here.")  # noqa: TRY004
    return tuple(map(_text, value))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is due here.")  # noqa: TRY004
    return value


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("A whole number that isn't negative is due here.")
    return value


def _decimal(value: object) -> Decimal:
    if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
        raise ValueError("A decimal number as text, such as “0.85”, is due here.")
    return Decimal(value)


_DECIMAL: Final = re.compile(r"[0-9]{1,40}(?:\.[0-9]{1,40})?")


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("A moment needs its time zone.")
    return moment.astimezone(UTC)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("A list is due here.")  # noqa: TRY004
    return value


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("An object is due here.")  # noqa: TRY004
    return dict(value)


_READERS: Final[dict[Any, Callable[[Any], Any]]] = {
    str: _text,
    bool: _flag,
    int: _whole,
    Decimal: _decimal,
    datetime: _moment,
    tuple[str, ...]: _texts,
    list[Any]: _list,
    Mapping[str, Any]: _mapping,
    Mapping[str, str]: _mapping,
}
