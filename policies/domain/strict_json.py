"""Strict JSON: the one reading of a request.

What upstream sends is judged, stored, hashed and signed, so no two programs may read it differently. The parser refuses
what JSON leaves open (duplicate keys, numbers that a double can't hold, NUL, lone surrogates) and what would cost too
much (depth, number of values).

There are two readings. The quick one is the standard library's scanner with hooks (a faster library can't see duplicate
keys or a number's own digits); it knows that something is out of the ordinary, not where. Then the careful one, which
knows its place in the document, reads the text again: it names the fault, or finds that there is none.
"""

import json
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from policies.domain.pointers import pointer_to, pointer_tokens

MAX_DEPTH: Final = 32
"""Objects and arrays inside one another."""
MAX_NODES: Final = 5_000
"""Values in one document: each object, array, string, number, true, false and null."""
MAX_NUMBER: Final = 2**53 - 1
"""The largest whole number up to which every JSON reader keeps all of them (RFC 7493)."""
MAX_DIGITS: Final = 40
"""Digits of a number that is kept exactly as sent, written out without an exponent."""

SAYS_SOMETHING: Final = r"[^\s\x1c-\x1f\x85\ufeff]"
"""In a text that isn't blank: what neither Python nor ECMAScript, and so JSON Schema, takes for white space."""


class InputError(ValueError):
    """A document that can't be taken: `pointer` (RFC 6901) says where, `detail` what, and which limit it passes."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        super().__init__(f"{detail} (at {pointer or 'the top'})")
        self.detail = detail
        self.pointer = pointer


class NotJson(InputError):
    """The bytes aren't JSON (RFC 8259)."""


class Refused(InputError):
    """JSON, but of a kind that two readers could take differently, or past a limit."""


def parse_strict(raw: bytes, *, exact: frozenset[str] = frozenset()) -> object:
    """Read `raw` as one JSON document: dict, list, str, int, float, bool or None.

    `exact` names places by JSON Pointer, with `*` for any element or member ("/alternatives/*/confidence"). A number
    found there comes back as a Decimal of up to 40 digits, exactly as sent; every other one as an int, or as a float
    when the trip through a double leaves its decimal value as it is.

    Raises NotJson (bad UTF-8, a byte order mark, nothing, bad grammar, NaN, Infinity) or Refused (duplicate keys, depth
    past 32, more than 5,000 values, numbers past ±(2^53−1) or that a double would change, NUL, lone surrogates).
    """
    text = _decode(raw)
    patterns = _patterns(exact)
    if _is_large(raw, text) or (b"\\u" in raw and not _CLEAN_ESCAPES.fullmatch(text)):
        return _CarefulReader(text, patterns).document()
    try:
        return _read_quickly(text, patterns)
    except (_Irregular, ValueError, RecursionError):
        return _CarefulReader(text, patterns).document()


def _decode(raw: bytes) -> str:
    if raw.startswith(b"\xef\xbb\xbf"):
        raise NotJson("The text starts with a byte order mark; JSON is sent without one.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(f"Byte {error.start} is not UTF-8.") from None
    if not text.strip(_SPACE):
        raise NotJson("There is nothing here; a JSON value is needed.")
    return text


_SPACE: Final = " \t\n\r"
_PUNCTUATION: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\],]', re.DOTALL)
# Every escape, but for NUL and for halves of a surrogate pair without the other half.
_CLEAN_ESCAPES: Final = re.compile(
    r"""(?:[^\\]++
        |\\["\\/bfnrt]
        |\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
        |\\u(?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4}
        )*+""",
    re.VERBOSE,
)


def _is_large(raw: bytes, text: str) -> bool:
    """Whether depth or number of values may be past its limit. Asked before the scanner, which recurses, is let in."""
    openings = raw.count(b"{") + raw.count(b"[")
    # No document goes deeper than its openings, nor holds more values than half its bytes.
    if openings <= MAX_DEPTH and len(raw) <= 2 * MAX_NODES:
        return False
    depth = values = 1
    for match in _PUNCTUATION.finditer(text):
        mark = match[0]
        if mark in "{[":
            depth += 1
            values += 1
            if depth > MAX_DEPTH + 1:
                return True
        elif mark in "}]":
            depth -= 1
        elif mark == ",":
            values += 1
    return values > MAX_NODES


