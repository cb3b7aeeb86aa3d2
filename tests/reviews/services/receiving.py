"""A receiver of webhooks that does everything wrong, over real sockets; and messages for it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reviews.domain.vocabulary import EventKind, WebhookType
from reviews.models import Client, Delivery, Endpoint
from reviews.services.record import record

SECRET, OLD_SECRET = "whsec_bmV3LXNlY3JldA==", "whsec_b2xkLXNlY3JldA=="
NOW = datetime.now(tz=UTC)


class Receiver(ThreadingHTTPServer):
    """Keeps what it was sent; `answer` is what it does with each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[dict[str, str], str]] = []
        self.busy = self.busiest = 0
        self.lock = threading.Lock()
        self.answer: Callable[[Handler], None] = ok

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks?from=countersign"

    def handle_error(self, request, client_address) -> None:
        """A connection that was cut is what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with self.server.lock:
            self.server.received.append((dict(self.headers), body))
            self.server.busy += 1
            self.server.busiest = max(self.server.busiest, self.server.busy)
        try:
            self.server.answer(self)
        finally:
            with self.server.lock:
                self.server.busy -= 1

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        """Says nothing."""


def ok(handler: Handler) -> None:
    handler.reply(200, b"thanks")


def broken(handler: Handler) -> None:
    handler.reply(500, b"out of order")


def reset(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    handler.connection.close()


def hang(handler: Handler) -> None:
    time.sleep(30)


def redirect(handler: Handler) -> None:
    handler.reply(302, Location=f"http://127.0.0.1:{handler.server.server_port}/elsewhere")


def endless(handler: Handler) -> None:
    handler.send_response(500)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def drip(handler: Handler) -> None:
    """A byte of a header each tenth of a second, for ever: no time-out between bytes sees it."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 300:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.1)


def tell(endpoint: Endpoint, count: int = 1) -> list[Delivery]:
    """So many messages in the outbox of this endpoint's client."""
    for number in range(count):
        event = record(EventKind.OUTCOME_SETTLED, now=NOW, client=endpoint.client, body={"number": number})
        text = json.dumps({"type": str(WebhookType.DECISION_SETTLED), "data": {"number": number}})
        Delivery.objects.create(
            endpoint=endpoint,
            event=event,
            type=WebhookType.DECISION_SETTLED,
            body=text,
            next_attempt_at=NOW,
            created_at=NOW,
        )
    return list(Delivery.objects.filter(endpoint=endpoint).order_by("id"))


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    settings.ALLOW_LOOPBACK_WEBHOOKS = True
    settings.WEBHOOK_TIMEOUT_SECONDS = 0.6
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def endpoint(receiver) -> Endpoint:
    client = Client.objects.create(name="Support agent")
    return Endpoint.objects.create(client=client, url=receiver.url, secret=SECRET)
