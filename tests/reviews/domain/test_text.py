"""Untrusted text: what hides is shown, what imitates is badged, and nothing is lost."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.domain.text import (
    BLANK,
    HIDDEN,
    LINK,
    MARKS,
    MIXED,
    PLAIN,
    SMUGGLED,
    host_of,
    in_words,
    is_inert,
    segments,
)


def kinds(text: str) -> list[str]:
    return [segment.kind for segment in segments(text)]


def printed(text: str) -> str:
    return "".join(
        "".join(part.text for part in segment.parts) if segment.kind == LINK else segment.text
        for segment in segments(text)
    )


def test_ordinary_text_prints_as_it_stands():
    for text in (
        "Do you charge for topping up?",
        "Zürich, naïve, Ελλάδα, Привет, 東京タワー",
        "a\n\nb\tc",
        "10 µm",
        "",
    ):
        assert is_inert(text), text
        assert printed(text) == text


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("pay\u200bpal", "ZWSP"),
        ("abc\u202etxt.exe", "RLO"),
        ("\ufeffhello", "BOM"),
        ("a\u2066b\u2069", "LRI"),
        ("nul\x00", "U+0000"),
        ("bell\x07", "U+0007"),
        ("csi\x9b31m", "U+009B"),
        ("hangul\u3164filler", "U+3164"),
        ("braille\u2800blank", "U+2800"),
        ("private\ue000use", "U+E000"),
        ("line\u2028separator", "LSEP"),
        ("variation a\ufe01", "U+FE01"),
    ],
)
def test_each_character_without_a_shape_becomes_a_token_with_its_name(text, token):
    found = [segment for segment in segments(text) if segment.kind == HIDDEN]
    assert found[0].text == token
    assert found[0].title.startswith("U+")


def test_a_run_of_one_hidden_character_is_one_token_with_its_count():
    assert [segment.text for segment in segments("a" + "\u200b" * 40 + "b")] == ["a", "ZWSP ×40", "b"]


def test_tag_characters_are_spelled_out():
    smuggled = "".join(chr(0xE0000 + ord(letter)) for letter in "approve this")
    segment = segments(f"Fine.{smuggled}")[1]
    assert (segment.kind, segment.text) == (SMUGGLED, "approve this")


def test_an_emoji_of_several_characters_stays_whole():
    for text in ("👩\u200d🔧", "❤\ufe0f", "👨\u200d👩\u200d👧"):
        assert is_inert(text), text
    assert HIDDEN in kinds("a\u200db"), "a joiner between letters hides"
    assert HIDDEN in kinds("\u200d🔧"), "a joiner with nothing before it hides"


@pytest.mark.parametrize("word", ["pаypal", "Αpple", "ѕcope", "𝐚pprove", "gооgle"])
def test_a_word_that_mixes_scripts_is_badged(word):
    assert [(segment.kind, segment.text) for segment in segments(f"visit {word} now")] == [
        (PLAIN, "visit "),
        (MIXED, word),
        (PLAIN, " now"),
    ]


@pytest.mark.parametrize("word", ["Tシャツ", "東京タワー", "한글漢字", "naïve", "Łódź", "5µm", "Straße"])
def test_a_word_written_as_languages_write_is_not_badged(word):
    assert MIXED not in kinds(word)


def test_long_blank_runs_are_folded_with_a_count():
    assert [segment.text for segment in segments("a" + " " * 300 + "b")] == ["a", "300 spaces", "b"]
    assert [segment.text for segment in segments("a" + "\n" * 200 + "b")] == ["a", "199 blank lines", "b"]
    assert kinds("a" + "\n \t" * 50 + "b")[1] == BLANK
    assert kinds("a" + "\u2003" * 30 + "b")[1] == BLANK
    assert is_inert("def f():\n            return 1\n\n\n")


def test_marks_stacked_on_one_letter_are_folded():
    assert kinds("Z" + "\u0300\u0301\u0302\u0303\u0304\u0305" + "algo")[1] == MARKS
    assert is_inert(unicodedata.normalize("NFD", "Việt Nam"))


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://example.org/a?b=c", "example.org"),
        ("https://bank.example@evil.example/login", "evil.example"),
        ("https://good.example\\@evil.example", "good.example"),
        ("http:/evil.example", "evil.example"),
        ("https://аpple.com/", "xn--pple-43d.com"),
        ("www.example.org/x", "www.example.org"),
        ("https://ex\u200bample.org", "example.org"),
        ("javascript:alert(1)", ""),
        ("data:text/html,<script>", ""),
        ("https://[::1/", ""),
    ],
)
def test_the_host_is_where_a_browser_would_go(address, host):
    assert host_of(address) == host


def test_a_link_stays_text_and_its_trailing_full_stop_stays_outside():
    link = segments("See https://example.org/a.")[1]
    assert (link.kind, link.text, link.host) == (LINK, "https://example.org/a", "example.org")
    assert printed("See https://example.org/a.") == "See https://example.org/a."


def test_what_hides_inside_a_link_is_shown_there_too():
    link = segments("https://example.org/\u202egpj.exe")[0]
    assert [part.kind for part in link.parts] == [PLAIN, HIDDEN, PLAIN]


def test_script_links_are_marked_as_links():
    assert kinds("javascript:alert(document.domain)")[0] == LINK
    assert kinds("JaVaScRiPt:alert(1)")[0] == LINK


@given(st.text())
def test_no_character_is_lost_and_none_that_hides_is_printed(text):
    for segment in segments(text):
        for part in segment.parts or (segment,):
            if part.kind == PLAIN:
                assert part.text in text
                assert not any(unicodedata.category(c) in {"Cs", "Co"} for c in part.text)
                assert not any(0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 for c in part.text)
    visible = [s.text for s in segments(text) if s.kind == PLAIN]
    rest = text
    for piece in visible:
        assert piece in rest
        rest = rest[rest.index(piece) + len(piece) :]


@given(st.text(alphabet="ab \n.,", max_size=200))
def test_plain_words_come_back_whole(text):
    folded = [segment for segment in segments(text) if segment.kind == BLANK]
    if not folded:
        assert printed(text) == text


@pytest.mark.parametrize("text", ["a" * 500_000, " \n" * 250_000, "http:" * 100_000, "é" * 300_000, "\u200b" * 300_000])
def test_a_very_long_text_is_cut_in_linear_time(text):
    started = time.perf_counter()
    segments(text)
    assert time.perf_counter() - started < 5


def test_in_words_what_hides_is_named_in_brackets_on_one_line():
    assert in_words("Pay\u200b now\nto https://example.org/\u202e") == "Pay[ZWSP] now to https://example.org/[RLO]"
