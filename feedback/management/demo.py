"""The demonstration streams, as bodies of POST /api/v1/decisions."""

import gzip
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import reviews

STREAMS = Path(reviews.__file__).parent / "demo"
HAND_MADE = ("answers", "outgoing", "posts", "refunds")


def bodies(stream: str) -> Iterator[bytes]:
    """The lines of one stream, in the order of arrival."""
    packed = STREAMS / f"{stream}.jsonl.gz"
    raw = gzip.decompress(packed.read_bytes()) if packed.exists() else (STREAMS / f"{stream}.jsonl").read_bytes()
    yield from raw.splitlines()


def hand_made() -> Iterator[bytes]:
    """The small streams, one after another."""
    return chain.from_iterable(map(bodies, HAND_MADE))