class _Irregular(Exception):
    """Something that the quick reading can see but neither place nor settle."""


def _read_quickly(text: str, patterns: tuple[tuple[str, ...], ...]) -> object:
    sent: dict[float, str] = {}  # The text of each number with a fraction: what an exact place is made of.

    def fraction(digits: str) -> float:
        value = float(digits)
        if not -MAX_NUMBER <= value <= MAX_NUMBER or sent.setdefault(value, digits) != digits:
            raise _Irregular
        # Fifteen digits always survive a double, but for the smallest of numbers.
        if (len(digits) > 16 or -1e-290 < value < 1e-290) and not _survives(digits, value):
            raise _Irregular
        return value

    value: object = json.JSONDecoder(
        object_pairs_hook=_object, parse_float=fraction, parse_int=_whole, parse_constant=_constant
    ).decode(text)
    for pattern in patterns:
        _make_exact(value, pattern, sent)
    return value


def _survives(digits: str, value: float) -> bool:
    """Whether a reader that goes through the double `value` still sees the number that `digits` write."""
    try:
        return Decimal(digits) == Decimal(repr(value))
    except InvalidOperation:  # An exponent past what a Decimal takes.
        return False


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Irregular
    return members


def _whole(digits: str) -> int:
    if len(digits) > 15 and (len(digits) > 17 or abs(int(digits)) > MAX_NUMBER):
        raise _Irregular
    return int(digits)


def _constant(name: str) -> object:
    raise _Irregular


def _make_exact(value: object, pattern: tuple[str, ...], sent: dict[float, str]) -> None:
    """Put Decimals in the places of `value` that `pattern` names."""
    head, rest = pattern[0], pattern[1:]
    keys: Iterable[Any]
    if isinstance(value, dict):
        keys = [*value] if head == "*" else [head] if head in value else []
    elif isinstance(value, list):
        keys = range(len(value)) if head == "*" else []
    else:
        return
    for key in keys:
        found = value[key]
        if rest:
            _make_exact(found, rest, sent)
        elif type(found) is float:
            digits = sent[found]
            if len(digits) > 20 or "e" in digits or "E" in digits:
                raise _Irregular
            value[key] = Decimal(digits)
        elif type(found) is int:
            value[key] = Decimal(found)


