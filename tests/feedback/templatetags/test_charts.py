"""Figures in words, and charts that stay inside their frame."""

import re

import numpy as np
import pytest

from feedback.domain import calibration, risk
from feedback.domain.rates import Interval, override_rate
from feedback.domain.thresholds import GRID
from feedback.queries.figures import RiskFigures
from feedback.queries.overrides import Line
from feedback.templatetags import charts


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0, "0 %"),
        (1, "100 %"),
        (0.25, "25 %"),
        (0.034, "3.4 %"),
        (0.0053, "0.53 %"),
        (0.997, "99.7 %"),
        (0.99996, "99.996 %"),
    ],
)
def test_a_share_never_reads_as_none_or_all_when_it_is_not(value, shown):
    assert charts.share(value) == shown.replace(" ", "\u00a0")


def test_an_interval_names_its_unit_once():
    assert charts.between(Interval(0.09, 0.16)) == "9.0–16\u00a0%"
    assert charts.between(None) == "–"


def test_a_rate_of_too_few_has_no_bar():
    assert charts.rate_bar(override_rate(3, 9)) == ""
    assert "<svg" in charts.rate_bar(override_rate(3, 10), 0.8)


def numbers(svg: str, name: str) -> list[float]:
    return [float(value) for value in re.findall(rf'\b{name}="(-?[\d.]+)"', svg)]


def test_nothing_is_drawn_outside_a_chart():
    lines = [Line(f"2026-03-0{day}", override_rate(day, 40)) for day in range(1, 9)]
    confidence = np.linspace(0.5, 1, 400)
    error = np.arange(400) % 7 == 0
    figures = RiskFigures(
        n=400,
        weighted=False,
        curve=risk.risk_coverage(confidence, error),
        points=risk.operating_points(confidence, error, thresholds=GRID),
        live_threshold=0.85,
    )
    square = charts.reliability(calibration.calibrate(confidence, error))
    drawn = [svg for both in (charts.trend(lines), charts.risk_curve(figures)) for svg in both.split("</svg>")[:-1]]
    assert len(drawn) == 4, "each for a wide and for a narrow place"
    for svg in (*drawn, square):
        width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
        assert 'role="img"' in svg
        for name, most in (("cx", width), ("x1", width), ("x2", width), ("cy", height), ("y1", height), ("y2", height)):
            assert all(0 <= value <= most for value in numbers(svg, name)), name


def test_one_week_makes_no_trend():
    assert charts.trend([Line("2026-03-02", override_rate(4, 40))]) == ""
    assert charts.trend([]) == ""


def test_a_name_from_outside_is_printed_as_text():
    lines = [Line("<b>x</b>", override_rate(day, 40)) for day in (1, 2)]
    assert "<b>" not in charts.trend(lines)
