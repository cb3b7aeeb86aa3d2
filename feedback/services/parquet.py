"""Lines of an export as a Parquet file. pyarrow is an extra: without it everything else works."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from feedback.domain.vocabulary import ExportShape

try:
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet
except ImportError:
    pyarrow = None

ROWS_AT_ONCE: Final = 10_000
# What of a line is a column of its own type. Everything that is nested stays JSON, as text: what a payload holds
# differs from line to line, and a column doesn't.
_FLAGS: Final = frozenset({"ai_was_right", "flagged"})
_SHARES: Final = frozenset({"flag_probability", "label_probability"})
_WHOLE: Final = frozenset({"policy_version"})
_LABEL: Final = ("ai_was_right", "right_action", "source", "flagged", "flag_probability", "label_probability")
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    ExportShape.DECISIONS: (
        *("id", "external_id", "workflow", "received_at", "subject", "recommendation", "route", "reasons"),
        *("policy_version", "verdicts", "outcome", "label", "comments"),
    ),
    ExportShape.LABELS: ("id", "workflow", "action", "model", "confidence", "route", *_LABEL),
    ExportShape.CORRECTIONS: ("messages",),
    ExportShape.PREFERENCES: ("prompt", "chosen", "rejected"),
    ExportShape.PREFERENCES_FOR_SERVICES: ("input", "preferred_output", "non_preferred_output"),
}


class ParquetNotInstalled(Exception):
    """pyarrow is missing (422)."""

    detail = "Parquet needs pyarrow: install requirements/parquet.txt, or `pip install pyarrow`."


def check_installed() -> None:
    """Raises ParquetNotInstalled."""
    if pyarrow is None:
        raise ParquetNotInstalled


def write_parquet(lines: Path, target: Path, *, shape: str) -> None:
    """Write the JSON Lines of an export of `shape` into a Parquet file, some thousand rows at once.

    Raises ParquetNotInstalled, and KeyError for a line with something that has no column.
    """
    check_installed()
    schema = pyarrow.schema([(name, _type_of(name)) for name in COLUMNS[shape]])
    target.touch(mode=0o600)
    with lines.open("rb") as file, parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        while rows := [_row(orjson.loads(line), shape=shape) for line in islice(file, ROWS_AT_ONCE)]:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))


def _type_of(name: str) -> Any:
    if name in _FLAGS:
        return pyarrow.bool_()
    if name in _SHARES:
        return pyarrow.float64()
    return pyarrow.int64() if name in _WHOLE else pyarrow.string()


def _row(line: Mapping[str, Any], *, shape: str) -> dict[str, Any]:
    unknown = set(line) - set(COLUMNS[shape])
    if unknown:
        raise KeyError(*sorted(unknown))
    return dict(_cells(line))


def _cells(line: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in line.items():
        yield name, orjson.dumps(value).decode() if isinstance(value, dict | list) else value
