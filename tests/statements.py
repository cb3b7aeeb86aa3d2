"""Every statement that a block sends to the database: also those that go past Django's own cursors and its count."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg


@contextmanager
def statements() -> Iterator[list[str]]:
    """Their texts, in order. The statements run as ever."""
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def noted(cursor: psycopg.Cursor[Any], query: Any, *args: Any, **options: Any) -> psycopg.Cursor[Any]:
        sent.append(str(query))
        return execute(cursor, query, *args, **options)

    with patch.object(psycopg.Cursor, "execute", noted):
        yield sent
