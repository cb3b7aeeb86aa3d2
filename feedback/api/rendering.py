"""Figures as JSON: arrays as lists, intervals by name, what is hidden as null."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from feedback.domain.rates import Interval, Rate


def plain(value: Any) -> Any:
    """A figure with everything in it as JSON has it. A rate of too few is counted, and not shown."""
    if isinstance(value, Interval):
        return {"lower": value.lower, "upper": value.upper}
    if isinstance(value, Rate):
        shown = not value.hidden
        return {
            "count": value.count,
            "n": value.total,
            "share": value.share if shown else None,
            "interval": plain(value.interval) if shown else None,
        }
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "_asdict"):
        return {name: plain(member) for name, member in value._asdict().items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [plain(member) for member in value]
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return value
