#!/usr/bin/env python3
"""Verify an export of Countersign's audit log, offline, trusting neither the server nor its admins.

    python3 verify_log.py log.jsonl --key 'console.example/log+1f2e3d4c+AQ…' --checkpoints log.checkpoints

One file of standard-library Python (3.9 or newer); `openssl` (3.0 or newer) checks the Ed25519 signatures. It
recomputes every leaf and every root, checks each checkpoint's signature, that each goes on from the one before, and
that what was kept outside (`--checkpoints`) is in this log. It prints the first fault and exits with 1; with 0 where
there is none. Copy the checkpoints first, then export: an export older than a checkpoint can't hold its leaves.

Formats: RFC 6962 (the tree), C2SP signed-note and tlog-checkpoint (checkpoints). A leaf is SHA-256(0x00 || entry),
where the entry is the bytes of the line's "event"; a node SHA-256(0x01 || left || right).
"""

from __future__ import annotations

import argparse
import base64
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

Verifies = Callable[[bytes, bytes, bytes], bool]

LEAF = re.compile(rb'\{"index":(\d+),"hash":"([0-9a-f]{64})","event":(\{.*\}|null)\}')
HEAD = re.compile(r"(\S+)/(\d+)\n(\d+)\n([A-Za-z0-9+/]{43}=)\ntime \S+\n")
SIGNATURE = re.compile("\u2014 (\\S+) ([A-Za-z0-9+/=]+)\n")
KEY = re.compile(r"(\S+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
SPKI = bytes.fromhex("302a300506032b6570032100")  # what stands before the 32 bytes of an Ed25519 key in DER
EMPTY = hashlib.sha256(b"").digest()


class Fault(Exception):
    """The log is not what was signed; the message says where it is first seen."""


class Tree:
    """The right edge of a growing RFC 6962 tree."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[bytes] = []

    def append(self, hashed: bytes) -> None:
        index = self.size
        while index & 1:
            hashed = hashlib.sha256(b"\x01" + self.peaks.pop() + hashed).digest()
            index >>= 1
        self.peaks.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY
        hashed = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            hashed = hashlib.sha256(b"\x01" + peak + hashed).digest()
        return hashed


class Checkpoint:
    """A signed note, taken apart. Raises Fault where it isn't one."""

    def __init__(self, note: str) -> None:
        text, _, lines = note.partition("\n\n")
        self.text = text + "\n"
        head, signatures = HEAD.fullmatch(self.text), SIGNATURE.findall(lines)
        if head is None or not signatures:
            raise Fault("this is no checkpoint: " + repr(note[:60]))
        self.epoch, self.size, self.root = int(head[2]), int(head[3]), base64.b64decode(head[4])
        blobs = [(name, base64.b64decode(blob)) for name, blob in signatures]
        self.signatures = [(name, blob[:4], blob[4:]) for name, blob in blobs]

    def __str__(self) -> str:
        return f"the checkpoint of {self.size} leaves in epoch {self.epoch}"


def key_of(text: str) -> bytes:
    """The 32 bytes of a verifier key, name+hash+base64. Raises Fault."""
    match = KEY.fullmatch(text.strip())
    decoded = base64.b64decode(match[3]) if match else b""
    if not match or decoded[:1] != b"\x01" or key_hash(match[1], decoded[1:]).hex() != match[2]:
        raise Fault("this is no Ed25519 verifier key: " + repr(text[:80]))
    return decoded[1:]


def key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]


