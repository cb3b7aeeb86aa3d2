"""Other people at the same moment: threads, and sessions of the database that have not committed yet."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from django.db import connection, connections

from reviews.models import Decision

THREADS = 16


def at_once(number: int, act: Callable[[int], Any]) -> list[Any]:
    """What `act` of 0 to `number` - 1 gives, on THREADS threads; an error counts as what it gives."""

    def one(index: int) -> Any:
        try:
            return act(index)
        except Exception as error:  # noqa: BLE001  it is what the test looks at
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(number)))


@contextmanager
def another_session() -> Iterator[psycopg.Connection]:
    """A connection of somebody else's, as the application role, which rolls back at its end."""
    parameters = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    with closing(psycopg.connect(**parameters)) as other:
        yield other


def insert_copy_of(decision: Decision, *, external_id: str, session: psycopg.Connection) -> None:
    """Somebody else's decision, like `decision` but for its id and external id; not committed."""
    same = [str(field.column) for field in Decision._meta.fields if field.column not in ("id", "external_id")]
    columns = ", ".join(same)
    session.execute(
        f"INSERT INTO reviews_decision (id, external_id, {columns}) "
        f"SELECT gen_random_uuid(), %s, {columns} FROM reviews_decision WHERE id = %s",
        [external_id, decision.pk],
    )


def until_readable(*, within: float = 120) -> None:
    """Wait until readers of the log may see all that was committed so far; `within` is in seconds.

    They read what is older than the oldest transaction that runs anywhere on the server: on one that tests share, that
    may be somebody else's, of another database even.
    """
    deadline = time.monotonic() + within
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        (begun,) = cursor.fetchone()
        while True:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            (oldest,) = cursor.fetchone()
            if oldest >= begun:
                return
            assert time.monotonic() < deadline, f"a transaction that began before has run for {within} s"
            time.sleep(0.02)
