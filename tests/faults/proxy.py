"""A network between two processes that can be made slow, silent, or cut: a TCP proxy in a few threads."""

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

CHUNK = 65_536


class Proxy:
    """Listens on loopback and passes on to a UNIX socket, as the network at the moment lets it.

    `delay` is in seconds for each piece that passes, in either direction. While `silent`, nothing passes and nothing is
    closed: who sends hears no more, neither an answer nor a refusal. What was sent meanwhile passes when it is over.
    """

    def __init__(self, to: Path) -> None:
        self.to, self.delay = to, 0.0
        self._flows = threading.Event()
        self._flows.set()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._keeping = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    # --- The weather ------------------------------------------------------------------------------------------------

    def fall_silent(self) -> None:
        self._flows.clear()

    def speak_again(self) -> None:
        self._flows.set()

    def cut(self) -> int:
        """Reset every connection that passes; how many."""
        with self._keeping:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _close(*pair)
        return len(pairs)

    def close(self) -> None:
        self._listener.close()
        self.speak_again()
        self.cut()

    # --- The work ---------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self._flows.wait()
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(str(self.to))
        except OSError:
            _close(near, far)
            return
        with self._keeping:
            self._pairs.add((near, far))
        back = threading.Thread(target=self._pass, args=(far, near), daemon=True)
        back.start()
        self._pass(near, far)
        back.join()
        with self._keeping:
            self._pairs.discard((near, far))
        _close(near, far)

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if self.delay:
                    time.sleep(self.delay)
                self._flows.wait()
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        # The threads that wait in recv are woken by the shutdown; closing alone would leave them there.
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
