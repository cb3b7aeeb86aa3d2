"""Figures as the policy's sentences have them: a confidence, an amount, a moment, a length of time, a day's budget."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from policies.domain.spec import ThresholdSpec, plain_decimal


def confidence_figure(confidence: Decimal, *, least: Decimal | None = None) -> str:
    """A confidence to two decimals: 0.72; "0" and "1" are kept for what is exactly that.

    It gets as many more as it takes to stand on its own side of `least`, or to tell it from 0 and 1.
    """
    marks = [Decimal(0), Decimal(1), *([] if least is None else [least])]
    places, shown = 2, f"{confidence:.2f}"
    while any(confidence.compare(mark) != Decimal(shown).compare(mark) for mark in marks):
        places += 1
        shown = f"{confidence:.{places}f}"
    return shown.partition(".")[0] if confidence in (0, 1) else shown


def money(amount: Decimal, currency: str = "") -> str:
    """An amount with as many decimals as it has, two at least; to be read with a currency, as a figure without."""
    whole, _, decimals = plain_decimal(amount).partition(".")
    if not currency:
        return f"{whole}.{decimals.ljust(2, '0')}"
    return f"{grouped(amount)} {currency}"


def grouped(amount: Decimal) -> str:
    """An amount as pages print it, its thousands apart: "4,200.00", "1,250.125"."""
    decimals = plain_decimal(amount).partition(".")[2]
    return f"{amount:,.{max(2, len(decimals))}f}"


def per_cent(share: float | Decimal, places: int = 0) -> str:
    """A share in [0, 1] in per cent, the sign behind a space that doesn't break: "12 %"."""
    return f"{share * 100:.{places}f}\u00a0%"


def per_cent_between(lower: float, upper: float) -> str:
    """An interval of shares in whole per cent: "9–16 %"."""
    return f"{lower * 100:.0f}–{per_cent(upper)}"


def moment(value: datetime) -> str:
    """A moment to the minute, in UTC: "2026-12-01 12:00 UTC"."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def round_money(amount: Decimal, currency: str) -> str:
    """The same without decimals where there are none."""
    return (
        money(amount, currency).replace(".00 ", " ")
        if amount == amount.to_integral_value()
        else money(amount, currency)
    )


def span_of(span: timedelta) -> str:
    """A length of time to the second, rounded up, so that what is past a limit reads so: "10 min 1 s"."""
    minutes, seconds = divmod(-(-span // timedelta(seconds=1)), 60)
    return " ".join(f"{number} {unit}" for number, unit in ((minutes, "min"), (seconds, "s")) if number) or "0 s"


def decisions(count: int) -> str:
    """So many decisions: "1 decision", "1,000 decisions"."""
    return f"{count:,} decision{'' if count == 1 else 's'}"


def budget_of(row: ThresholdSpec, name: str) -> str:
    """The most that a day's budget lets run alone, "" where there is none: "100 decisions and 5,000 EUR"."""
    count, amount = (
        (row.daily_count, row.daily_amount) if name == "day" else (row.subject_daily_count, row.subject_daily_amount)
    )
    parts = [] if count is None else [decisions(count)]
    return " and ".join(parts + ([] if amount is None else [round_money(amount, row.currency)]))
