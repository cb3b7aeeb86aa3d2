"""The picture of a back-test draws what its table says, and no share where nobody looked."""

import re

from feedback.domain.rates import Interval
from feedback.models import Backtest
from feedback.queries.backtests import Bar, InFull, Side
from feedback.templatetags.backtest_chart import backtest_chart, in_words

NOBODY = Side(count=0, first=())
KNOWN = (Bar("Wrong among what would run alone", 0.02, Interval(0.01, 0.04), "300 labels"),)
UNKNOWN = (Bar("Wrong where nobody looked", None, Interval(0.0, 1.0), "80 of 80"),)


def drawn(*, wrong: tuple[Bar, ...], alone: int = 30, asked: int = 10) -> str:
    return str(
        backtest_chart(
            InFull(
                run=Backtest(),
                alone=(
                    Bar("Ran alone", 0.6, Interval(0.5, 0.7), "60 of 100", was=True),
                    Bar("Would run alone", 0.8, Interval(0.7, 0.9), "80 of 100"),
                ),
                sides=(
                    Bar("Would run alone that people decided", alone / 100, Interval(0, 0.4), f"{alone} of 100"),
                    Bar("Would wait for people that ran alone", asked / 100, Interval(0, 0.2), f"{asked} of 100"),
                ),
                wrong=wrong,
                now_alone=NOBODY,
                now_asked=NOBODY,
            )
        )
    )


def widths(svg: str, name: str) -> list[float]:
    return [float(each) for each in re.findall(rf'<rect class="{name}"[^>]* width="([0-9.]+)"', svg)]


def test_before_and_after_stand_on_one_scale_and_the_error_on_its_own():
    svg = drawn(wrong=KNOWN)
    assert widths(svg, "was") == [384]  # 0.6 of 640
    assert widths(svg, "share") == [512, 192, 256]  # 0.8; 0.3 of 0.5 to the right; 0.02 of 0.05
    assert widths(svg, "asked") == [64]  # 0.1 of 0.5 to the left
    assert 'x="256"' in svg  # from the middle to the left
    assert svg.count('class="span"') == 3
    assert ">5.0\u00a0%<" in svg


def test_what_nobody_looked_at_is_hatched_from_end_to_end_and_has_no_share():
    svg = drawn(wrong=UNKNOWN)
    assert widths(svg, "open") == [640]
    (name,) = re.findall(r'<pattern id="([^"]+)"', svg)
    assert f'fill="url(#{name})" x="0"' in svg
    assert "Wrong where nobody looked: not identified (0–100\u00a0%)" in svg
    assert widths(svg, "share") == [512, 192]


def test_who_cannot_see_it_is_told_every_figure():
    (label,) = re.findall(r'role="img" aria-label="([^"]+)"', drawn(wrong=KNOWN))
    assert label == (
        "Ran alone: 60\u00a0% (50–70\u00a0%). Would run alone: 80\u00a0% (70–90\u00a0%). "
        "Would run alone that people decided: 30\u00a0% (0–40\u00a0%). "
        "Would wait for people that ran alone: 10\u00a0% (0–20\u00a0%). "
        "Wrong among what would run alone: 2.0\u00a0% (1.0–4.0\u00a0%)."
    )


def test_nothing_that_would_run_alone_leaves_no_bar_of_errors():
    assert drawn(wrong=()).count('class="track"') == 3


def test_no_style_is_inline():
    assert "style=" not in drawn(wrong=UNKNOWN)


def test_a_bar_reads_as_a_line():
    assert in_words(KNOWN[0]) == "Wrong among what would run alone: 2.0\u00a0% (1.0–4.0\u00a0%)"
