#!/usr/bin/env python3
"""Watch Countersign's audit log from outside: that it only grows, and that events are in it.

    export COUNTERSIGN_KEY=cs_…              # an API key with the scope log:read
    python3 watch_log.py https://review.example --key 'review.example/log+1f2e3d4c+AQ…' --keep kept.checkpoints
    python3 watch_log.py https://review.example --key '…' --keep kept.checkpoints --event 4307 --event 4308

Each run fetches the newest checkpoint, checks its signature by the key that you trust, has it proved that the tree
goes on from the last one that you kept, and keeps it: run it from cron, on a machine that the console's admins can't
reach. Each --event is proved to be in that tree and printed. It exits with 0, with 1 at the first fault, with 2 where
nothing could be asked.

Needs verify_log.py beside it, Python 3.9 or newer and `openssl` 3.0 or newer, and nothing of the product.
Formats: RFC 6962 (the tree and its proofs), C2SP signed-note and tlog-checkpoint.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

# They stand in one directory: it is the first place where a script's imports are looked for.
from verify_log import (  # type: ignore[import-not-found]
    EMPTY,
    Checkpoint,
    Fault,
    key_hash,
    key_of,
    notes_of,
    openssl_verifies,
    say,
)


class Unanswered(Exception):
    """The console couldn't be asked, or refused; this says nothing of the log."""


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from_leaf(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2). Raises Fault where it has another length."""
    hashed = leaf
    for sibling, is_left in climbed(index, size - 1, proof, "inclusion"):
        hashed = node(sibling, hashed) if is_left else node(hashed, sibling)
    return hashed


def roots_from(first: int, first_root: bytes, second: int, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees that a consistency proof leads to (RFC 9162, 2.1.4.2). Raises Fault."""
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        raise Fault("a proof of consistency is empty")
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling, is_left in climbed(place, last, path[1:], "consistency"):
        if is_left:
            old, new = node(sibling, old), node(sibling, new)
        else:
            new = node(new, sibling)
    return old, new


def climbed(place: int, last: int, siblings: Sequence[bytes], what: str) -> Iterator[tuple[bytes, bool]]:
    """Each sibling on the way up from a place to the root, and whether it stands to the left. Raises Fault."""
    for sibling in siblings:
        if not last:
            raise Fault(f"a proof of {what} is too long")
        is_left = bool(place & 1) or place == last
        yield sibling, is_left
        if is_left:
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        place, last = place >> 1, last >> 1
    if last:
        raise Fault(f"a proof of {what} is too short")


class Console:
    """The log's addresses of a console; `keys` (32 bytes each) are those that are trusted."""

    def __init__(self, url: str, token: str, keys: Sequence[bytes]) -> None:
        if not url.startswith(("https://", "http://")):
            raise Unanswered(f"{url} is no address: it must start with https:// or http://")
        self.url, self.token, self.keys = url.rstrip("/"), token, list(keys)

    def newest(self) -> tuple[Checkpoint, str]:
        """The newest checkpoint, its signature checked, and its note. Raises Fault, Unanswered."""
        note = str(self._get("checkpoint")["note"])
        return self._signed(note), note

    def check_growth(self, kept: Checkpoint, newest: Checkpoint) -> None:
        """That the newest tree begins with the one that was kept. Raises Fault, Unanswered."""
        if newest.size < kept.size:
            raise Fault(f"{newest} is older than {kept}, which was kept: the log was cut off or put back")
        if kept.size in (0, newest.size):
            before, after = (kept.root, kept.root) if kept.size else (EMPTY, newest.root)
        else:
            said = self._get("consistency?" + urlencode({"first": kept.size, "second": newest.size}))
            before, after = roots_from(
                kept.size, kept.root, newest.size, [bytes.fromhex(each) for each in said["proof"]]
            )
        if (before, after) != (kept.root, newest.root):
            raise Fault(f"{newest} does not go on from {kept}, which was kept: the log was rewritten")

    def event(self, number: int, newest: Checkpoint) -> tuple[int, str]:
        """The leaf's index and the entry of an event, proved to be in the tree of `newest`. Raises Fault."""
        said = self._get(f"events/{number}")
        head = self._signed(str(said["checkpoint"]["note"]))
        # Whoever has the key can sign two trees: the one that proves the event must be the one that is watched.
        self.check_growth(*sorted((newest, head), key=lambda each: each.size))
        entry, index = str(said["entry"]), int(said["index"])
        leaf = hashlib.sha256(b"\x00" + entry.encode()).digest()
        proof = [bytes.fromhex(each) for each in said["proof"]]
        if not 0 <= index < head.size or root_from_leaf(leaf, index, head.size, proof) != head.root:
            raise Fault(f"event {number} is not the one that was sealed as leaf {index}")
        if json.loads(entry)["id"] != number:
            raise Fault(f"another event than {number} was proved")
        return index, entry

    def _signed(self, note: str) -> Checkpoint:
        checkpoint = Checkpoint(note)
        for name, hashed, signature in checkpoint.signatures:
            for public in self.keys:
                if key_hash(name, public) == hashed and openssl_verifies(public, signature, checkpoint.text.encode()):
                    return checkpoint
        raise Fault(f"{checkpoint} is not signed by a key that is trusted")

    def _get(self, path: str) -> Any:
        sent = {"Authorization": f"Bearer {self.token}"}
        request = Request(f"{self.url}/api/v1/log/{path}", headers=sent)  # noqa: S310  checked above
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as error:
            try:
                problem = json.load(error)
            except ValueError:
                problem = {}
            detail = problem.get("detail", f"answered {error.code}")
            if str(problem.get("type", "")).endswith(":tree_broken"):
                raise Fault(detail.rstrip(".")) from error
            raise Unanswered(detail) from error
        except (URLError, OSError, ValueError) as error:
            raise Unanswered(str(error)) from error


def watch(console: Console, keep: Path, events: Sequence[int]) -> None:
    """Hold the newest checkpoint against the last that was kept, keep it, and prove the events. Raises Fault."""
    newest, note = console.newest()
    kept = [Checkpoint(each) for each in notes_of(keep)] if keep.exists() else []
    if kept:
        console.check_growth(kept[-1], newest)
    if not kept or kept[-1].text != newest.text:
        with keep.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "note": note}) + "\n")
    since = f", going on from {kept[-1].size} that were kept" if kept else ", the first that is kept"
    say(f"{newest.size} leaves in epoch {newest.epoch}{since}. Root: {newest.root.hex()}")
    for number in events:
        index, entry = console.event(number, newest)
        say(f"event {number} is leaf {index}: {entry}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Watch Countersign's audit log from outside.")
    parser.add_argument("url", help="where the console is")
    parser.add_argument("--key", action="append", required=True, help="a public key that you had from somewhere else")
    parser.add_argument("--keep", required=True, type=Path, help="the file in which checkpoints are kept")
    parser.add_argument("--event", action="append", type=int, default=[], help="the number of an event to prove")
    options = parser.parse_args(arguments)
    try:
        console = Console(options.url, os.environ.get("COUNTERSIGN_KEY", ""), [key_of(key) for key in options.key])
        watch(console, options.keep, options.event)
    except Fault as fault:
        say(f"FAULT: {fault}.")
        return 1
    except Unanswered as reason:
        say(f"Could not ask: {reason}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
