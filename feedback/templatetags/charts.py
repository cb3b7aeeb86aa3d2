"""Charts, drawn by the server as SVG: geometry in attributes and colours by class, since no style may be inline.

Each chart has a table beside it that says the same; to a screen reader the chart is one picture with a label.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from feedback.domain.calibration import Band, Calibration
from feedback.domain.rates import Interval, Rate
from feedback.queries.figures import RiskFigures
from feedback.queries.overrides import Line
from policies.domain.figures import per_cent

register = template.Library()

NOTHING: Final = mark_safe("")
# Each chart that is wider than high is drawn twice, and the room that there is says which is shown: one drawing made
# small would be neither high nor legible enough on a phone.
SIZES: Final = (("wide", 640, 220), ("narrow", 340, 240))
LEFT, RIGHT, BOTTOM, TOP = 44, 36, 26, 10
SQUARE = 300


@register.filter
def share(value: float | None) -> str:
    """A share in per cent with as many decimals as tell it apart from 0 and 1: 12 %, 3.4 %, 0.53 %, 0 %."""
    if value is None:
        return "–"
    shown = value * 100
    for places in range(4):
        text = f"{shown:.{places}f}"
        if places >= (0 if shown >= 10 or shown == 0 else 1 if shown >= 1 else 2) and (
            value in (0, 1) or 0 < float(text) < 100
        ):
            break
    return per_cent(value, places)


@register.filter
def between(interval: Interval | Band | Sequence[float] | None) -> str:
    """An interval in per cent: 9–16 %. An alarm keeps one as its two ends."""
    if interval is None:
        return "–"
    lower, upper = (interval.lower, interval.upper) if isinstance(interval, Band) else interval
    return f"{share(lower).removesuffix(chr(0xA0) + '%')}–{share(upper)}"


@register.filter
def minutes(seconds: float | None) -> str:
    """How long a verdict took: 34 s, 2.5 min."""
    if seconds is None:
        return "–"
    return f"{seconds:.0f}\u00a0s" if seconds < 90 else f"{seconds / 60:.1f}\u00a0min"


@register.filter
def decimal(value: float | None, places: int = 3) -> str:
    return "–" if value is None else f"{value:.{places}f}"


@register.simple_tag
def log_url(filters: Mapping[str, str]) -> str:
    """The log with only what a figure is of; "" where the log can't be narrowed to it."""
    return f"{reverse('log')}?{urlencode(filters)}" if filters else ""


# ---- A rate in a table ----------------------------------------------------------------------------------------------


@register.simple_tag
def rate_bar(rate: Rate, largest: float = 1.0) -> SafeString:
    """The interval as a bar and the share as a mark, on a scale from 0 to `largest`. The cells beside it say both."""
    if rate.hidden:
        return NOTHING
    width = 120

    def at(value: float) -> str:
        return tenths(min(1.0, value / largest) * width)

    return format_html(
        '<svg class="rate" width="{0}" height="14" viewBox="0 0 {0} 14" aria-hidden="true">'
        '<rect class="ground" y="6" width="{0}" height="2"/>'
        '<rect class="interval" x="{1}" y="4" width="{2}" height="6" rx="2"/>'
        '<line class="mark" x1="{3}" x2="{3}" y1="1" y2="13"/></svg>',
        width,
        at(rate.interval.lower),
        tenths(max(1.0, (min(1.0, rate.interval.upper / largest) - min(1.0, rate.interval.lower / largest)) * width)),
        at(rate.share),
    )


@register.filter
def largest_of(lines: Iterable[Line]) -> float:
    """The upper end that every interval of a table fits under: its scale."""
    return max((line.rate.interval.upper for line in lines if not line.rate.hidden), default=1.0)


# ---- Over time ------------------------------------------------------------------------------------------------------


@register.simple_tag
def trend(lines: Sequence[Line]) -> SafeString:
    """Rates week by week with their intervals; weeks with too few verdicts leave a gap."""
    shown = [(place, line) for place, line in enumerate(lines) if not line.rate.hidden]
    if len(shown) < 2:
        return NOTHING
    top = ceiling(max(line.rate.interval.upper for _, line in shown))

    def drawn(name: str, width: int, height: int) -> SafeString:
        step = (width - LEFT - RIGHT) / max(1, len(lines) - 1)

        def point(place: int, value: float) -> tuple[float, float]:
            return LEFT + place * step, TOP + (height - TOP - BOTTOM) * (1 - value / top)

        intervals = [(place, line.rate.interval) for place, line in shown]
        ends = [(point(place, interval.lower), point(place, interval.upper)) for place, interval in intervals]
        return _chart(
            f"chart {name}",
            "Override rate by week, with its interval; the table says the same",
            _rules(top, width=width, height=height),
            format_html_join(
                "",
                '<line class="interval" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>',
                ((tenths(x), tenths(lower), tenths(upper)) for (x, lower), (_, upper) in ends),
            ),
            _path("curve", [point(place, line.rate.share) for place, line in shown]),
            format_html_join(
                "",
                '<circle class="mark" cx="{}" cy="{}" r="3"/>',
                (tuple(map(tenths, point(place, line.rate.share))) for place, line in shown),
            ),
            _labels_below((point(place, 0)[0], line.name) for place, line in (shown[0], shown[-1])),
            _named("changed", "", width=width, height=height),
            width=width,
            height=height,
        )

    return _in_each_size(drawn)


# ---- Reliability ----------------------------------------------------------------------------------------------------


