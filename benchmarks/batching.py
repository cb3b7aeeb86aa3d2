"""A batch, from the answer that it was received until its last line is in, against COPY of the same rows."""

import itertools
import json
import time
from dataclasses import dataclass

import psycopg

from benchmarks.clients import Client, request
from benchmarks.scene import bodies, scalar
from benchmarks.stage import Stage

TABLES = ("reviews_decision", "reviews_ticket", "reviews_event", "reviews_outcome")
BLOCK = 1 << 20
GIVE_UP_AFTER_SECONDS = 300
_prefixes = itertools.count()


@dataclass(frozen=True, slots=True)
class Batch:
    """Decisions a second, and how long it took until it was answered that the batch is kept."""

    rate: float
    received_ms: float
    prefix: str


def ingest(stage: Stage, *, key: str, lines: int) -> Batch:
    """Send a batch whose lines mostly wait for a person; a quarter runs alone."""
    prefix = f"batch-{next(_prefixes)}"
    waiting, confident = (
        bodies(prefix, lines * 3 // 4),
        bodies(f"{prefix}-auto", lines - lines * 3 // 4, confidence=0.97),
    )
    body = b"\n".join([*waiting, *confident])
    client = Client(stage.port)
    answer, milliseconds = client.ask(
        request(
            "POST",
            "/api/v1/decisions/batch",
            body=body,
            content_type="application/x-ndjson",
            Authorization=f"Bearer {key}",
        )
    )
    began = time.perf_counter()
    client.close()
    if answer.status != 202:
        raise RuntimeError(f"{answer.status}: {answer.body[:500]!r}")
    intake = json.loads(answer.body)["intake"]
    with psycopg.connect(stage.environment["DATABASE_URL"], autocommit=True) as connection:
        query = "SELECT count(*) FROM reviews_intake WHERE id = %s AND finished_at IS NOT NULL"
        while not scalar(connection, query, intake):
            if time.perf_counter() - began > GIVE_UP_AFTER_SECONDS:
                raise RuntimeError("The batch was not taken in: is the worker there?")
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        created = scalar(
            connection, "SELECT count(*) FROM reviews_intakeline WHERE intake_id = %s AND state = 'created'", intake
        )
    if created != lines:
        raise RuntimeError(f"{created} of {lines} lines became decisions.")
    return Batch(rate=lines / seconds, received_ms=milliseconds, prefix=prefix)


def copy_again(database: str, *, prefix: str) -> float:
    """Decisions a second by COPY of the same rows, under new ids, into the same tables in one transaction."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "CREATE TEMP TABLE again ON COMMIT DROP AS "
            "SELECT id AS was, new_id() AS id, 'copy-' || new_id() AS external_id FROM reviews_decision "
            "WHERE external_id LIKE %s ORDER BY id",
            [f"{prefix}-%"],
        )
        connection.execute("CREATE UNIQUE INDEX ON again (was)")
        connection.execute("ANALYZE again")
        number = scalar(connection, "SELECT count(*) FROM again")
        copies = [_dumped(connection, table) for table in TABLES]
        began = time.perf_counter()
        for table, (columns, data) in zip(TABLES, copies, strict=True):
            with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for at in range(0, len(data), BLOCK):
                    copy.write(data[at : at + BLOCK])
        connection.commit()
        return number / (time.perf_counter() - began)


# What a copy must have of its own; everything else is as it was.
_OWN = {
    "reviews_decision": {"id": "again.id", "external_id": "again.external_id"},
    "reviews_ticket": {"id": "new_id()", "decision_id": "again.id"},
    "reviews_event": {"decision_id": "again.id", "ticket_id": "NULL"},
    "reviews_outcome": {"decision_id": "again.id"},
}
_LEFT_TO_THE_TABLE = {"reviews_event": {"id", "xid", "epoch"}}


def _dumped(connection: psycopg.Connection, table: str) -> tuple[str, bytes]:
    """Columns and rows of the batch in a table, as COPY writes them, under the ids of `again`."""
    query = (
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1"
    )
    names = [name for (name,) in connection.execute(query, [table])]
    columns = [name for name in names if name not in _LEFT_TO_THE_TABLE.get(table, ())]
    values = ", ".join(_OWN[table].get(name, f"of.{name}") for name in columns)
    link = "id" if table == "reviews_decision" else "decision_id"
    dump = f"COPY (SELECT {values} FROM {table} of JOIN again ON again.was = of.{link} ORDER BY again.id) TO STDOUT"
    with connection.cursor().copy(dump) as copy:
        return ", ".join(columns), b"".join(bytes(part) for part in copy)
