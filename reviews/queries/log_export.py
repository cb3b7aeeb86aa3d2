"""The log as a file: all rows of a filter, a stretch at a time."""

from collections.abc import Iterator, Sequence

from reviews.queries.decisions import LogFilters, LogRow, log_decisions, log_rows

STRETCH = 500


def log_stretches(filters: LogFilters) -> Iterator[Sequence[LogRow]]:
    """Every row that the filters let through, newest first. Four queries a stretch, none of them long."""
    after = None
    while True:
        found = log_decisions(filters)
        rows = log_rows((found if after is None else found.filter(id__lt=after))[:STRETCH])
        if rows:
            yield rows
        if len(rows) < STRETCH:
            return
        after = rows[-1].decision_id
