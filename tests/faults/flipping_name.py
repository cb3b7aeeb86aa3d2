"""Webhooks reach only the outside: a name that leads outside when it is saved, and inside when something is sent."""

import socket
import sys
import threading
from collections import Counter
from typing import Any

from django.conf import settings

from reviews.services.post import UrlRefused, check_url, post
from tests.faults.counts import Counts, Shown
from tests.faults.stage import Stage

OUTSIDE = ("93.184.215.14", "8.8.4.4", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")
INSIDE = (
    "127.0.0.1",
    "::1",
    "10.0.0.5",
    "169.254.169.254",
    "100.64.0.1",
    "192.168.1.1",
    "172.16.0.9",
    "::ffff:127.0.0.1",
)
NAME = "flips.example.net"


def run(stage: Stage, counts: Counts) -> Shown:
    """The name is saved as an outside one; what it resolves to is drawn anew at each question from then on.

    No packet leaves: whatever isn't loopback is refused at the moment of connecting, after it was counted.
    """
    sends = counts.of(2_000, least=200)
    shown = Shown(
        promise="webhooks reach only the outside", did=f"a name that flips between save and send, {sends:,} sends"
    )
    draw = counts.draw("flipping")
    reached: Counter[str] = Counter()
    with _Watching(reached), _Resolving() as resolve, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url = f"https://{NAME}:{port}/hooks"
        resolve.answers = [OUTSIDE[0]]
        check_url(url)
        refused = 0
        for _ in range(sends):
            # One answer or two for a question, and another for the next question, should anybody ask twice.
            resolve.answers = draw.choices(INSIDE + OUTSIDE, k=draw.randint(1, 2))
            answered = post(url, body=b"{}", headers={})
            refused += answered.status is None
            resolve.flip(draw)
        saved_inside = sum(_is_saved(url, resolve, [address]) for address in INSIDE)
        listener.settimeout(0.1)
        try:
            listener.accept()
        except TimeoutError:
            accepted = 0
        else:
            accepted = 1
    inside = {address: count for address, count in reached.items() if address not in OUTSIDE}
    shown.figures = {
        "sends": sends,
        "refused or not connected": refused,
        "connections tried to the inside": sum(inside.values()),
        "connections tried to the outside, as judged": sum(reached.values()) - sum(inside.values()),
        "inside names saved": saved_inside,
    }
    shown.expect(holds=not inside and not accepted, otherwise=f"connections to the inside: {inside or accepted}")
    shown.expect(holds=refused == sends, otherwise=f"{sends - refused} answers came from somewhere")
    shown.expect(holds=sum(reached.values()) > 0, otherwise="nothing was tried at all")
    shown.expect(holds=not saved_inside, otherwise=f"{saved_inside} inside addresses could be saved")
    return shown


def _is_saved(url: str, resolve: "_Resolving", answers: list[str]) -> bool:
    resolve.answers = answers
    try:
        check_url(url)
    except UrlRefused:
        return False
    return True


class _Watching:
    """Counts the addresses that this thread connects to; only loopback is let through. Loopback webhooks are off."""

    hook_is_set = False
    reached: Counter[str] | None = None

    def __init__(self, reached: Counter[str]) -> None:
        self.mine, self.thread = reached, threading.get_ident()

    def __enter__(self) -> None:
        # A hook stays for the life of the process; it counts while somebody is watching.
        if not _Watching.hook_is_set:
            sys.addaudithook(_Watching.note)
            _Watching.hook_is_set = True
        _Watching.reached, _Watching.only = self.mine, self.thread
        self.allowed, settings.ALLOW_LOOPBACK_WEBHOOKS = settings.ALLOW_LOOPBACK_WEBHOOKS, False

    def __exit__(self, *_: object) -> None:
        _Watching.reached = None
        settings.ALLOW_LOOPBACK_WEBHOOKS = self.allowed

    only = 0

    @staticmethod
    def note(event: str, arguments: tuple[Any, ...]) -> None:
        reached = _Watching.reached
        if event != "socket.connect" or reached is None or threading.get_ident() != _Watching.only:
            return
        if arguments[0].family == socket.AF_UNIX:
            return
        address = str(arguments[1][0])
        reached[address] += 1
        if address not in {"127.0.0.1", "::1"}:
            raise ConnectionRefusedError(f"{address} is not reached from a test")


class _Resolving:
    """Answers for NAME in the place of the system's resolver; each question may be answered otherwise."""

    def __enter__(self) -> "_Resolving":
        self.answers: list[str] = []
        self.real = socket.getaddrinfo
        socket.getaddrinfo = self.resolve  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        socket.getaddrinfo = self.real

    def flip(self, draw: Any) -> None:
        self.answers = [draw.choice(INSIDE)]

    def resolve(self, host: str, port: int, *arguments: Any, **options: Any) -> list[Any]:
        if host != NAME:
            return self.real(host, port, *arguments, **options)
        answers, self.answers = self.answers, [INSIDE[0]]
        return [entry for address in answers for entry in self.real(address, port, *arguments, **options)]
