"""The tree of the log as it is kept: its newest checkpoint, its right edge, and proofs out of its tiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from reviews.domain.checkpoint import checkpoint_of
from reviews.domain.entry import EventRow
from reviews.domain.merkle import TILE_LEVELS, TILE_WIDTH, Frontier, Tiles, consistency_proof, frontier_of
from reviews.domain.merkle import inclusion_proof as proof_of
from reviews.models import Checkpoint, Heartbeat, KeptNode, Leaf, Restore

ROW = """e.id, e.xid::text::bigint, e.epoch, e.kind, e.at, e.user_id, e.client_id, e.workflow_id, e.decision_id,
         e.ticket_id, e.policy_change_id, e.body"""
"""The columns of an EventRow, of an event `e`."""
RECHECK = "seal:recheck"
"""The heartbeat of whoever looks again at what is sealed."""


def newest_checkpoint() -> Checkpoint | None:
    """One query."""
    return Checkpoint.objects.order_by("-id").first()


def name_of_log() -> str:
    """As its checkpoints have it: the name of the newest, else LOG_NAME. One query."""
    newest = newest_checkpoint()
    return checkpoint_of(newest.note).head.name if newest else str(settings.LOG_NAME)


def open_restore() -> Restore | None:
    """What makes the console RESTORED, until it is acknowledged. One query."""
    return Restore.objects.filter(acknowledged_at__isnull=True).first()


def fault_found() -> str:
    """What was found last to be otherwise than it was sealed; "" for nothing. One query."""
    kept = Heartbeat.objects.filter(pk=RECHECK).values_list("detail", flat=True).first() or {}
    return str(kept.get("fault", ""))


def kept_tiles() -> Tiles:
    """Reads tiles from the database, each once: a query each."""
    read: dict[tuple[int, int], Sequence[bytes]] = {}

    def tile(level: int, index: int) -> Sequence[bytes]:
        if (level, index) not in read:
            start = index * TILE_WIDTH
            rows: Any = Leaf.objects if level == 0 else KeptNode.objects.filter(level=level * TILE_LEVELS)
            span = rows.filter(index__gte=start, index__lt=start + TILE_WIDTH).order_by("index")
            found = list(span.values_list("index", "hash"))
            # A row that is missing ends the tile there, and whatever needs it fails.
            read[level, index] = [bytes(hashed) for at, (i, hashed) in enumerate(found, start) if i == at]
        return read[level, index]

    return tile


def frontier_at(size: int) -> Frontier:
    """The right edge of the tree of the first `size` leaves. Raises ValueError where leaves of it are missing."""
    return frontier_of(size, kept_tiles())


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands in the tree, and what proves it: hashes from the leaf up to the checkpoint's root."""

    event: int
    index: int
    hash: bytes
    entry: EventRow
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint


def place_of(event_id: int) -> Place | None:
    """None while it isn't sealed. About seven queries. Raises ValueError where it or a leaf that it needs is gone."""
    leaf = Leaf.objects.filter(event_id=event_id).first()
    checkpoint = newest_checkpoint()
    if leaf is None or checkpoint is None or leaf.index >= checkpoint.size:
        return None
    return Place(
        event=event_id,
        index=leaf.index,
        hash=bytes(leaf.hash),
        entry=event_row(event_id),
        proof=tuple(proof_of(leaf.index, checkpoint.size, kept_tiles())),
        checkpoint=checkpoint,
    )


def consistency(first: int, second: int) -> list[bytes]:
    """Proves that the tree of `second` leaves goes on from that of `first`. Raises ValueError for other sizes."""
    return consistency_proof(first, second, kept_tiles())


def event_row(event_id: int) -> EventRow:
    """One query. Raises ValueError where there is no such event."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {ROW} FROM reviews_event e WHERE e.id = %s", [event_id])  # noqa: S608
        row = cursor.fetchone()
    if row is None:
        raise ValueError(f"event {event_id} is gone")
    return EventRow(*row)


def places_of_decision(decision_id: UUID) -> dict[int, int]:
    """By event, the leaf's index, of those that are sealed. One query."""
    return dict(Leaf.objects.filter(event__decision=decision_id).values_list("event_id", "index"))


def oldest_unsealed_at() -> datetime | None:
    """When the oldest event happened that the tree doesn't hold yet. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.at FROM reviews_event e
             WHERE (e.epoch, e.xid, e.id) > COALESCE(
                   (SELECT (s.epoch, s.xid, s.id) FROM reviews_leaf l JOIN reviews_event s ON s.id = l.event_id
                     ORDER BY l.index DESC LIMIT 1), (0::smallint, '0'::xid8, 0::bigint))
             ORDER BY e.epoch, e.xid, e.id LIMIT 1
            """
        )
        found = cursor.fetchone()
    return found[0] if found else None
