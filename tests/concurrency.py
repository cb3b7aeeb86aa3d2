"""Other people at the same moment: threads, and sessions of the database that have not committed yet."""

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
