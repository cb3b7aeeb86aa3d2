"""The proxy itself: what it passes, what it keeps back, and what it cuts."""

import socket
import threading
import time

import pytest

from tests.faults.proxy import Proxy


@pytest.fixture
def proxy(tmp_path):
    """A proxy to a server that says everything back."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    def echo(peer):
        while data := peer.recv(1000):
            peer.sendall(data)

    def serve():
        while True:
            try:
                threading.Thread(target=echo, args=[listener.accept()[0]], daemon=True).start()
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    made = Proxy(tmp_path / "s")
    yield made
    made.close()
    listener.close()


@pytest.fixture
def caller(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=2) as caller:
        caller.sendall(b"first")
        assert caller.recv(100) == b"first"
        yield caller


def test_a_slow_network_delivers_late(proxy, caller):
    proxy.delay = 0.1
    started = time.monotonic()
    caller.sendall(b"slow")
    assert caller.recv(100) == b"slow"
    assert time.monotonic() - started >= 0.2, "there and back"


def test_a_silent_network_neither_answers_nor_refuses_and_delivers_when_it_speaks_again(proxy, caller):
    proxy.fall_silent()
    caller.sendall(b"anybody?")
    caller.settimeout(0.2)
    with pytest.raises(TimeoutError):
        caller.recv(100)
    proxy.speak_again()
    caller.settimeout(2)
    assert caller.recv(100) == b"anybody?"


def test_a_cut_connection_is_over_and_the_next_one_is_not(proxy, caller):
    assert proxy.cut() == 1
    assert caller.recv(100) == b""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=2) as again:
        again.sendall(b"again")
        assert again.recv(100) == b"again"
