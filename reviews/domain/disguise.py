"""A case under other names: what a known answer is cloned from must not be known again, and must stay one case.

Nothing here draws: what the new names are follows from `lot`, some bytes that are another for each clone.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, Final

_DIGITS: Final = re.compile(r"[0-9]+")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DAY: Final = re.compile(r"(?<![0-9])[12][0-9]{3}-[01][0-9]-[0-3][0-9](?![0-9])")


def disguised(body: Mapping[str, Any], *, lot: bytes, days: int) -> dict[str, Any]:
    """A submission's body under a new external id and subject, everywhere it names them, and so many days later.

    Ids keep their shape: digits become other digits, the same ones the same everywhere. A name without a digit stays,
    as two customers may have one. Days are moved where they are written as in 2026-03-02.
    """
    subject = body.get("subject") or {}
    names = [(str(body["external_id"]), True), (subject.get("id") or "", True), (subject.get("label") or "", False)]
    renamed = {name: _renamed(name, lot=lot, is_id=is_id) for name, is_id in names if name}
    # A short number is more likely an amount that happens to be the same: it is the name only where it stands alone.
    telling = sorted((name for name in renamed if len(name) > (5 if name.isdigit() else 2)), key=len, reverse=True)
    named = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in telling) or "(?!)")

    def rewrite(text: str) -> str:
        if text in renamed:
            return renamed[text]
        return _later(named.sub(lambda found: renamed[found[0]], text), days=days)

    def rewrite_number(number: int) -> int:
        return int(renamed[str(number)]) if str(number) in telling else number

    kept = ("workflow", "action", "confidence", "alternatives", "model", "requested_by", "run")
    return {
        name: value if name in kept else _everywhere(value, rewrite, rewrite_number) for name, value in body.items()
    }


def _everywhere(value: Any, rewrite: Callable[[str], str], rewrite_number: Callable[[int], int]) -> Any:
    """The value with each text and whole number in it rewritten; names of fields stay."""
    if isinstance(value, str):
        return rewrite(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return rewrite_number(value)
    if isinstance(value, Mapping):
        return {name: _everywhere(member, rewrite, rewrite_number) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_everywhere(member, rewrite, rewrite_number) for member in value]
    return value


def _renamed(name: str, *, lot: bytes, is_id: bool) -> str:
    if _UUID.fullmatch(name):
        drawn = sha256(lot + name.encode()).hexdigest()
        # Version and variant stay, so that it is a UUID of the same kind.
        kept = {14, 19}
        return "".join(
            character if character == "-" or place in kept else drawn[place] for place, character in enumerate(name)
        )
    renamed = _DIGITS.sub(lambda found: _other_digits(found[0], lot=lot), name)
    if renamed != name or not is_id:
        return renamed
    letter = chr(ord("a") + sha256(lot + name.encode()).digest()[0] % 26)
    return name[:-1] + (letter if letter != name[-1].lower() else "k" if letter != "k" else "m")


def _other_digits(digits: str, *, lot: bytes) -> str:
    """As many digits, the first of which is 0 only where it was, and never the same ones."""
    space = 10 ** len(digits)
    least = 0 if digits[0] == "0" or len(digits) == 1 else space // 10
    most = space // 10 if digits[0] == "0" and len(digits) > 1 else space
    drawn = least + int.from_bytes(sha256(lot + digits.encode()).digest()) % (most - least)
    if drawn == int(digits):
        drawn = least + (drawn - least + 1) % (most - least)
    return f"{drawn:0{len(digits)}d}"


def _later(text: str, *, days: int) -> str:
    def moved(found: re.Match[str]) -> str:
        try:
            return (date.fromisoformat(found[0]) + timedelta(days=days)).isoformat()
        except (ValueError, OverflowError):
            return found[0]

    return _DAY.sub(moved, text)