def openssl_verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Ask openssl whether `signature` is that of `message` (bytes) under the public key (32 bytes)."""
    pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(SPKI + public) + b"\n-----END PUBLIC KEY-----\n"
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory, name) for name in ("key", "signature", "message")]
        for path, content in ((paths[0], pem), (paths[1], signature), (paths[2], message)):
            path.write_bytes(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin"]
        command += ["-inkey", str(paths[0]), "-sigfile", str(paths[1]), "-in", str(paths[2])]
        return (
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        )


class Log:
    """What an export says, as far as it was read. `verify` reads it to its end."""

    def __init__(
        self,
        keys: Iterable[bytes] = (),
        outside: Iterable[Checkpoint] = (),
        verifies: Verifies = openssl_verifies,
    ) -> None:
        self.keys, self.outside, self.verifies = list(keys), list(outside), verifies
        self.tree = Tree()
        self.checkpoints: list[Checkpoint] = []
        self.published: list[bytes] = []
        self.trusted: list[bytes] = []
        self.restores: list[dict[str, Any]] = []
        self.unsealed: list[int] = []
        self.seen: set[bytes] = set()
        self.roots = {0: EMPTY}
        self.wanted = {checkpoint.size for checkpoint in self.outside}
        self.is_whole = False

    def read(self, line: bytes) -> None:
        """Take one line of the export. Raises Fault."""
        leaf = LEAF.fullmatch(line)
        if leaf:
            self._leaf(int(leaf[1]), bytes.fromhex(leaf[2].decode()), leaf[3])
            return
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise Fault(f"line after leaf {self.tree.size - 1} is not of an export: {line[:60]!r}")
        if "log" in said:
            self.published = [key_of(key) for key in said["keys"]]
        elif "checkpoint" in said:
            self._checkpoint(Checkpoint(said["checkpoint"]))
        elif "end" in said:
            self.is_whole, self.unsealed = True, said["unsealed"]
        else:
            raise Fault(f"line after leaf {self.tree.size - 1} is not of an export: {line[:60]!r}")

    def _leaf(self, index: int, stored: bytes, entry: bytes) -> None:
        if index != self.tree.size:
            raise Fault(f"leaf {index} stands where leaf {self.tree.size} is due: leaves are missing or out of order")
        if entry == b"null":
            raise Fault(f"leaf {index}: its event was deleted")
        hashed = hashlib.sha256(b"\x00" + entry).digest()
        if hashed != stored:
            event = json.loads(entry)
            raise Fault(
                "leaf {}: event {} ({}, {}) is not the one that was sealed".format(
                    index, event.get("id"), event.get("kind"), event.get("at")
                )
            )
        if hashed in self.seen:
            raise Fault(f"leaf {index}: the same event stands in the log twice")
        self.seen.add(hashed)
        self.tree.append(hashed)
        if self.tree.size in self.wanted:
            self.roots[self.tree.size] = self.tree.root()
        if b'"kind":"log.restored"' in entry:
            self.restores.append(json.loads(json.loads(entry)["body"]))

    def _checkpoint(self, checkpoint: Checkpoint) -> None:
        last = self.checkpoints[-1] if self.checkpoints else None
        if last and (checkpoint.epoch < last.epoch or checkpoint.size < last.size):
            raise Fault(f"{checkpoint} comes after {last}: it does not go on from it")
        if checkpoint.size != self.tree.size:
            raise Fault(f"{checkpoint} stands after {self.tree.size} leaves: leaves are missing")
        if checkpoint.root != self.tree.root():
            since = last.size if last else 0
            raise Fault(
                f"{checkpoint} has another root than its leaves: "
                f"one of the leaves {since} to {checkpoint.size - 1} was changed, removed or put in"
            )
        self.roots[checkpoint.size] = checkpoint.root
        self.checkpoints.append(checkpoint)

    def finish(self) -> int:
        """What only the whole says. Gives how many checkpoints kept outside a restore lost. Raises Fault."""
        self._check_end()
        self._check_signatures()
        return self._check_outside()

    def _check_signatures(self) -> None:
        """Every checkpoint, by a key that is trusted: one that was given, or one that such a key signed beside."""
        trusted = self.trusted = list(self.keys or self.published)
        jobs: list[tuple[Checkpoint, bytes, bytes]] = []
        for checkpoint in self.checkpoints:
            signers = self._signers(checkpoint, trusted)
            if not signers:
                raise Fault(f"{checkpoint} is not signed by a key that is trusted")
            jobs += [(checkpoint, public, signature) for public, signature in signers]
            # At a rotation both keys sign, and the new one is trusted from then on because the old one did.
            known = [public for public, _ in signers]
            also = [each for each in self._signers(checkpoint, self.published) if each[0] not in known]
            jobs += [(checkpoint, public, signature) for public, signature in also]
            trusted += [public for public, _ in also]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            said = pool.map(lambda job: (job[0], self.verifies(job[1], job[2], job[0].text.encode())), jobs)
            for checkpoint, is_right in said:
                if not is_right:
                    raise Fault(f"{checkpoint} has a signature that is wrong")

    @staticmethod
    def _signers(checkpoint: Checkpoint, keys: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
        return [
            (public, signature)
            for name, hashed, signature in checkpoint.signatures
            for public in keys
            if key_hash(name, public) == hashed
        ]

    def _check_end(self) -> None:
        if not self.is_whole:
            raise Fault(f"the export breaks off after {self.tree.size} leaves")
        if self.tree.size and (not self.checkpoints or self.checkpoints[-1].size != self.tree.size):
            raise Fault("no checkpoint stands above the last leaves")
        if self.unsealed:
            raise Fault(f"events {self.unsealed} stand in the database and were never sealed: they were put in")

    def _check_outside(self) -> int:
        """Checkpoints kept outside: each is of this log, or of what a restore lost. How many are lost."""
        lost = 0
        jobs: list[tuple[Checkpoint, bytes, bytes]] = []
        for checkpoint in self.outside:
            # Of the newest restore that began a later epoch, what lies past it is what it lost.
            kept = [each["size"] for each in self.restores if each["epoch"] > checkpoint.epoch]
            if kept and checkpoint.size > min(kept):
                lost += 1
            elif checkpoint.size > self.tree.size:
                raise Fault(
                    f"{checkpoint} was kept outside, and this log has {self.tree.size} leaves: "
                    "it was cut off, or put back to an earlier state, or is an export from before that checkpoint"
                )
            elif self.roots.get(checkpoint.size) != checkpoint.root:
                raise Fault(f"{checkpoint} was kept outside, and this log has another root there: it was rewritten")
            signers = self._signers(checkpoint, self.trusted)
            if not signers:
                raise Fault(f"{checkpoint} was kept outside, and no key of this log signed it")
            jobs.append((checkpoint, *signers[0]))
        # Roots were compared above; of so many signatures, the newest says enough.
        for checkpoint, public, signature in jobs[-1:]:
            if not self.verifies(public, signature, checkpoint.text.encode()):
                raise Fault(f"{checkpoint} was kept outside, and its signature is wrong")
        return lost


def verify(
    lines: Iterable[bytes],
    *,
    keys: Iterable[str] = (),
    outside: Iterable[str] = (),
    verifies: Verifies = openssl_verifies,
) -> tuple[Log, int]:
    """Verify the lines (bytes, without their ends) of an export. Gives the Log and how many checkpoints a restore lost.

    `keys` are verifier keys that are trusted, `outside` signed notes. Raises Fault.
    """
    log = Log([key_of(key) for key in keys], [Checkpoint(note) for note in outside], verifies)
    for line in lines:
        log.read(line)
    return log, log.finish()


def notes_of(path: str | Path) -> list[str]:
    """The notes of a file of checkpoints: JSON lines with a "note", or one note as it is. A half line is let be."""
    content = Path(path).read_text(encoding="utf-8")
    if not content.lstrip().startswith("{"):
        return [content]
    found = []
    for line in content.split("\n")[:-1]:
        try:
            found.append(json.loads(line)["note"])
        except (ValueError, KeyError):
            continue
    return found


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Verify an export of Countersign's audit log.")
    parser.add_argument("export", help="the file that `manage.py export_log` wrote")
    parser.add_argument("--key", action="append", default=[], help="a public key that you had from somewhere else")
    parser.add_argument("--checkpoints", action="append", default=[], help="a file of checkpoints kept outside")
    options = parser.parse_args(arguments)
    try:
        outside = [note for path in options.checkpoints for note in notes_of(path)]
        with Path(options.export).open("rb") as file:
            log, lost = verify((line.rstrip(b"\n") for line in file), keys=options.key, outside=outside)
    except Fault as fault:
        say(f"FAULT: {fault}.")
        return 1
    except OSError as error:
        say(f"Could not verify: {error}")
        return 2
    say(f"The log is whole: {log.tree.size} leaves under {len(log.checkpoints)} signed checkpoints.")
    say(f"Root: {log.tree.root().hex()}")
    say(f"Checkpoints kept outside that are in it: {len(outside) - lost}.")
    for restore in log.restores:
        say("It was restored, beginning epoch {epoch} with {size} leaves.".format(**restore))
    if lost:
        say(f"{lost} checkpoints kept outside are of leaves that a restore lost; it is acknowledged in the log.")
    if not options.key:
        say("The keys are the export's own. Compare them with what you had from somewhere else, or give --key.")
    if not outside:
        say("Nothing from outside was compared: leaves cut off at the end would not be seen. Give --checkpoints.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
