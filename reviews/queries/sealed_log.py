"""The sealed log as lines of JSON, for those who verify it without the product.

First the log's name and public keys; then a line for each leaf, whose `event` is the very bytes that were hashed;
behind the last leaf that it covers, each checkpoint; at the end, what stands in the database and was never sealed.
"""

from collections.abc import Iterator, Sequence

import orjson
from django.db import connection, transaction

from reviews.domain.checkpoint import verifier_key
from reviews.domain.entry import EventRow, entry_of
from reviews.models import Checkpoint
from reviews.queries.seal import ROW

STRETCH = 2_000


def export_lines(*, keys: Sequence[bytes], name: str) -> Iterator[bytes]:
    """Every line, without its end, in one snapshot. A query for each 2,000 leaves."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield orjson.dumps({"log": name, "keys": [verifier_key(name, public) for public in keys]})
        heads = iter(Checkpoint.objects.order_by("id").values_list("size", "note").iterator())
        head = next(heads, None)
        size = 0
        while rows := _leaves(size):
            for index, hashed, row in rows:
                while head is not None and head[0] <= index:
                    yield orjson.dumps({"checkpoint": head[1]})
                    head = next(heads, None)
                event = b"null" if row is None else entry_of(row)
                yield b'{"index":%d,"hash":"%s","event":%s}' % (index, hashed.hex().encode(), event)
                size = index + 1
        while head is not None:
            yield orjson.dumps({"checkpoint": head[1]})
            head = next(heads, None)
        yield orjson.dumps({"end": size, "unsealed": _passed_over()})


def _leaves(start: int) -> list[tuple[int, bytes, EventRow | None]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT l.index, l.hash, {ROW} FROM reviews_leaf l LEFT JOIN reviews_event e ON e.id = l.event_id
             WHERE l.index >= %s ORDER BY l.index LIMIT %s
            """,  # noqa: S608
            [start, STRETCH],
        )
        return [
            (index, bytes(hashed), None if row[0] is None else EventRow(*row))
            for index, hashed, *row in cursor.fetchall()
        ]


def _passed_over() -> list[int]:
    """Events without a leaf that stand before one that has one: they came in by another way. At most 100."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.id FROM reviews_event e
             WHERE (e.epoch, e.xid, e.id) < (SELECT s.epoch, s.xid, s.id FROM reviews_event s
                                               JOIN reviews_leaf l ON l.event_id = s.id ORDER BY l.index DESC LIMIT 1)
               AND NOT EXISTS (SELECT FROM reviews_leaf l WHERE l.event_id = e.id)
             ORDER BY e.id LIMIT 100
            """
        )
        return [event_id for (event_id,) in cursor.fetchall()]