@register.simple_tag
def reliability(figures: Calibration) -> SafeString:
    """How often the AI was right at each confidence, against the line on which the two are equal."""
    room = SQUARE - LEFT - BOTTOM

    def point(x: float, y: float) -> tuple[float, float]:
        return LEFT + x * room, TOP + (1 - y) * room

    bins = [one for one in figures.bins if not one.hidden]
    return _chart(
        "chart square",
        "How often the AI was right at each confidence, with intervals; the table says the same",
        _rules(1.0, width=LEFT + room, height=TOP + room + BOTTOM),
        _path("ideal", [point(0, 0), point(1, 1)]),
        format_html_join(
            "",
            '<line class="interval" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
            '<circle class="mark" cx="{0}" cy="{3}" r="3"/>',
            (
                (
                    tenths(point(one.confidence, 0)[0]),
                    tenths(point(0, one.interval.lower)[1]),
                    tenths(point(0, one.interval.upper)[1]),
                    tenths(point(0, one.accuracy)[1]),
                )
                for one in bins
            ),
        ),
        _labels_below((point(x, 0)[0], f"{x:g}") for x in (0.0, 0.5, 1.0)),
        _named("right", "confidence", width=LEFT + room + RIGHT, height=TOP + room + BOTTOM),
        width=SQUARE,
        height=TOP + room + BOTTOM,
    )


# ---- Risk and coverage ----------------------------------------------------------------------------------------------

MOST_POINTS = 400


@register.simple_tag
def risk_curve(figures: RiskFigures) -> SafeString:
    """The error rate among what would run alone against how much that is; the live threshold is marked."""
    curve = figures.curve
    if curve is None:
        return NOTHING
    # Too few decisions at the very left to say anything; and no eye tells more points than this apart.
    first = int((curve.coverage * figures.n < 10).sum())
    places = range(first, len(curve.coverage), max(1, len(curve.coverage) // MOST_POINTS))
    points = [(float(curve.coverage[place]), float(curve.risk[place])) for place in places]
    if not points:
        return NOTHING
    top = ceiling(max(value for _, value in points))

    live = next((one for one in figures.points if one.threshold == figures.live_threshold), None)

    def drawn(name: str, width: int, height: int) -> SafeString:
        def point(x: float, y: float) -> tuple[float, float]:
            return LEFT + x * (width - LEFT - RIGHT), TOP + (height - TOP - BOTTOM) * (1 - min(y, top) / top)

        mark = NOTHING
        if live is not None and live.risk is not None:
            x, y = map(tenths, point(live.coverage, live.risk))
            mark = format_html(
                '<line class="live" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
                '<circle class="live" cx="{0}" cy="{3}" r="4"/>',
                x,
                TOP,
                height - BOTTOM,
                y,
            )
        return _chart(
            f"chart {name}",
            "Error rate among what would run alone against how much that is; the table says the same",
            _rules(top, width=width, height=height),
            _path("curve", [point(*one) for one in points]),
            mark,
            _labels_below((point(x, 0)[0], per_cent(x)) for x in (0.0, 0.25, 0.5, 0.75)),
            _labels_below([(point(1, 0)[0], f"{per_cent(1)} alone")]),
            _named("wrong", "", width=width, height=height),
            width=width,
            height=height,
        )

    return _in_each_size(drawn)


# ---- Parts ----------------------------------------------------------------------------------------------------------


def _in_each_size(drawn: Callable[[str, int, int], SafeString]) -> SafeString:
    return format_html('<div class="charted">{}</div>', format_html_join("", "{}", ((drawn(*size),) for size in SIZES)))


def _chart(name: str, label: str, *parts: SafeString, width: int, height: int) -> SafeString:
    return format_html(
        '<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>',
        name,
        label,
        width,
        height,
        format_html_join("", "{}", ((part,) for part in parts)),
    )


def _rules(top: float, *, width: float, height: float) -> SafeString:
    """Horizontal rules at 0, a half and the whole of the scale, each with its figure."""
    room = height - TOP - BOTTOM
    rows = ((part * top, TOP + room * (1 - part)) for part in (0.0, 0.5, 1.0))
    return format_html_join(
        "",
        '<line class="rule" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text class="scale" x="{3}" y="{4}">{5}</text>',
        ((LEFT, tenths(width), tenths(y), LEFT - 6, tenths(y + 4), share(value)) for value, y in rows),
    )


def _labels_below(labels: Iterable[tuple[float, str]]) -> SafeString:
    return format_html_join(
        "", '<text class="below" x="{}" y="100%" dy="-6">{}</text>', ((tenths(x), text) for x, text in labels)
    )


def _named(upward: str, rightward: str, *, width: float, height: float) -> SafeString:
    """What the two scales are of, inside their ends."""
    return format_html(
        '<text class="axis" x="{}" y="{}">{}</text><text class="axis end" x="{}" y="{}">{}</text>',
        *(
            tenths(LEFT + 4),
            tenths(TOP + 12),
            upward,
            tenths(width - RIGHT),
            tenths(height - BOTTOM - 6),
            rightward,
        ),
    )


def _path(name: str, points: Sequence[tuple[float, float]]) -> SafeString:
    steps = " ".join(f"{'M' if place == 0 else 'L'}{tenths(x)} {tenths(y)}" for place, (x, y) in enumerate(points))
    return format_html('<path class="{}" d="{}"/>', name, steps)


def ceiling(value: float) -> float:
    """The next round share above: the top of a scale."""
    return next((step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if value <= step), 1.0)


def tenths(value: Any) -> str:
    """A coordinate, to tenths."""
    return f"{value:.1f}".rstrip("0").rstrip(".")
