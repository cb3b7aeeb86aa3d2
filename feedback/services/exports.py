"""Training data into files: asked for, written by a worker in stretches, fetched."""

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, transaction
from django.utils.dateparse import parse_datetime

from feedback.domain.datasets import SHAPES
from feedback.domain.vocabulary import ExportFormat, ExportShape, RunState
from feedback.models import Export
from feedback.permissions import may_export
from feedback.queries.records import Chosen, chosen_decisions, records_after
from feedback.services.parquet import check_installed, write_parquet
from feedback.services.refusals import NotAllowed
from policies.models import Workflow
from reviews.domain.vocabulary import EventKind
from reviews.services.record import record
from reviews.services.ring import ring

STRETCH = 500


class NotReady(Exception):
    """The file is not written yet (409)."""

    detail = "This export is not finished yet."


def request_export(
    *,
    user: User,
    workflow: Workflow,
    shape: ExportShape,
    format: ExportFormat = ExportFormat.JSON_LINES,  # noqa: A002  the word for it
    since: datetime | None = None,
    until: datetime | None = None,
    action: str = "",
    model: tuple[str, str] = ("", ""),
    now: datetime,
) -> Export:
    """Ask for a file, of any action and model unless said otherwise; `model` is a name and a version. Writes an
    Export and an Event, and rings a worker. Raises NotAllowed, ParquetNotInstalled.
    """
    if not may_export(user):
        raise NotAllowed
    if format == ExportFormat.PARQUET:
        check_installed()
    inputs = {
        "format": str(format),
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "action": action,
        "model_name": model[0],
        "model_version": model[1],
    }
    with transaction.atomic():
        export = Export.objects.create(
            workflow=workflow, shape=shape, requested_by=user, requested_at=now, inputs=inputs
        )
        body = {"export": str(export.pk), "shape": str(shape), "actor": {"user": user.pk}, **inputs}
        record(EventKind.EXPORTED, now=now, user=user, workflow=workflow, body=body)
        ring("feedback.tasks.run_export", str(export.pk))
    return export


def run_export(export_id: UUID, *, now: datetime) -> Export:
    """Write the file to its end, one stretch a transaction; after a stop it goes on where the last one was kept.

    Beside another worker it does nothing. Writes the Export and its file. What fails is kept in the Export.
    """
    try:
        while _write_stretch(export_id, now=now):
            pass
    except OperationalError:
        raise  # The database was away for a moment: the bell is rung again.
    except Exception as error:
        # The requester must learn of it; the worker goes on to other work.
        Export.objects.filter(pk=export_id).update(state=RunState.FAILED, error=str(error), finished_at=now)
        raise
    return Export.objects.get(pk=export_id)


def unfinished_exports() -> list[UUID]:
    """Those whose bell may have been lost."""
    return list(Export.objects.filter(state__in=(RunState.WAITING, RunState.RUNNING)).values_list("pk", flat=True))


def file_of(export: Export, *, user: User) -> Path:
    """Where the finished file is. Raises NotAllowed, NotReady."""
    if not may_export(user):
        raise NotAllowed
    if export.state != RunState.DONE:
        raise NotReady
    return _directory() / export.path


def export_lines(chosen: Chosen, *, shape: str) -> Iterator[bytes]:
    """Every line of an export, each with its line end."""
    after: UUID | None = None
    while records := records_after(chosen, after=after, limit=STRETCH):
        yield from _lines(records, shape)
        after = UUID(records[-1].id)


def _write_stretch(export_id: UUID, *, now: datetime) -> bool:
    """Whether there is more to write."""
    with transaction.atomic():
        export = (
            Export.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("workflow")
            .filter(pk=export_id)
            .first()
        )
        if export is None or export.state in (RunState.DONE, RunState.FAILED):
            return False  # Finished, or another worker is at it.
        chosen = _chosen(export)
        if export.state == RunState.WAITING:
            export.state, export.path = RunState.RUNNING, f"{export.pk}.jsonl"
            export.total, export.result = chosen_decisions(chosen).count(), {"after": None, "bytes": 0, "lines": 0}
        so_far: dict[str, Any] = export.result or {}
        after = UUID(so_far["after"]) if so_far["after"] else None
        records = records_after(chosen, after=after, limit=STRETCH)
        lines = list(_lines(records, export.shape))
        path = _directory() / export.path
        _append(path, lines, kept=so_far["bytes"])
        so_far["bytes"] += sum(map(len, lines))
        so_far["lines"] += len(lines)
        export.done += len(records)
        if records:
            so_far["after"] = records[-1].id
        else:
            if export.inputs.get("format") == ExportFormat.PARQUET:
                path = _as_parquet(export, path)
            export.state, export.finished_at, export.result = RunState.DONE, now, _manifest(export, path)
        export.save()
    return bool(records)


def _chosen(export: Export) -> Chosen:
    assert export.workflow is not None, "training data is of a workflow"
    since, until = (export.inputs.get(name) for name in ("since", "until"))
    return Chosen(
        workflow=export.workflow,
        since=parse_datetime(since) if since else None,
        until=parse_datetime(until) if until else None,
        **{name: export.inputs.get(name, "") for name in ("action", "model_name", "model_version")},
    )


def _lines(records: Any, shape: str) -> Iterator[bytes]:
    make = SHAPES[shape]
    for one in records:
        line = make(one)
        if line is not None:
            yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _append(path: Path, lines: list[bytes], *, kept: int) -> None:
    """What a worker wrote that then died is cut off: only what the row knows of counts."""
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        file.truncate(kept)
        file.seek(kept)
        file.writelines(lines)


def _as_parquet(export: Export, lines: Path) -> Path:
    """The finished lines as Parquet, in their place."""
    target = lines.with_suffix(".parquet")
    write_parquet(lines, target, shape=export.shape)
    transaction.on_commit(lines.unlink)  # whoever has to write this again needs them
    export.path = target.name
    return target


def _manifest(export: Export, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    assert export.workflow is not None, "training data is of a workflow"
    assert export.result is not None, "a stretch was written"
    return {
        "file": export.path,
        "shape": export.shape,
        "workflow": export.workflow.key,
        "query": export.inputs,
        "decisions": export.done,
        "lines": export.result["lines"],
        "bytes": path.stat().st_size,
        "sha256": digest.hexdigest(),
        "left_out": ["known answers", "purged decisions", "fields marked personal"],
    }


def _directory() -> Path:
    directory = Path(settings.VAR_DIR) / "exports"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory
