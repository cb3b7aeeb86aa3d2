"""The tree of the audit log (RFC 6962, section 2.1): its root, and proofs that one can check without the tree.

A leaf's hash is SHA-256(0x00 ‖ entry), a node's SHA-256(0x01 ‖ left ‖ right): no node can pass for a leaf. A perfect
subtree is named by its level (0 is a leaf) and its index among those of its level; it never changes once it is full.
Every eighth level is kept (a tile of 256 hashes has one hash above it), so that any proof is made from a few tiles.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = sha256(b"").digest()
TILE_LEVELS: Final = 8
TILE_WIDTH: Final = 1 << TILE_LEVELS

Tiles = Callable[[int, int], Sequence[bytes]]
"""Of a tile's level (0: leaves, 1: every 256th, …) and index, the hashes that it holds, at most 256."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class KeptNode:
    """A full subtree of a kept level, as it became full."""

    level: int
    index: int
    hash: bytes


@dataclass(slots=True)
class Frontier:
    """The right edge of a tree, all that going on takes: `peaks` are its full subtrees, the largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, hashed: bytes) -> Iterator[KeptNode]:
        """Put one leaf's hash behind the others; the subtrees of kept levels that it completes."""
        index = self.size
        level = 0
        while index & 1:
            hashed = node_hash(self.peaks.pop(), hashed)
            index >>= 1
            level += 1
            if level % TILE_LEVELS == 0:
                yield KeptNode(level, index, hashed)
        self.peaks.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        return fold(self.peaks) if self.peaks else EMPTY_ROOT


def fold(peaks: Sequence[bytes]) -> bytes:
    """The hash above full subtrees that stand beside one another, from the largest on the left to the smallest."""
    *left, hashed = peaks
    for peak in reversed(left):
        hashed = node_hash(peak, hashed)
    return hashed


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root of a tree of these leaf hashes."""
    frontier = Frontier()
    for hashed in leaves:
        for _ in frontier.append(hashed):
            pass
    return frontier.root()


# ---- Out of kept tiles ----------------------------------------------------------------------------------------------


def frontier_of(size: int, tiles: Tiles) -> Frontier:
    """The right edge of a tree of `size` leaves."""
    return Frontier(size, [_full(level, index, tiles) for level, index in _full_subtrees(0, size)])


def inclusion_proof(index: int, size: int, tiles: Tiles) -> list[bytes]:
    """The audit path of leaf `index` in a tree of `size` leaves, from the leaf up. Raises ValueError past the end."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    return [_hash_of(start, end, tiles) for start, end in _beside(index, 0, size)]


def consistency_proof(first: int, second: int, tiles: Tiles) -> list[bytes]:
    """That a tree of `second` leaves goes on from one of `first`. Raises ValueError unless 0 <= first <= second."""
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} does not go on from one of {first}")
    if first in (0, second):
        return []
    return [_hash_of(start, end, tiles) for start, end in _between(first, 0, second, whole=True)]


def _beside(index: int, start: int, end: int) -> list[tuple[int, int]]:
    """PATH of RFC 6962: the ranges whose hashes stand beside the way from a leaf to the root."""
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_beside(index, start, middle), (middle, end)]
    return [*_beside(index, middle, end), (start, middle)]


def _between(first: int, start: int, end: int, *, whole: bool) -> list[tuple[int, int]]:
    """SUBPROOF of RFC 6962; `whole` says that the old tree is a subtree of the new, whose hash the verifier knows."""
    if first == end - start:
        return [] if whole else [(start, end)]
    split = _split(end - start)
    middle = start + split
    if first <= split:
        return [*_between(first, start, middle, whole=whole), (middle, end)]
    return [*_between(first - split, middle, end, whole=False), (start, middle)]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _full_subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The full subtrees that make up a range which the tree's own splits give."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _hash_of(start: int, end: int, tiles: Tiles) -> bytes:
    return fold([_full(level, index, tiles) for level, index in _full_subtrees(start, end)])


def _full(level: int, index: int, tiles: Tiles) -> bytes:
    tile, above = divmod(level, TILE_LEVELS)
    width = 1 << above
    number, offset = divmod(index * width, TILE_WIDTH)
    hashes = list(tiles(tile, number)[offset : offset + width])
    if len(hashes) != width:
        raise ValueError(f"tile {number} of level {tile} lacks hashes")
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


# ---- Checking (RFC 9162, sections 2.1.3.2 and 2.1.4.2) --------------------------------------------------------------


def proves_inclusion(hashed: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from a leaf's hash at `index` to the root of a tree of `size` leaves."""
    if not 0 <= index < size:
        return False
    place, last = index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            hashed = node_hash(sibling, hashed)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            hashed = node_hash(hashed, sibling)
        place >>= 1
        last >>= 1
    return last == 0 and hashed == root


def proves_consistency(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree of `second` leaves begins with the tree of `first`."""
    if not 0 <= first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        place >>= 1
        last >>= 1
    return last == 0 and (old, new) == (first_root, second_root)
