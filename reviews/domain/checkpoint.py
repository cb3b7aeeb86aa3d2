"""Checkpoints: signed heads of the log's tree, as C2SP has them (tlog-checkpoint and signed-note, c2sp.org).

The origin of a log ends in its epoch: after a restore that lost leaves, the tree goes on as another log.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

ED25519: Final = b"\x01"
_HEAD: Final = re.compile(
    r"(?P<name>[^\s+]+)/(?P<epoch>[1-9][0-9]{0,4})\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"time (?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)\n"
)
_SIGNATURE: Final = re.compile(r"— (?P<name>[^\s+]+) (?P<blob>[A-Za-z0-9+/]{91}=)\n")


class BadCheckpoint(ValueError):
    """The text is no checkpoint of ours."""


@dataclass(frozen=True, slots=True)
class Head:
    """The root (32 bytes) over the first `size` leaves, at a moment (whole seconds) of an epoch."""

    name: str
    epoch: int
    size: int
    root: bytes
    at: datetime

    def text(self) -> str:
        """What is signed: origin, size, root, and when, so that a head that says the same again is known to be new."""
        at = self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{self.name}/{self.epoch}\n{self.size}\n{base64.b64encode(self.root).decode()}\ntime {at}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed note: its head, the text that is signed, and its signatures."""

    head: Head
    text: str
    signatures: tuple[Signature, ...]

    def note(self) -> str:
        lines = (
            f"— {each.name} {base64.b64encode(each.key_hash + each.signature).decode()}\n" for each in self.signatures
        )
        return f"{self.text}\n{''.join(lines)}"


def key_hash(name: str, public: bytes) -> bytes:
    """By which a signature line says whose it is: 4 bytes."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def verifier_key(name: str, public: bytes) -> str:
    """The public key as notes have it, for those who check."""
    return f"{name}+{key_hash(name, public).hex()}+{base64.b64encode(ED25519 + public).decode()}"


def checkpoint_of(note: str) -> Checkpoint:
    """Read a signed note; nothing is said yet of its signatures. Raises BadCheckpoint."""
    text, blank, lines = note.partition("\n\n")
    text += "\n"
    head, signatures = _HEAD.fullmatch(text), list(_SIGNATURE.finditer(lines))
    if not blank or head is None or not signatures or "".join(line[0] for line in signatures) != lines:
        raise BadCheckpoint("This is no checkpoint of Countersign's log.")
    try:
        return Checkpoint(
            head=Head(
                name=head["name"],
                epoch=int(head["epoch"]),
                size=int(head["size"]),
                root=base64.b64decode(head["root"], validate=True),
                at=datetime.fromisoformat(head["at"]),
            ),
            text=text,
            signatures=tuple(_signature(line["name"], line["blob"]) for line in signatures),
        )
    except (ValueError, binascii.Error) as error:
        raise BadCheckpoint("This is no checkpoint of Countersign's log.") from error


def _signature(name: str, blob: str) -> Signature:
    decoded = base64.b64decode(blob, validate=True)
    return Signature(name, decoded[:4], decoded[4:])
