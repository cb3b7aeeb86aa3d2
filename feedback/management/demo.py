"""The demonstration streams, as bodies of POST /api/v1/decisions, and the mailbox that its people share."""

import gzip
from collections.abc import Iterator
from email import message_from_bytes, policy
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


class Mailbox:
    """The e-mails that are written into a directory: what is there already is old news, and so is what was read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.read = set(directory.glob("*.log"))

    def news(self) -> Iterator[str]:
        """A line for each e-mail that came since: to whom, about what, and where it leads."""
        for path in sorted(set(self.directory.glob("*.log")) - self.read, key=lambda path: path.stat().st_mtime):
            self.read.add(path)
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            lines = mail.get_content().splitlines()
            link = next((line for line in lines if line.startswith(("http://", "https://"))), "")
            yield f"mail to {mail['To']}: {mail['Subject']} {link}"
