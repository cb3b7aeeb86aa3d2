"""Looks again at what is sealed: that each event is still the one in its leaf, and each leaf the one under its root.

A part a round, from the first leaf to the last and then anew, so that what somebody changes in the database is told by
the console itself, and not only by whoever verifies an export. Who can change the log can change this too: it spares
nobody the checkpoints outside.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reviews.domain.entry import entry_of
from reviews.domain.merkle import TILE_LEVELS, TILE_WIDTH, Tiles, leaf_hash, root_of
from reviews.models import Heartbeat
from reviews.queries.seal import RECHECK, frontier_at, kept_tiles, newest_checkpoint
from reviews.queries.sealed_log import sealed_rows
from reviews.services.beat import beat

TILES_A_ROUND: Final = 1
TILES_IN_A_HURRY: Final = 40
"""While the log is known to be broken: so that it is soon known to be whole again."""


class _Fault(Exception):
    """The first that is found."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """What was found. `is_whole`: all that is sealed was looked at since the last fault."""

    fault: str
    is_whole: bool


def recheck_some(*, in_a_hurry: bool, now: datetime) -> Recheck:
    """Look at the next leaves, and at the root. Where a fault is found, the next round begins there again.

    Writes a heartbeat, which keeps the place. About six queries; more in a hurry.
    """
    newest = newest_checkpoint()
    size = newest.size if newest else 0
    kept = Heartbeat.objects.filter(pk=RECHECK).values_list("detail", flat=True).first() or {}
    start, looked_at = int(kept.get("next", 0)), int(kept.get("looked_at", 0))
    if start >= size:
        start = 0
    tiles = TILES_IN_A_HURRY if in_a_hurry else TILES_A_ROUND
    end = min(start + tiles * TILE_WIDTH, size)
    fault = ""
    try:
        if newest is not None and _root(size) != bytes(newest.root):
            raise _Fault(f"the tree is not the one that was signed at {size} leaves")
        _look(start, end)
        looked_at = min(looked_at + end - start, size)
    except _Fault as found:
        fault, looked_at, end = str(found), 0, start
    # A tile that isn't full yet is looked at again as a whole.
    following = 0 if end >= size else end
    beat(RECHECK, now=now, detail={"next": following, "looked_at": looked_at, "fault": fault})
    return Recheck(fault=fault, is_whole=not fault and looked_at >= size)


def _root(size: int) -> bytes | None:
    try:
        return frontier_at(size).root()
    except ValueError:
        return None


def _look(start: int, end: int) -> None:
    """At the leaves from `start`, the first of a tile, and at each node that ends among them. Raises _Fault."""
    tiles = kept_tiles()
    due = start
    while rows := sealed_rows(due, end):
        for index, hashed, row in rows:
            if index != due:
                raise _Fault(f"leaf {due} is missing")
            if row is None:
                raise _Fault(f"the event of leaf {index} was deleted")
            if leaf_hash(entry_of(row)) != hashed:
                raise _Fault(f"event {row.id} ({row.kind}) is not the one that was sealed as leaf {index}")
            due = index + 1
            if due % TILE_WIDTH == 0:
                _look_above(due, tiles)
    if due != end:
        raise _Fault(f"leaf {due} is missing")


def _look_above(leaves: int, tiles: Tiles) -> None:
    """At the nodes whose subtrees end with so many leaves."""
    level, number = 1, leaves // TILE_WIDTH - 1
    while True:
        above = tiles(level, number // TILE_WIDTH)
        place = number % TILE_WIDTH
        if place >= len(above) or above[place] != root_of(tiles(level - 1, number)):
            raise _Fault(f"node {number} of level {level * TILE_LEVELS} is not the one above its leaves")
        number, rest = divmod(number + 1, TILE_WIDTH)
        if rest:
            return
        level, number = level + 1, number - 1
