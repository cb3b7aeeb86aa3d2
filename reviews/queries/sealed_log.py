"""The sealed log as lines of JSON, for those who verify it without the product.

First the log's name and public keys; then a line for each leaf, whose `event` is the very bytes that were hashed;
behind the last leaf that it covers, each checkpoint; at the end, what stands in the database and was never sealed.
"""

from collections.abc import Iterator, Sequence

import orjson
from django.db import connection

from reviews.domain.checkpoint import verifier_key
from reviews.domain.entry import EventRow, entry_of
from reviews.models import Checkpoint
from reviews.queries.seal import ROW, newest_checkpoint

STRETCH = 2_000


def export_lines(*, keys: Sequence[bytes], name: str) -> Iterator[bytes]:
    """Every line, without its end, up to the checkpoint that is now the newest. A query for each 2,000 leaves."""
    newest = newest_checkpoint()
    size = newest.size if newest else 0
    heads = Checkpoint.objects.filter(pk__lte=newest.pk if newest else 0).order_by("id")
    notes = iter(list(heads.values_list("size", "note")))
    yield orjson.dumps({"log": name, "keys": [verifier_key(name, public) for public in keys]})
    head = next(notes, None)
    written = 0
    while rows := sealed_rows(written, size):
        for index, hashed, row in rows:
            while head is not None and head[0] <= index:
                yield orjson.dumps({"checkpoint": head[1]})
                head = next(notes, None)
            event = b"null" if row is None else entry_of(row)
            yield b'{"index":%d,"hash":"%s","event":%s}' % (index, hashed.hex().encode(), event)
            written = index + 1
    while head is not None:
        yield orjson.dumps({"checkpoint": head[1]})
        head = next(notes, None)
    yield orjson.dumps({"end": written, "unsealed": _passed_over()})


def sealed_rows(start: int, end: int) -> list[tuple[int, bytes, EventRow | None]]:
    """Index, hash and event of the leaves from `start`, below `end`, at most 2,000; None where the event is gone."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT l.index, l.hash, {ROW} FROM reviews_leaf l LEFT JOIN reviews_event e ON e.id = l.event_id
             WHERE l.index >= %s AND l.index < %s ORDER BY l.index LIMIT %s
            """,  # noqa: S608
            [start, end, STRETCH],
        )
        return [
            (index, bytes(hashed), None if row[0] is None else EventRow(*row))
            for index, hashed, *row in cursor.fetchall()
        ]


def _passed_over() -> list[int]:
    """Events that came in otherwise: before one that is sealed, or in a leaf above all checkpoints. At most 100."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.id FROM reviews_event e
             WHERE (e.epoch, e.xid, e.id) < (SELECT s.epoch, s.xid, s.id FROM reviews_event s
                                               JOIN reviews_leaf l ON l.event_id = s.id ORDER BY l.index DESC LIMIT 1)
               AND NOT EXISTS (SELECT FROM reviews_leaf l WHERE l.event_id = e.id)
             UNION ALL
            SELECT l.event_id FROM reviews_leaf l
             WHERE l.index >= COALESCE((SELECT max(size) FROM reviews_checkpoint), 0)
             ORDER BY id LIMIT 100
            """
        )
        return [event_id for (event_id,) in cursor.fetchall()]
