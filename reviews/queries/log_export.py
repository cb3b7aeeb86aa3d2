"""The log as a file: all rows of a filter, a stretch at a time."""

from collections.abc import Iterator, Sequence

from reviews.queries.decisions import LogFilters, LogRow, log_stretch, place_to_stop

STRETCH = 500


def log_stretches(filters: LogFilters) -> Iterator[Sequence[LogRow]]:
    """Every row that the filters let through, newest first. Four queries a stretch, none of them long."""
    after = stop = None
    while True:
        if after == stop:
            stop = place_to_stop(filters, after=after)
        rows, after = log_stretch(filters, after=after, stop=stop, most=STRETCH)
        if rows:
            yield rows
        if after is None:
            return
