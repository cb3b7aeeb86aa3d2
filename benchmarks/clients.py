"""Clients that cost little: plain sockets kept alive, all in one thread, so that what is measured is the server."""

import selectors
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Load:
    """What came of sending requests for a while: how many a second were answered, and in how many milliseconds."""

    rate: float
    milliseconds: Sequence[float]

    @property
    def p50(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def p95(self) -> float:
        return percentile(self.milliseconds, 0.95)


def percentile(values: Sequence[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


class Answer(NamedTuple):
    status: int
    head: bytes
    body: bytes


def request(
    method: str, path: str, *, body: bytes = b"", content_type: str = "application/json", **headers: str
) -> bytes:
    """An HTTP request as it goes over the wire. Names of headers with _ for -."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    if body:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Client:
    """One connection, one request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sent_at = 0.0

    def send(self, raw: bytes) -> None:
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(raw)

    def receive(self) -> Answer | None:
        """The answer, once all of it is there. Raises ConnectionError when the server hangs up."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("the server closed the connection")
        self.received += part
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return None
        lowered = head.lower()
        if b"transfer-encoding: chunked" in lowered:
            return self._answer(head, body) if body.endswith(b"0\r\n\r\n") else None
        at = lowered.find(b"content-length:")
        length = 0 if at < 0 else int(lowered[at + 15 :].split(b"\r\n", 1)[0])
        return self._answer(head, body) if len(body) >= length else None

    def _answer(self, head: bytes, body: bytes) -> Answer:
        return Answer(int(head[9:12]), head, body)

    def ask(self, raw: bytes) -> tuple[Answer, float]:
        """Send and wait: the answer, and the milliseconds it took."""
        self.send(raw)
        while (answer := self.receive()) is None:
            pass
        return answer, (time.perf_counter() - self.sent_at) * 1000

    def close(self) -> None:
        self.socket.close()


def load(port: int, requests: Iterator[bytes], *, clients: int, seconds: float, wanted: int) -> Load:
    """Keep so many clients busy. Raises RuntimeError when an answer has another status than `wanted`."""
    selector = selectors.DefaultSelector()
    busy = [Client(port) for _ in range(clients)]
    for client in busy:
        selector.register(client.socket, selectors.EVENT_READ, client)
    milliseconds: list[float] = []
    began = time.perf_counter()
    for client in busy:
        client.send(next(requests))
    open_ones = clients
    while open_ones:
        for key, _ in selector.select():
            client = key.data
            answer = client.receive()
            if answer is None:
                continue
            now = time.perf_counter()
            if answer.status != wanted:
                raise RuntimeError(f"{answer.status} instead of {wanted}: {answer.body[:500]!r}")
            milliseconds.append((now - client.sent_at) * 1000)
            if now - began < seconds:
                client.send(next(requests))
            else:
                selector.unregister(client.socket)
                client.close()
                open_ones -= 1
    return Load(len(milliseconds) / (time.perf_counter() - began), milliseconds)
