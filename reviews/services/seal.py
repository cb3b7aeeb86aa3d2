"""Seals the log: each event that is committed for good gets its place in the tree, and the tree's head is signed.

Events are read in the order (epoch, xid, id), only of transactions older than the oldest that still runs, so that none
can appear behind the last one that was sealed. One sealer at a time, by an advisory lock of its transaction.
"""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from reviews.domain.entry import EventRow
from reviews.models import Checkpoint
from reviews.queries.seal import ROW, newest_checkpoint, open_restore
from reviews.services.outside import keep_outside
from reviews.services.restored import beat_sealer, may_go_on, note_broken
from reviews.services.signing import create_key_file, rotate_key_file, signing_keys
from reviews.services.tree import (
    TreeBroken,
    grow,
    link_keys,
    present_epoch,
    sealed_tree,
    sign_head,
    take_seal_lock,
    wait_for_seal_lock,
)

CHUNK: Final = 5_000
CHUNKS_A_ROUND: Final = 4
IDLE: Final = timedelta(minutes=10)


def seal_events(*, now: datetime, chunks: int = CHUNKS_A_ROUND) -> int:
    """Seal what happened, in chunks of a transaction each, and keep the new checkpoints outside; how many events.

    Nothing is sealed while the console is RESTORED or the log is broken, or while another sealer is at work. Writes
    leaves, nodes, checkpoints and the sealer's heartbeat. Raises KeyFileError.
    """
    total = 0
    for _ in range(chunks):
        with transaction.atomic():
            sealed = _seal_chunk(now=now)
        total += sealed
        if sealed < CHUNK:
            break
    newest = newest_checkpoint()
    if newest is not None and open_restore() is None:
        keep_outside(newest.note)
    return total


def rotate_log_key(*, now: datetime) -> Checkpoint | None:
    """Make the log's key, or put a new one in its place; the checkpoint that links both, if there is anything to sign.

    Raises TreeBroken, KeyFileError.
    """
    if not settings.LOG_KEY_FILE.exists():
        create_key_file(settings.LOG_KEY_FILE, now=now)
        return None
    with transaction.atomic():
        wait_for_seal_lock()
        old = signing_keys(settings.LOG_KEY_FILE)[0]
        rotate_key_file(settings.LOG_KEY_FILE, now=now)
        linking = link_keys(old, now=now)
    if linking is not None:
        keep_outside(linking.note)
    return linking


def _seal_chunk(*, now: datetime) -> int:
    if not take_seal_lock() or not may_go_on(now=now):
        return 0
    newest = newest_checkpoint()
    try:
        frontier = sealed_tree(newest)
        rows = _next_events(epoch=present_epoch(), size=frontier.size)
    except TreeBroken as fault:
        note_broken(str(fault), now=now)
        return 0
    if rows:
        grow(frontier, rows)
    is_idle = newest is not None and abs(now - newest.created_at) >= IDLE
    if rows or is_idle:
        sign_head(frontier, now=now)
    beat_sealer(size=frontier.size, now=now)
    return len(rows)


def _next_events(*, epoch: int, size: int) -> list[EventRow]:
    """Those behind the last that was sealed. Of an epoch that is over, all were sealed when the next one began."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.epoch, e.xid::text, e.id FROM reviews_leaf l JOIN reviews_event e ON e.id = l.event_id
             WHERE l.index = %s
            """,
            [size - 1],
        )
        last = cursor.fetchone()
        if last is None and size:
            raise TreeBroken(size)
        # In the order of the index: with the statistics of a young table the planner would sort all of it instead.
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        _, xid, event_id = last if last and last[0] == epoch else (epoch, "0", 0)
        cursor.execute(
            f"""
            SELECT {ROW} FROM reviews_event e
             WHERE e.epoch = %s AND (e.xid, e.id) > (%s::xid8, %s)
               AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
             ORDER BY e.xid, e.id LIMIT %s
            """,  # noqa: S608
            [epoch, xid, event_id, CHUNK],
        )
        return [EventRow(*row) for row in cursor.fetchall()]
