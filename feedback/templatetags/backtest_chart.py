"""The picture of a back-test: who decides before and after, what changes sides, how much would be wrong.

Drawn from the very bars that the table beside it prints. Names stand above their bars, so that they can be read where
the picture is narrow.
"""

from typing import Final

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from feedback.domain.rates import Interval
from feedback.queries.backtests import Bar, InFull
from feedback.templatetags.charts import NOTHING, between, ceiling, share, tenths

register = template.Library()

WIDE: Final = 640
ROW: Final = 52  # a name and its bar
NAME: Final = 22  # from the top of a row to the foot of its name
BAR, THICK, CAP = 30, 14, 10
SCALE: Final = 24
GAP: Final = 14


@register.simple_tag
def backtest_chart(full: InFull) -> SafeString:
    """Three groups of bars with a scale each; what is not identified is hatched from 0 to 1."""
    hatch = f"hatch-{full.run.pk}"
    parts, y = [], 0
    for bars, top in ((full.alone, 1.0), (full.sides, None), (full.wrong, _top(full.wrong))):
        if top is None:
            drawn, height = _both_ways(bars[0], bars[1], y=y)
        else:
            drawn, height = _group(bars, top=top, y=y, hatch=hatch)
        parts.append(drawn)
        y += height + (GAP if height else 0)
    return format_html(
        '<svg class="chart backtest" role="img" aria-label="{}" viewBox="0 0 {} {}"><defs>'
        '<pattern id="{}" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="hatch" x1="0" x2="0" y1="0" y2="8"/></pattern></defs>{}</svg>',
        ". ".join(map(in_words, full.bars)) + ".",
        WIDE,
        y,
        hatch,
        format_html_join("", "{}", ((part,) for part in parts)),
    )


@register.filter
def in_words(bar: Bar) -> str:
    """Name, share and interval in a line: "Would run alone: 76 % (75–78 %)"."""
    if bar.share is None:
        return f"{bar.name}: not identified ({between(bar.interval)})"
    return f"{bar.name}: {share(bar.share)} ({between(bar.interval)})"


def _group(bars: tuple[Bar, ...], *, top: float, y: int, hatch: str) -> tuple[SafeString, int]:
    """Bars under each other on one scale from 0 to `top`; and how high they are."""
    if not bars:
        return NOTHING, 0
    rows = format_html_join("", "{}", ((_row(bar, top=top, y=y + ROW * n, hatch=hatch),) for n, bar in enumerate(bars)))
    foot = y + ROW * len(bars) + SCALE - 8
    scale = format_html(
        '<text class="from" x="0" y="{0}">0</text><text class="to" x="{1}" y="{0}">{2}</text>', foot, WIDE, share(top)
    )
    return format_html("{}{}", rows, scale), ROW * len(bars) + SCALE


def _row(bar: Bar, *, top: float, y: int, hatch: str) -> SafeString:
    x, width = _ends(bar.interval, top=top)
    if bar.share is None:
        drawn = format_html(
            '<rect class="open" x="{0}" y="{1}" width="{2}" height="{3}"/>'
            '<rect fill="url(#{4})" x="{0}" y="{1}" width="{2}" height="{3}"/>',
            *(tenths(x), y + BAR, tenths(width), THICK, hatch),
        )
    else:
        drawn = format_html(
            '<rect class="{0}" x="0" y="{1}" width="{2}" height="{3}"/>'
            '<path class="span" d="M{4} {5}v{6}m0-{7}H{8}m0-{7}v{6}"/>',
            *("was" if bar.was else "share", y + BAR, tenths(bar.share / top * WIDE), THICK),
            *(tenths(x), y + BAR + (THICK - CAP) // 2, CAP, CAP // 2, tenths(x + width)),
        )
    return format_html(
        '<text class="name" x="0" y="{0}">{1}</text><rect class="track" x="0" y="{2}" width="{3}" height="{4}"/>{5}',
        *(y + NAME, in_words(bar), y + BAR, WIDE, THICK, drawn),
    )


def _both_ways(alone: Bar, asked: Bar, *, y: int) -> tuple[SafeString, int]:
    """One bar from the middle to the left for what goes to people, and to the right for what runs alone."""
    middle = WIDE / 2
    top = _top((alone, asked))
    left, right = (bar.share / top * middle if bar.share else 0.0 for bar in (asked, alone))
    return format_html(
        '<text class="from" x="0" y="{0}">← {1} to people</text><text class="to" x="{2}" y="{0}">{3} alone →</text>'
        '<rect class="track" x="0" y="{4}" width="{2}" height="{5}"/>'
        '<rect class="asked" x="{6}" y="{4}" width="{7}" height="{5}"/>'
        '<rect class="share" x="{8}" y="{4}" width="{9}" height="{5}"/>'
        '<line class="middle" x1="{8}" x2="{8}" y1="{10}" y2="{11}"/>'
        '<text class="from" x="0" y="{12}">{13}</text><text class="below" x="{8}" y="{12}">0</text>'
        '<text class="to" x="{2}" y="{12}">{13}</text>',
        *(y + NAME, asked.by, WIDE, alone.by, y + BAR, THICK),
        *(
            tenths(middle - left),
            tenths(left),
            tenths(middle),
            tenths(right),
            y + BAR - 4,
            y + BAR + THICK + 4,
        ),
        *(y + ROW + SCALE - 8, share(top)),
    ), ROW + SCALE


def _ends(interval: Interval, *, top: float) -> tuple[float, float]:
    """Where an interval begins, and how wide it is: never too narrow to be seen."""
    lower, upper = (min(1.0, end / top) * WIDE for end in interval)
    return min(lower, WIDE - 2), max(2.0, upper - lower)


def _top(bars: tuple[Bar, ...]) -> float:
    """The next round share above all that is drawn."""
    return ceiling(max((bar.interval.upper for bar in bars), default=1.0))
