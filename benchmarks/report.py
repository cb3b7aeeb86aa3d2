"""What was measured beside what is to be reached, as a table and as bench.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Target:
    """A row of the table. A figure of `more` is the better the larger it is."""

    name: str
    words: str
    floor: float
    goal: float
    unit: str = ""
    more: bool = False

    def verdict(self, value: float) -> str:
        def reaches(limit: float) -> bool:
            return value >= limit if self.more else value <= limit

        return "goal" if reaches(self.goal) else "floor" if reaches(self.floor) else "BELOW" if self.more else "ABOVE"


TARGETS: Sequence[Target] = (
    Target("submit_share_of_pgbench", "submit, share of pgbench's one statement", 0.15, 0.25, more=True),
    Target("submit_vs_drf", "submit, times a plain DRF ModelViewSet", 2, 3.5, more=True),
    Target("batch_share_of_copy", "batch by the worker, share of plain COPY", 0.25, 0.6, more=True),
    Target("next_p50_ms", "claim and show the next ticket, p50", 15, 5, "ms"),
    Target("next_p95_ms", "claim and show the next ticket, p95", 50, 15, "ms"),
    Target("next_p50_growth", "its p50, times that at 1,000 open tickets", 1.3, 1.2),
    Target("verdict_p50_ms", "verdict, answered with the next ticket, p50", 25, 10, "ms"),
    Target("verdict_p95_ms", "verdict, answered with the next ticket, p95", 60, 25, "ms"),
    Target("desk_p95_ms", "desk, p95", 100, 30, "ms"),
    Target("log_p95_ms", "log, p95", 100, 30, "ms"),
    Target("insights_p95_ms", "insights, p95", 500, 150, "ms"),
    Target("insights_api_p95_ms", "insights by the API, p95", 500, 150, "ms"),
    Target("recommend_s", "recommended thresholds over 1,000,000 labels", 2, 0.3, "s"),
    Target("backtest_s", "a draft tried on 100,000 decisions", 30, 10, "s"),
    Target("seal_behind_s", "the log sealed behind a batch, after", 3, 1.5, "s"),
    Target("memory_idle_mib", "web, worker and sweeper, idle", 500, 300, "MiB"),
)


def table(figures: Mapping[str, float]) -> str:
    """The targets with what was measured of them, then every other figure."""
    rows = [("", "measured", "floor", "goal", "reached")]
    for target in TARGETS:
        if target.name in figures:
            value = figures[target.name]
            limits = (f"{target.floor:g}{target.unit and ' ' + target.unit}", f"{target.goal:g}")
            rows.append((target.words, _figure(value), *limits, target.verdict(value)))
    names = {target.name for target in TARGETS}
    rows += [(name, _figure(value), "", "", "") for name, value in figures.items() if name not in names]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        row[0].ljust(widths[0])
        + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(figures: Mapping[str, float], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
