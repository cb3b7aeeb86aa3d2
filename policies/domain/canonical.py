"""Canonical JSON (RFC 8785): the bytes that are hashed and signed; and the hashes."""

import hashlib
import re
from collections.abc import Callable
from typing import Final

import orjson
import rfc8785

# orjson writes these three unlike ECMAScript: whole numbers with a fraction (12.0), exponents (1e16, 1e-5), and the
# order of keys in which characters past U+FFFF (four bytes in UTF-8) stand before those from U+E000 (three bytes).
# A string may look like one of them; it is then only written by the slower hand. Each pattern starts with a set of
# bytes, and most texts need but the first: an alternation of them costs as much as all else in here.
_NUMBER_OTHERWISE: Final = re.compile(rb"[:,\[]-?[0-9]+(?:\.0|(?:\.[0-9]+)?[eE][-+]?[0-9]+)[,\]}]")
_KEY_OTHERWISE: Final = re.compile(rb'[\xf0-\xf4](?:[^"\\\xf0-\xf4]|\\.)*+":', re.DOTALL)
_SORTED: Final = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)


def canonical_bytes(value: object) -> bytes:
    """`value` in canonical JSON (RFC 8785), UTF-8: equal values give equal bytes, in every language.

    Takes what `parse_strict` gives, and tuples; Decimals are for the caller to write as strings, since a canonical
    number is a double. Raises ValueError for anything else: NaN, Infinity, whole numbers past ±(2^53−1), surrogates.
    """
    try:
        written = orjson.dumps(value, option=_SORTED)
    except TypeError:
        return _written_by_the_book(value)
    if (
        isinstance(value, float)
        or _NUMBER_OTHERWISE.search(written)
        or (not written.isascii() and _KEY_OTHERWISE.search(written))
        or (b"null" in written and _holds_nan(value))  # orjson writes NaN and Infinity as null.
    ):
        return _written_by_the_book(value)
    return written


_written_by_the_book: Callable[[object], bytes] = rfc8785.dumps  # type: ignore[assignment]  # It checks what it is given.


def _holds_nan(value: object) -> bool:
    """Whether a NaN or an Infinity stands anywhere in `value`."""
    if isinstance(value, float):
        return value - value != 0
    if isinstance(value, dict):
        return any(map(_holds_nan, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_nan, value))
    return False


def sha256_hex(data: bytes) -> str:
    """SHA-256 of `data`: 64 lowercase hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def payload_sha256(payload: object) -> str:
    """What a payload is bound by in verdicts, outcomes and permits: SHA-256 of its canonical JSON."""
    return sha256_hex(canonical_bytes(payload))
