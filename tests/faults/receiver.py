"""A receiver of webhooks that fails as often as it is told to, in every way that one can."""

import random
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAYS = ("500", "reset", "hang", "302", "endless")
ENDLESS_MOST_BYTES = 50_000_000


class HostileReceiver:
    """Listens on loopback. `failing` is the share of posts that it fails, in ways that are drawn from `draw`.

    `arrived` has each message's id with its bodies as they were taken and answered 204.
    """

    def __init__(self, *, failing: float, draw: random.Random, hang_seconds: float) -> None:
        self.failing, self.hang_seconds = failing, hang_seconds
        self.arrived: dict[str, list[bytes]] = {}
        self.failed: Counter[str] = Counter()
        self.redirected = 0  # who follows a 302 comes here
        self._draw, self._writing = draw, threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            def do_GET(self) -> None:
                receiver.redirected += 1
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                """Quietly."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                """A peer that hangs up on us is what we asked for."""

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str = "hooks") -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{path}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        with self._writing:
            way = self._draw.choice(WAYS) if self._draw.random() < self.failing else ""
            if way:
                self.failed[way] += 1
        if request.path == "/elsewhere":
            self.redirected += 1
        if way:
            getattr(self, f"_{way}" if way.isalpha() else f"_status_{way}")(request)
            return
        with self._writing:
            self.arrived.setdefault(request.headers["webhook-id"], []).append(body)
        request.send_response(204)
        request.end_headers()

    # --- The ways of failing ----------------------------------------------------------------------------------------

    def _status_500(self, request: BaseHTTPRequestHandler) -> None:
        request.send_error(500)

    def _status_302(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", self.url("elsewhere"))
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _reset(self, request: BaseHTTPRequestHandler) -> None:
        # With nothing to linger for, closing sends a reset and not a farewell.
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.close_connection = True
        request.connection.close()

    def _hang(self, request: BaseHTTPRequestHandler) -> None:
        time.sleep(self.hang_seconds)
        request.close_connection = True

    def _endless(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(500)
        request.end_headers()
        for _ in range(ENDLESS_MOST_BYTES // 65_536):
            request.wfile.write(b"x" * 65_536)
