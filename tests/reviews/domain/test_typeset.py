"""A draft as typeset text: blocks in order, nothing dropped but the marks."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.domain.typeset import (
    BULLETS,
    CODE,
    EMPHASIS,
    HEADING,
    NUMBERS,
    PARAGRAPH,
    PLAIN,
    QUOTE,
    STRONG,
    VERBATIM,
    Span,
    spans,
    typeset,
)


def test_each_kind_of_block_is_found():
    draft = "# Title\n\nHello\nthere\n\n- one\n- two\n\n3. three\n4. four\n\n> said\n\n```sql\nselect 1\n```\nEnd"
    blocks = typeset(draft)
    assert [block.kind for block in blocks] == [HEADING, PARAGRAPH, BULLETS, NUMBERS, QUOTE, CODE, PARAGRAPH]
    assert (blocks[0].level, blocks[3].start) == (1, 3)
    assert [line[0].text for line in blocks[5].lines] == ["sql", "select 1"]


def test_styles_within_a_line_are_found():
    assert spans("a **b** *c* `d`") == (
        Span(PLAIN, "a "),
        Span(STRONG, "b"),
        Span(PLAIN, " "),
        Span(EMPHASIS, "c"),
        Span(PLAIN, " "),
        Span(VERBATIM, "d"),
    )


def test_links_images_and_markup_stay_as_they_are_written():
    for line in ("[here](https://evil.example)", "![x](https://evil.example/pixel.gif)", "<b onclick=x>b</b>", "2*3*4"):
        assert spans(line) == (Span(PLAIN, line),)


@given(st.text(alphabet="ab #-*+>`~1.)\n", max_size=120))
def test_no_word_is_dropped(draft):
    shown = " ".join(span.text for block in typeset(draft) for line in block.lines for span in line)
    numbers = " ".join(str(n) for block in typeset(draft) for n in range(block.start, block.start + len(block.lines)))
    for word in re.findall(r"[ab]+", draft):
        assert word in shown, (draft, numbers)


@pytest.mark.parametrize("written", ["# Plan", "# Plan #", "# Plan  ## \t", "#\tPlan \t"])
def test_what_closes_a_heading_is_no_part_of_it(written):
    (block,) = typeset(written)
    assert (block.kind, block.level, block.lines) == (HEADING, 1, ((Span(PLAIN, "Plan"),),))


@pytest.mark.parametrize("mark", ["#", " ", "# ", "`", "*", "> "])
def test_a_very_long_line_is_typeset_in_linear_time(mark):
    started = time.perf_counter()
    typeset(f"# {mark * (500_000 // len(mark))}x")
    assert time.perf_counter() - started < 5
