"""Keeps a handful of processes alive, and takes them all down with itself.

A child is started so that the kernel ends it when the supervisor dies, by whatever means; it runs in a session of its
own, so that a Ctrl-C reaches the supervisor alone, which then stops its children in reverse order.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from config import embedded

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FIRST_PAUSE, LONGEST_PAUSE, HEALTHY_AFTER = 0.5, 30.0, 60.0
LONGEST_LOG = 10_000_000


class Stopped(BaseException):
    """Somebody asked the supervisor to stop; not an Exception, so that nothing on the way swallows it."""


@dataclass(slots=True, kw_only=True)
class Child:
    """One supervised process: how to start it, the signal that stops it, and since when it runs or rests."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    stop_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = FIRST_PAUSE
    resume_at: float = 0.0


@dataclass(slots=True)
class Supervisor:
    tell: Callable[[str], None]
    children: list[Child] = field(default_factory=list)

    def add(self, child: Child) -> None:
        """Start a child for the first time; an error in that is the caller's."""
        child.process = child.start()
        child.started_at = time.monotonic()
        self.children.append(child)

    def tend(self) -> None:
        """Restart whatever has ended, with a longer pause each time it doesn't last."""
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and (code := child.process.poll()) is not None:
                embedded.stop(child.process)
                child.process = None
                child.pause = FIRST_PAUSE if now - child.started_at > HEALTHY_AFTER else child.pause
                child.resume_at = now + child.pause
                self.tell(f"{child.name} ended ({_ending(code)}); again in {child.pause:g} s")
                child.pause = min(child.pause * 2, LONGEST_PAUSE)
            if child.process is None and now >= child.resume_at:
                try:
                    child.process = child.start()
                    child.started_at = time.monotonic()
                except embedded.CannotStart as error:
                    self.tell(f"{child.name}: {error}")
                    child.resume_at = time.monotonic() + child.pause

    def stop(self) -> None:
        for child in reversed(self.children):
            if child.process is not None:
                embedded.stop(child.process, sign=child.stop_signal)
                child.process = None


def _ending(code: int) -> str:
    return f"status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Turns the usual requests to stop into `Stopped`, once: a second one must not cut the stopping short."""

    def leave(number: int, frame: FrameType | None) -> None:
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    previous = {each: signal.signal(each, leave) for each in STOPPING}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


def launch(
    command: list[str], *, log: Path | None, environment: dict[str, str], last_signal: str = "TERM"
) -> subprocess.Popen[bytes]:
    """Start a mortal child that writes to a log file, or, without one, to the supervisor's own output."""
    mortal = embedded.mortal(command, last_signal=last_signal)
    if log is None:
        return subprocess.Popen(mortal, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
    if log.exists() and log.stat().st_size > LONGEST_LOG:
        log.replace(log.with_suffix(".old.log"))
    with log.open("ab") as output:
        return subprocess.Popen(
            mortal,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
