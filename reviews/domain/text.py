"""Untrusted text made visible: nothing that upstream sends may hide, reorder or imitate anything on the page.

`segments` cuts a text into pieces that a template can print in order. It removes nothing: what can't be seen as it
stands (invisible and bidirectional controls, long blank runs, stacked marks, smuggled tag characters) comes back as
a labelled token, words that mix scripts are badged, and links stay text with their host spelled out.
The reasons for each rule are those of Unicode UTS 39 (confusables) and UTR 36 (security considerations).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

PLAIN: Final = "plain"  # prints as it is
HIDDEN: Final = "hidden"  # a character that has no shape or moves others; `text` is its short name
SMUGGLED: Final = "smuggled"  # tag characters that spell a text nobody sees; `text` is what they spell
BLANK: Final = "blank"  # a folded run of blanks; `text` says how many
MARKS: Final = "marks"  # more combining marks on one letter than any language stacks
MIXED: Final = "mixed"  # a word of letters from scripts that don't belong together
LINK: Final = "link"  # an address; `parts` are its pieces, `host` is where it really leads

# A run shorter than this is layout (indented code, a paragraph break), not a way to push text out of sight.
FOLDED_SPACES: Final = 16
FOLDED_LINES: Final = 4
STACKED_MARKS: Final = 4

_SHORT_NAMES: Final = {
    0x00AD: "SHY",
    0x034F: "CGJ",
    0x061C: "ALM",
    0x180E: "MVS",
    0x200B: "ZWSP",
    0x200C: "ZWNJ",
    0x200D: "ZWJ",
    0x200E: "LRM",
    0x200F: "RLM",
    0x2028: "LSEP",
    0x2029: "PSEP",
    0x202A: "LRE",
    0x202B: "RLE",
    0x202C: "PDF",
    0x202D: "LRO",
    0x202E: "RLO",
    0x2060: "WJ",
    0x2066: "LRI",
    0x2067: "RLI",
    0x2068: "FSI",
    0x2069: "PDI",
    0xFEFF: "BOM",
}
# Letters and symbols by category that nevertheless print nothing (Hangul fillers, Khmer inherent vowels, the Braille
# blank) or only change how their neighbour prints (variation selectors).
_SHAPELESS: Final = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
_FORMAT: Final = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
_UNASSIGNED: Final = "\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff"
_CONTROLS: Final = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_TAGS: Final = "\U000e0000-\U000e007f"

_INVISIBLE: Final = f"[{_CONTROLS}{_SHAPELESS}{_FORMAT}{_UNASSIGNED}]"
_MARK: Final = "[\u0300-\u034e\u0350-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_LINK: Final = (
    r"(?:(?:https?|ftp|wss?|file)[:：]/*[^\s<>\"]+"
    r"|(?:javascript|vbscript|data|blob|mailto|tel|sms|intent):[^\s<>\"]+"
    r"|www\.[^\s<>\"]+)"
)

_LETTER: Final = rf"[^\W\d_{_SHAPELESS}]"
# The look-behind keeps a long word from being scanned again from each of its letters.
_WORD: Final = rf"(?P<word>(?<!{_LETTER}){_LETTER}*(?![\x00-\x7f]){_LETTER}+)"
_UNSEEN: Final = (
    rf"(?P<tags>[{_TAGS}]+)"
    rf"|(?P<invisible>{_INVISIBLE})(?P=invisible)*"
    rf"|(?P<marks>{_MARK}{{{STACKED_MARKS},}})"
)
_INTERESTING = re.compile(
    rf"(?P<lines>(?:[^\S\n]*\n){{{FOLDED_LINES},}})|(?P<spaces>[^\S\n]{{{FOLDED_SPACES},}})"
    rf"|(?P<link>\b(?i:{_LINK}))|{_UNSEEN}|{_WORD}"
)
_INSIDE_LINK = re.compile(f"{_UNSEEN}|{_WORD}")
_TRAILING: Final = ".,;:!?)]}'’”»"

# Scripts that one written language mixes within a word; Latin may stand beside them (UTS 39, "highly restrictive").
_WRITTEN_TOGETHER: Final = (
    frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "LATIN", "FULLWIDTH", "HALFWIDTH"}),
    frozenset({"CJK", "HANGUL", "LATIN"}),
    frozenset({"CJK", "BOPOMOFO", "LATIN"}),
)
_UNITS_AND_ORDINALS: Final = frozenset("µªºΩKÅℓ")


@dataclass(frozen=True, slots=True)
class Segment:
    """One printable piece: what to print, what it is, and what to say about it."""

    kind: str
    text: str
    title: str = ""
    host: str = ""
    parts: tuple[Segment, ...] = ()


def segments(text: str) -> tuple[Segment, ...]:
    """Cut `text` into pieces that print in order; joined, they account for every character of it."""
    return tuple(_cut(text, _INTERESTING))


def in_words(text: str) -> str:
    """The same on one line without markup, for titles and for what a screen reader is told: tokens in brackets."""
    printed = (part for segment in segments(text) for part in (segment.parts or (segment,)))
    shown = "".join(part.text if part.kind in {PLAIN, MIXED} else f"[{part.text}]" for part in printed)
    return " ".join(shown.split())


def is_inert(text: str) -> bool:
    """True where the text prints as it stands: no token, no badge, no link."""
    return all(segment.kind == PLAIN for segment in segments(text))


def host_of(address: str) -> str:
    """Where an address leads, in ASCII (an international name in its xn-- form); "" where it has no host.

    Read as browsers read it: a backslash counts as a slash, tabs and line ends are dropped, whatever stands before
    an @ is no host, and `http:/x`, `http:x` and `http:///x` all lead to x.
    """
    cleaned = re.sub(r"[\t\r\n]", "", address.strip()).replace("\\", "/").replace("：", ":")
    if cleaned.lower().startswith("www."):
        cleaned = f"https://{cleaned}"
    cleaned = re.sub(r"^(https?|ftp|wss?):/*", lambda scheme: f"{scheme[1]}://", cleaned, flags=re.IGNORECASE)
    try:
        name = urlsplit(cleaned).hostname or ""
    except ValueError:
        return ""
    name = _strip_invisible(name)
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name.encode("ascii", "backslashreplace").decode("ascii")


def _cut(text: str, interesting: re.Pattern[str]) -> list[Segment]:
    pieces: list[Segment] = []
    plain_from = 0
    for match in interesting.finditer(text):
        made = _segment(match, text)
        if made is None:
            continue
        segment, end = made
        if match.start() > plain_from:
            pieces.append(Segment(PLAIN, text[plain_from : match.start()]))
        pieces.append(segment)
        plain_from = end
    if plain_from < len(text):
        pieces.append(Segment(PLAIN, text[plain_from:]))
    return pieces


def _segment(match: re.Match[str], text: str) -> tuple[Segment, int] | None:
    """The segment that a match stands for and where it ends, or None where it prints as it is."""
    kind, found, end = match.lastgroup, match.group(), match.end()
    if kind == "lines":
        # The last line end stays outside the token so that what follows still starts a line of its own.
        return Segment(BLANK, f"{found.count(chr(10)) - 1} blank lines"), end
    if kind == "spaces":
        return Segment(BLANK, f"{len(found)} spaces"), end
    if kind == "link":
        address = found.rstrip(_TRAILING)
        parts = tuple(_cut(address, _INSIDE_LINK))
        return Segment(LINK, address, host=host_of(address), parts=parts), match.start() + len(address)
    if kind == "tags":
        return _smuggled(found), end
    if kind == "marks":
        return Segment(MARKS, f"{len(found)} marks", title="combining marks stacked on one letter"), end
    if kind == "invisible":
        if _joins_emoji(text, match.start(), end):
            return None
        return _hidden(found), end
    if _scripts_belong_together(found):
        return None
    return Segment(MIXED, found, title=" + ".join(sorted(_scripts(found)))), end


def _hidden(found: str) -> Segment:
    code = ord(found[0])
    name = _SHORT_NAMES.get(code, f"U+{code:04X}")
    times = f" ×{len(found)}" if len(found) > 1 else ""
    full = unicodedata.name(found[0], "control or unassigned character").lower()
    return Segment(HIDDEN, f"{name}{times}", title=f"U+{code:04X} {full}")


def _smuggled(found: str) -> Segment:
    spelled = "".join(chr(ord(c) - 0xE0000) if 0xE0020 <= ord(c) <= 0xE007E else "·" for c in found)
    return Segment(SMUGGLED, spelled, title=f"{len(found)} invisible tag characters that spell a text")


def _joins_emoji(text: str, start: int, end: int) -> bool:
    """A single joiner or emoji selector that belongs to a visible emoji: it changes a picture, it hides nothing."""
    if end - start != 1 or start == 0:
        return False
    if text[start] == "\ufe0f":
        return unicodedata.category(text[start - 1]) in {"So", "Sk", "Sm", "Po", "Nd"}
    if text[start] != "\u200d" or end >= len(text):
        return False
    before = text[start - 2] if text[start - 1] == "\ufe0f" and start >= 2 else text[start - 1]
    return unicodedata.category(before) in {"So", "Sk"} and unicodedata.category(text[end]) == "So"


def _strip_invisible(name: str) -> str:
    return re.sub(f"[{_TAGS}]|{_INVISIBLE}", "", name)


def _scripts(word: str) -> set[str]:
    return {script for character in word if (script := _script(character))}


def _scripts_belong_together(word: str) -> bool:
    scripts = _scripts(word)
    return len(scripts) <= 1 or any(scripts <= together for together in _WRITTEN_TOGETHER)


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """The script that a letter is written in, "" for what belongs to all (marks, modifier letters, units).

    Python has no script property; the first word of a letter's Unicode name is its script, and names such as
    MATHEMATICAL BOLD SMALL A give a word of their own, which is what sets them apart from plain letters.
    """
    if character in _UNITS_AND_ORDINALS or unicodedata.category(character) not in {"Lu", "Ll", "Lt", "Lo"}:
        return ""
    return unicodedata.name(character, "UNNAMED").split(" ", 1)[0]
