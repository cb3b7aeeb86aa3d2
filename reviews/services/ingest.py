"""Decisions that are judged later: kept as they came before anything is answered, then taken in by a worker."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import F

from policies.domain.strict_json import InputError, Refused
from reviews.domain.submission import Submission, parse_submission
from reviews.domain.vocabulary import IntakeKind, LineState
from reviews.models import Client, Intake, IntakeLine, new_id
from reviews.services.load import load
from reviews.services.results import Result, created, refused, replayed
from reviews.services.ring import ring
from reviews.services.submit import SubmitError, TwinInFlight, submit_decision

logger = structlog.get_logger(__name__)

MAX_LINES: Final = 50_000
"""Of one batch."""
CHUNK: Final = 1_000
"""Lines that one transaction takes in."""
WORKERS_AT_ONE: Final = 2
"""That a long intake is rung for."""
RING_AGAIN_AFTER: Final = timedelta(seconds=5)


class TooManyLines(Refused):
    """A batch of more than MAX_LINES lines (422)."""

    def __init__(self) -> None:
        super().__init__(f"A batch may have {MAX_LINES:,} lines; send what is over in another.")


class NoLines(Refused):
    """A batch in which there is nothing (422)."""

    def __init__(self) -> None:
        super().__init__("There is no line here; a batch is one decision a line.")


class IntakeConflict(Exception):
    """Another request stands under this idempotency key, as intake `intake_id` (409)."""

    def __init__(self, intake_id: UUID) -> None:
        self.detail = f"Another intake stands under this idempotency key: {intake_id}."
        self.intake_id = intake_id
        super().__init__(self.detail)


# --- Receiving --------------------------------------------------------------------------------------------------------


def receive_one(*, client: Client, raw: bytes, key: str | None, now: datetime) -> Intake:
    """Keep one request to be judged later. Writes an Intake with its line; rings a worker. Raises IntakeConflict."""
    return _receive(IntakeKind.SINGLE, [(1, raw)], client=client, key=key, now=now)


def receive_batch(*, client: Client, lines: Iterable[bytes], key: str | None, now: datetime) -> Intake:
    """Keep a batch, a decision a line; empty lines are counted and left out.

    Writes an Intake with its lines, each with the id that its decision will have, and rings a worker. Raises
    TooManyLines, NoLines, IntakeConflict.
    """
    kept: list[tuple[int, bytes]] = []
    for number, line in enumerate(lines, 1):
        if not line.isspace() and line:
            kept.append((number, line))
            if len(kept) > MAX_LINES:
                raise TooManyLines
    if not kept:
        raise NoLines
    return _receive(IntakeKind.BATCH, kept, client=client, key=key, now=now)


def _receive(
    kind: IntakeKind, lines: Sequence[tuple[int, bytes]], *, client: Client, key: str | None, now: datetime
) -> Intake:
    digest = sha256()
    for number, line in lines:
        digest.update(b"%d %d\n" % (number, len(line)))
        digest.update(line)
    fingerprint = digest.hexdigest()
    intake = Intake(
        client=client,
        kind=kind,
        idempotency_key=key,
        fingerprint=fingerprint,
        lines_total=len(lines),
        received_at=now,
    )
    try:
        with transaction.atomic(durable=True):
            intake.save(force_insert=True)
            _keep_lines(intake, lines)
            # While one worker reads and judges its lines, the database can take in those of another.
            for _ in range(min(WORKERS_AT_ONE, 1 + len(lines) // CHUNK)):
                ring("reviews.tasks.ingest_intake", str(intake.pk))
    except IntegrityError:
        standing = Intake.objects.get(client=client, idempotency_key=key)
        if (standing.kind, standing.fingerprint) != (kind, fingerprint):
            raise IntakeConflict(standing.pk) from None
        return standing
    return intake


def _keep_lines(intake: Intake, lines: Sequence[tuple[int, bytes]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY reviews_intakeline (intake_id, number, raw, decision_id, state) FROM STDIN (FORMAT BINARY)"
        ) as copy,
    ):
        copy.set_types(["uuid", "int4", "bytea", "uuid", "varchar"])
        for number, line in lines:
            copy.write_row((intake.pk, number, line, new_id(), "received"))


# --- Taking in --------------------------------------------------------------------------------------------------------


def ingest_intake(intake_id: UUID, *, now: datetime) -> None:
    """Take in all that is left of an intake, chunk by chunk, as of `now`. See ingest_chunk."""
    while ingest_chunk(intake_id, now=now):
        pass


def ingest_chunk(intake_id: UUID, *, now: datetime) -> bool:
    """Take in the next lines of an intake, and say whether to come again.

    Safe to run twice, in parallel, and to be killed at any point: lines are locked while they are taken in, each has
    the id of its decision beforehand, and a decision that exists is never made again. Writes what submit_decision
    writes, and a result on each line. Raises OperationalError when the database can't answer.
    """
    intake = Intake.objects.select_related("client").get(pk=intake_id)
    with transaction.atomic():
        lines = list(
            IntakeLine.objects.select_for_update(skip_locked=True)
            .filter(intake=intake, state=LineState.RECEIVED)
            .order_by("number")[:CHUNK]
        )
        results, left = _take_in(intake, lines, now=now)
        _write_results(intake, results)
    progress = len(results)
    for line, submission in left:
        if (result := _one_by_one(intake, line, submission, now=now)) is not None:
            _write_results(intake, {line: result})
            progress += 1
    if not lines:
        _finish(intake, now=now)
    return progress > 0


def _take_in(
    intake: Intake, lines: Sequence[IntakeLine], *, now: datetime
) -> tuple[dict[IntakeLine, Result], list[tuple[IntakeLine, Submission]]]:
    """What became of the lines that went in together, and those that have to be submitted one by one."""
    results: dict[IntakeLine, Result] = {}
    read: list[tuple[IntakeLine, Submission]] = []
    for line in lines:
        try:
            read.append((line, _read(line)))
        except InputError as error:
            results[line] = refused(error)
    if not read or _key_of(intake):
        return results, read  # A key of the caller's own is a matter of the ordinary way.
    try:
        with transaction.atomic():
            loaded = load(read, client=intake.client, now=now)
    except (IntegrityError, OperationalError) as error:
        # Somebody submitted one of them at this moment. None of the chunk is in; each finds its own way.
        if not connection.is_usable():
            raise
        logger.info("a chunk goes line by line", intake=str(intake.pk), error=str(error))
        return results, read
    return results | loaded, [(line, submission) for line, submission in read if line not in loaded]


def _key_of(intake: Intake) -> str | None:
    """The idempotency key of its one decision; that of a batch is of the batch alone."""
    return intake.idempotency_key if intake.kind == IntakeKind.SINGLE else None


def _read(line: IntakeLine) -> Submission:
    raw = bytes(line.raw)
    if len(raw) > settings.API_MAX_BODY_BYTES:
        raise Refused(f"The line has {len(raw):,} bytes; {settings.API_MAX_BODY_BYTES:,} are taken.")
    return parse_submission(raw)


def _one_by_one(intake: Intake, line: IntakeLine, submission: Submission, *, now: datetime) -> Result | None:
    """Submit one line in the ordinary way; None when it is to be tried again later."""
    try:
        submitted = submit_decision(
            client=intake.client, submission=submission, key=_key_of(intake), now=now, decision_id=line.decision_id
        )
    except TwinInFlight:
        return None
    except (InputError, SubmitError) as error:
        return refused(error)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # It must not keep the lines behind it from being taken in.
        logger.exception("a line could not be taken in", intake=str(intake.pk), line=line.number)
        return refused(error)
    # What a run made that was killed before it could say so is this line's own.
    is_own = submitted.answer["id"] == str(line.decision_id)
    return created(submitted.answer) if is_own else replayed(submitted.answer)


def _write_results(intake: Intake, results: dict[IntakeLine, Result]) -> None:
    """Say of each line what became of it, once; its bytes are not needed any more."""
    if not results:
        return
    told = [
        {"id": line.pk, "state": str(result.state), "result": orjson.Fragment(result.body)}
        for line, result in results.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE reviews_intakeline l SET state = r.state, result = r.result, raw = ''
              FROM jsonb_to_recordset(%s::jsonb) AS r (id bigint, state text, result jsonb)
             WHERE l.id = r.id AND l.state = 'received'
            """,
            [orjson.dumps(told).decode()],
        )
        done = cursor.rowcount
    Intake.objects.filter(pk=intake.pk).update(lines_done=F("lines_done") + done)


def _finish(intake: Intake, *, now: datetime) -> None:
    """Nothing is left for us; nor, unless a colleague is still at it, for anybody."""
    if not intake.lines.filter(state=LineState.RECEIVED).exists():
        Intake.objects.filter(pk=intake.pk, finished_at=None).update(finished_at=now)


def unfinished_intakes(*, now: datetime, limit: int = 100) -> list[UUID]:
    """Those that a worker should have finished or be at, oldest first: the sweeper rings for them again."""
    waiting = Intake.objects.filter(finished_at=None, received_at__lt=now - RING_AGAIN_AFTER)
    return list(waiting.order_by("received_at").values_list("pk", flat=True)[:limit])
