"""Puts events into the tree of the log, and signs its head. Call it while holding the sealer's lock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import connection

from reviews.domain.checkpoint import Head
from reviews.domain.entry import EventRow, entry_of
from reviews.domain.merkle import Frontier, KeptNode, leaf_hash
from reviews.models import Checkpoint, Restore
from reviews.queries.seal import frontier_at, name_of_log, newest_checkpoint
from reviews.services.outside import signed
from reviews.services.signing import SigningKey, signing_keys

SEAL_LOCK: Final = 7007


class TreeBroken(RuntimeError):
    """What the database keeps of the tree is not what the newest checkpoint signed; nothing is sealed on top of it."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The tree in the database is not the one that was signed at {size} leaves: run verify_log.")


def take_seal_lock() -> bool:
    """Whether this transaction is the one that seals, until its end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [SEAL_LOCK])
        (is_ours,) = cursor.fetchone()
    return bool(is_ours)


def wait_for_seal_lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [SEAL_LOCK])


def present_epoch() -> int:
    """The epoch that events are written in. One query."""
    return Restore.objects.order_by("-epoch").values_list("epoch", flat=True).first() or 1


def sealed_tree(newest: Checkpoint | None) -> Frontier:
    """The tree to go on with. Raises TreeBroken where it isn't the one that `newest` signed."""
    size = newest.size if newest else 0
    try:
        frontier = frontier_at(size)
    except ValueError:
        raise TreeBroken(size) from None
    if newest is not None and frontier.root() != bytes(newest.root):
        raise TreeBroken(size)
    return frontier


def grow(frontier: Frontier, rows: Sequence[EventRow]) -> None:
    """Write the leaves of these events behind the others, and the nodes that they complete."""
    nodes: list[KeptNode] = []
    with connection.cursor() as cursor:
        with cursor.copy("COPY reviews_leaf (index, event_id, hash) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int8", "int8", "bytea"])
            for row in rows:
                hashed = leaf_hash(entry_of(row))
                copy.write_row((frontier.size, row.id, hashed))
                nodes += frontier.append(hashed)
        with cursor.copy("COPY reviews_keptnode (level, index, hash) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int2", "int8", "bytea"])
            for node in nodes:
                copy.write_row((node.level, node.index, node.hash))


def sign_head(frontier: Frontier, *, also: Sequence[SigningKey] = (), now: datetime) -> Checkpoint:
    """Write a checkpoint of the tree as it is, signed by the present key, and by those `also`. Raises KeyFileError."""
    root, epoch = frontier.root(), present_epoch()
    head = Head(name=name_of_log(), epoch=epoch, size=frontier.size, root=root, at=now.replace(microsecond=0))
    note = signed(head, signing_keys(settings.LOG_KEY_FILE)[0], *also).note()
    return Checkpoint.objects.create(epoch=epoch, size=frontier.size, root=root, note=note, created_at=now)


def link_keys(old: SigningKey, *, now: datetime) -> Checkpoint | None:
    """The newest head again, signed by the new key and the old one: who trusts the old key may trust the new.

    None where nothing is sealed yet. Raises TreeBroken, KeyFileError.
    """
    newest = newest_checkpoint()
    return None if newest is None else sign_head(sealed_tree(newest), also=[old], now=now)