@lru_cache(maxsize=64)
def _patterns(exact: frozenset[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(pointer_tokens(pointer)) for pointer in sorted(exact))


class _CarefulReader:
    """Reads a document token by token and knows the way to each: slow, and the judge of everything irregular."""

    _NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
    _PLAIN_STRING: Final = re.compile(r'"([^"\\\x00-\x1f]*+)"')
    _STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
    _BLANKS: Final = re.compile(r"[ \t\n\r]*+")
    _UNFIT: Final = re.compile("[\x00\ud800-\udfff]")
    _WORDS: Final = (("true", True), ("false", False), ("null", None))
    _CONSTANTS: Final = ("NaN", "Infinity", "-Infinity")

    def __init__(self, text: str, patterns: tuple[tuple[str, ...], ...]) -> None:
        self._text = text
        self._patterns = patterns
        self._at = 0
        self._nodes = 0
        self._path: list[str] = []

    def document(self) -> object:
        value = self._value()
        if self._next():
            raise self._not_json("the end")
        return value

    def _next(self) -> str:
        """The next character that isn't blank, or "" at the end."""
        self._at = self._BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]  # Matches the empty too.
        return self._text[self._at : self._at + 1]

    def _value(self) -> object:
        mark = self._next()
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._refused(f"This is value number {MAX_NODES + 1:,}; a document may hold {MAX_NODES:,}.")
        if mark and mark in "{[":
            if len(self._path) >= MAX_DEPTH:
                raise self._refused(f"Objects and arrays stand deeper than {MAX_DEPTH} in one another, the limit.")
            self._at += 1
            return self._members() if mark == "{" else self._elements()
        if mark == '"':
            return self._string()
        for word, value in self._WORDS:
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        for word in self._CONSTANTS:
            if self._text.startswith(word, self._at):
                raise NotJson(f"{word} is not JSON; send null or a number.", self._pointer())
        return self._number()

    def _members(self) -> dict[str, object]:
        members: dict[str, object] = {}
        if self._next() == "}":
            self._at += 1
            return members
        while True:
            if self._next() != '"':
                raise self._not_json("a key in double quotes")
            key = self._string()
            if key in members:
                raise Refused("This key stands twice in one object; each may stand once.", self._pointer(key))
            if self._next() != ":":
                raise self._not_json("a colon")
            self._at += 1
            self._path.append(key)
            members[key] = self._value()
            self._path.pop()
            if self._closed_by("}"):
                return members

    def _elements(self) -> list[object]:
        elements: list[object] = []
        if self._next() == "]":
            self._at += 1
            return elements
        while True:
            self._path.append(str(len(elements)))
            elements.append(self._value())
            self._path.pop()
            if self._closed_by("]"):
                return elements

    def _closed_by(self, bracket: str) -> bool:
        mark = self._next()
        if mark not in (bracket, ","):
            raise self._not_json(f"a comma or {bracket}")
        self._at += 1
        return mark == bracket

    def _string(self) -> str:
        if plain := self._PLAIN_STRING.match(self._text, self._at):
            self._at = plain.end()
            return plain[1]
        start, match = self._at, self._STRING.match(self._text, self._at)
        if match is None:
            raise NotJson(f"The string that starts at character {start} does not end.", self._pointer())
        try:
            value: str = json.loads(match[0])
        except json.JSONDecodeError as error:
            raise NotJson(f"{error.msg} character {start + error.pos}.", self._pointer()) from None
        self._at = match.end()
        if unfit := self._UNFIT.search(value):
            what = "NUL (U+0000)" if unfit[0] == "\x00" else f"half of a surrogate pair (U+{ord(unfit[0]):04X})"
            raise self._refused(f"A string holds {what}; none may.")
        return value

    def _number(self) -> int | float | Decimal:
        match = self._NUMBER.match(self._text, self._at)
        if match is None:
            raise self._not_json("a value")
        self._at = match.end()
        digits, whole = match[0], match[1] is None and match[2] is None
        if any(self._is_here(pattern) for pattern in self._patterns):
            return self._exact(digits, len(match[2] or ""))
        if whole and len(digits) <= 17 and abs(int(digits)) <= MAX_NUMBER:
            return int(digits)
        value = float(digits)
        if not -MAX_NUMBER <= value <= MAX_NUMBER or whole:
            raise self._refused(f"{_short(digits)} is past ±{MAX_NUMBER:,} (2^53−1), the limit; send it as a string.")
        if not _survives(digits, value):
            raise self._refused(
                f"{_short(digits)} would become {value!r} in a double, the limit of a JSON number; send it as a string."
            )
        return value

    def _exact(self, digits: str, exponent_length: int) -> Decimal:
        if len(digits) <= 2 * MAX_DIGITS and exponent_length <= 6:
            value = Decimal(digits)
            exponent = value.as_tuple().exponent
            assert isinstance(exponent, int), "a JSON number is finite"
            if max(len(value.as_tuple().digits) + max(exponent, 0), -exponent) <= MAX_DIGITS:
                return value
        raise self._refused(f"{_short(digits)} takes more than {MAX_DIGITS} digits to write out, the limit.")

    def _is_here(self, pattern: tuple[str, ...]) -> bool:
        return len(pattern) == len(self._path) and all(
            token in ("*", step) for token, step in zip(pattern, self._path, strict=True)
        )

    def _pointer(self, *more: str) -> str:
        return pointer_to(*self._path, *more)

    def _not_json(self, wanted: str) -> NotJson:
        found = self._text[self._at : self._at + 1]
        seen = f"{found!a} stands at character {self._at}" if found else "the text ends"
        return NotJson(f"This is not JSON: {seen} where {wanted} is due.", self._pointer())

    def _refused(self, detail: str) -> Refused:
        return Refused(detail, self._pointer())


def _short(digits: str) -> str:
    return digits if len(digits) <= 60 else f"{digits[:57]}…"
