"""Checkpoints outside the database: a line each in a file, and on standard output.

Whoever holds one can tell whether the log was rewritten, or taken back to an earlier state, since then.
"""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings

from reviews.domain.checkpoint import BadCheckpoint, Checkpoint, Head, Signature, checkpoint_of, key_hash
from reviews.services.signing import SigningKey, signing_keys

logger = structlog.get_logger(__name__)

TAIL_BYTES: Final = 16_384  # A line has some 400; a note with the signatures of a rotation, 600.


@dataclass(frozen=True, slots=True)
class Outside:
    """The newest checkpoint that was found outside. `checkpoint` is None where none of our keys signed it."""

    note: str
    checkpoint: Checkpoint | None


def signed(head: Head, *keys: SigningKey) -> Checkpoint:
    """The head as a checkpoint that each of the keys signs."""
    text = head.text()
    signatures = (Signature(head.name, key_hash(head.name, key.public), key.sign(text.encode())) for key in keys)
    return Checkpoint(head=head, text=text, signatures=tuple(signatures))


def is_ours(checkpoint: Checkpoint) -> bool:
    """Whether a key of the log's file, the present one or one before it, signed it. Raises KeyFileError."""
    return any(
        key_hash(each.name, key.public) == each.key_hash and key.verifies(each.signature, checkpoint.text.encode())
        for each in checkpoint.signatures
        for key in signing_keys(settings.LOG_KEY_FILE)
    )


def read_outside(note: str) -> Outside:
    """What to make of a note that somebody brings. Raises KeyFileError."""
    try:
        checkpoint = checkpoint_of(note)
    except BadCheckpoint:
        return Outside(note, None)
    return Outside(note, checkpoint if is_ours(checkpoint) else None)


def newest_outside() -> Outside | None:
    """The last checkpoint of the file; None where there is no file, or nothing in it. Raises KeyFileError."""
    if settings.LOG_ANCHOR_FILE is None:
        return None
    note = _last_note(settings.LOG_ANCHOR_FILE)
    return None if note is None else read_outside(note)


def keep_outside(note: str) -> None:
    """Tell the checkpoint to the log on standard output and to the file, unless the file holds it or a newer one."""
    checkpoint = checkpoint_of(note)
    path = settings.LOG_ANCHOR_FILE
    if path is None:
        _tell(checkpoint, note)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        last = _last_note(path)
        if last is not None and _order_of(last) >= _order_of(note):
            return
        line = json.dumps({"at": checkpoint.head.at.isoformat(), "note": note}, ensure_ascii=False).encode() + b"\n"
        # After a crash in the middle of a line the next one begins on its own.
        file.write(line if _ends_whole(path) else b"\n" + line)
        file.flush()
        os.fsync(file.fileno())
    _tell(checkpoint, note)


def _tell(checkpoint: Checkpoint, note: str) -> None:
    head = checkpoint.head
    logger.info("checkpoint", origin=f"{head.name}/{head.epoch}", size=head.size, root=head.root.hex(), note=note)


def _order_of(note: str) -> tuple[int, ...]:
    try:
        head = checkpoint_of(note).head
    except BadCheckpoint:
        return ()
    return head.epoch, head.size, int(head.at.timestamp())


def _last_note(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    # What stands behind the last line's end was never written to its end.
    for line in reversed(lines[:-1]):
        if line.strip():
            try:
                return str(json.loads(line)["note"])
            except (ValueError, KeyError, TypeError):
                return line.decode(errors="replace")
    return None


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
