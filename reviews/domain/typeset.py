"""A draft as typeset text: a small, safe part of Markdown, in blocks that a template prints.

Headings, lists, quotes, code and emphasis only. Links and images stay as they are written, so that an address is
always seen. Nothing is dropped but the marks themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

HEADING: Final = "heading"
PARAGRAPH: Final = "paragraph"
BULLETS: Final = "bullets"
NUMBERS: Final = "numbers"
QUOTE: Final = "quote"
CODE: Final = "code"

STRONG: Final = "strong"
EMPHASIS: Final = "emphasis"
VERBATIM: Final = "verbatim"
PLAIN: Final = "plain"

_HEADING = re.compile(r"(#{1,6})[ \t]+(.*)$")
_BULLET = re.compile(r"[ \t]{0,8}[-*+][ \t]+(.*)$")
_NUMBER = re.compile(r"[ \t]{0,8}(\d{1,9})[.)][ \t]+(.*)$")
_QUOTE = re.compile(r"[ \t]{0,3}>[ \t]?(.*)$")
_FENCE = re.compile(r"[ \t]{0,3}(```+|~~~+)[^`]*$")
_INLINE = re.compile(
    r"`(?P<verbatim>[^`\n]+)`|\*\*(?P<strong>[^*\n]+)\*\*|(?<![\w*])\*(?P<emphasis>[^*\n]+)\*(?![\w*])"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one style within a line."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading, a list, a quote or code; `lines` holds one tuple of spans for each line or item."""

    kind: str
    lines: tuple[tuple[Span, ...], ...]
    level: int = 0  # of a heading, 1 to 6
    start: int = 1  # of a numbered list


def typeset(text: str) -> tuple[Block, ...]:
    """Cut a draft into blocks, in order."""
    blocks: list[Block] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        block, at = _block(lines, at)
        blocks.append(block)
    return tuple(blocks)


def spans(line: str) -> tuple[Span, ...]:
    """The styles within a line."""
    made: list[Span] = []
    plain_from = 0
    for match in _INLINE.finditer(line):
        if match.start() > plain_from:
            made.append(Span(PLAIN, line[plain_from : match.start()]))
        kind = str(match.lastgroup)
        made.append(Span(kind, match[kind]))
        plain_from = match.end()
    if plain_from < len(line) or not made:
        made.append(Span(PLAIN, line[plain_from:]))
    return tuple(made)


def _block(lines: list[str], at: int) -> tuple[Block, int]:
    line = lines[at]
    if fence := _FENCE.match(line):
        return _code(lines, at, fence[1])
    if heading := _HEADING.match(line):
        # What closes it is cut off by hand: a pattern would try each of a million marks as the first.
        title = heading[2].rstrip(" \t").rstrip("#").rstrip(" \t")
        return Block(HEADING, (spans(title),), level=len(heading[1])), at + 1
    if number := _NUMBER.match(line):
        items, end = _items(lines, at, _NUMBER, group=2)
        return Block(NUMBERS, items, start=int(number[1])), end
    for kind, pattern in ((BULLETS, _BULLET), (QUOTE, _QUOTE)):
        if pattern.match(line):
            items, end = _items(lines, at, pattern, group=1)
            return Block(kind, items), end
    end = at + 1
    while end < len(lines) and lines[end].strip() and not _starts_another(lines[end]):
        end += 1
    return Block(PARAGRAPH, tuple(spans(line) for line in lines[at:end])), end


def _items(
    lines: list[str], at: int, pattern: re.Pattern[str], *, group: int
) -> tuple[tuple[tuple[Span, ...], ...], int]:
    items: list[str] = []
    while at < len(lines) and (match := pattern.match(lines[at])):
        items.append(match[group])
        at += 1
    return tuple(spans(item) for item in items), at


def _code(lines: list[str], at: int, fence: str) -> tuple[Block, int]:
    end = at + 1
    while end < len(lines) and lines[end].strip() != fence:
        end += 1
    # What stands behind the opening fence (the language's name) is part of the text, so it is shown.
    named = lines[at].strip()[len(fence) :].strip()
    body = [*([named] if named else []), *lines[at + 1 : end]]
    return Block(CODE, tuple((Span(PLAIN, line),) for line in body)), end + 1


def _starts_another(line: str) -> bool:
    return any(pattern.match(line) for pattern in (_HEADING, _BULLET, _NUMBER, _QUOTE, _FENCE))
