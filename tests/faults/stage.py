"""The product as `manage.py up` starts it, by the same commands, but with its parts in hand.

`manage.py up` waits longer before each restart of what keeps dying, which is right for a fault and wrong for a test
that kills everything twenty times: here each part comes back at once. Every child dies with this process.
"""

import os
import shutil
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from config import embedded
from config.management.commands.up import child_environment, manage, web_command, worker_command
from config.supervisor import FIRST_PAUSE, Child, Supervisor, launch
from tests.product import free_port

PARTS = ("postgres", "redis", "web", "worker", "sweeper")
READY_WITHIN_SECONDS = 60


class Stage:
    """The parts by their names: each can be killed, halted, left dead, or started anew with other variables."""

    def __init__(self, directory: Path) -> None:
        self.planned = embedded.plan(directory)
        self.planned.logs.mkdir(mode=0o700, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.demo: dict[str, Any] = {}  # names and passwords, where a person of tests.journeys.people looks for them
        self.supervisor = Supervisor(tell=lambda line: None)
        self._variables: dict[str, str] = {}
        self._tending = threading.RLock()
        self._over = threading.Event()

    # --- Start and end ----------------------------------------------------------------------------------------------

    def start_servers(self) -> None:
        self._add("postgres", stop_signal=signal.SIGINT)
        self._add("redis")

    def start_console(self, variables: Mapping[str, str] | None = None, *, parts: Sequence[str] = PARTS[2:]) -> None:
        """Web, worker and sweeper; from now on whatever ends is started again."""
        self._variables = dict(variables or {})
        for name in parts:
            self._add(name)
        self.wait_until_ready()

    def tend_from_now_on(self) -> None:
        # Children die with the thread that started them: this one lives as long as the process.
        threading.Thread(target=self._tend, daemon=True).start()

    def stop_console(self) -> None:
        with self._tending:
            for child in [child for child in reversed(self.supervisor.children) if child.name in PARTS[2:]]:
                if child.process is not None:
                    self._resume(child.process.pid)
                    embedded.stop(child.process, sign=child.stop_signal)
                self.supervisor.children.remove(child)

    def stop(self) -> None:
        self._over.set()
        with self._tending:
            for child in self.supervisor.children:
                if child.process is not None:
                    self._resume(child.process.pid)
            self.supervisor.stop()
            self.supervisor.children.clear()

    def _add(self, name: str, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        with self._tending:
            self.supervisor.add(Child(name=name, start=lambda: self._start(name), stop_signal=stop_signal))

    def _start(self, name: str):
        if name == "postgres":
            return embedded.start_postgres(self.planned)
        if name == "redis":
            return embedded.start_redis(self.planned)
        environment = {**child_environment(self.planned, host="127.0.0.1", port=self.port), **self._variables}
        *web, application = web_command("127.0.0.1", self.port)
        command = {
            "web": [*web, "--blocking-threads", environment.get("WEB_THREADS", "8"), application],
            "worker": worker_command(),
            "sweeper": manage("sweep"),
        }[name]
        return launch(command, log=self.planned.logs / f"{name}.log", environment=environment)

    def _tend(self) -> None:
        while not self._over.wait(0.05):
            with self._tending:
                if self._over.is_set():
                    return
                for child in self.supervisor.children:
                    child.pause = min(child.pause, FIRST_PAUSE)
                self.supervisor.tend()

    # --- What is done to it -----------------------------------------------------------------------------------------

    def pid_of(self, name: str) -> int | None:
        """The first process of a part; None while it is down."""
        for child in self.supervisor.children:
            process = child.process
            if child.name == name and process is not None and process.poll() is None:
                return process.pid
        return None

    def send(self, name: str, sign: signal.Signals) -> bool:
        """A signal to every process of a part; TERM to the first one only, as whoever asks it to stop does.

        PostgreSQL is asked by INT: its TERM waits for all who are connected to leave.
        """
        pid = self.pid_of(name)
        if pid is None:
            return False
        if name == "postgres" and sign == signal.SIGTERM:
            os.kill(pid, signal.SIGINT)
            return True
        for each in [pid] if sign == signal.SIGTERM else family_of(pid):
            with suppress(ProcessLookupError):
                os.kill(each, sign)
        return True

    def kill_one_backend(self, chance: float) -> bool:
        """One connection's process of the database, by `chance` in [0, 1): PostgreSQL then ends all and recovers."""
        pid = self.pid_of("postgres")
        backends = [each for each in family_of(pid) if each != pid] if pid else []
        if not backends:
            return False
        with suppress(ProcessLookupError):
            os.kill(backends[int(chance * len(backends))], signal.SIGKILL)
        return True

    def halt(self, name: str, *, seconds: float) -> bool:
        """STOP, and CONT after so long: everything it holds stays open, and nothing answers."""
        pid = self.pid_of(name)
        if pid is None:
            return False
        halted = family_of(pid)
        for each in halted:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGSTOP)
        time.sleep(seconds)
        for each in halted:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)
        return True

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """The part is dead for the length of the block, and not started again before its end."""
        with self._tending:
            child = next(child for child in self.supervisor.children if child.name == name)
            self.supervisor.children.remove(child)
        assert child.process is not None
        embedded.stop(child.process, sign=signal.SIGKILL)
        try:
            yield
        finally:
            child.process, child.resume_at = None, 0.0
            with self._tending:
                self.supervisor.children.append(child)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def wait_until_ready(self, *, within: float = READY_WITHIN_SECONDS) -> float:
        """How many seconds it took. Raises AssertionError, with the ends of the logs, when it takes longer."""
        started = time.monotonic()
        while not self.is_ready():
            if time.monotonic() - started > within:
                raise AssertionError(f"The console was not ready within {within} s.{self.logs()}")
            time.sleep(0.05)
        return time.monotonic() - started

    def logs(self) -> str:
        paths = sorted(self.planned.logs.glob("*.log"))
        return "".join(f"\n== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in paths)

    @staticmethod
    def _resume(pid: int) -> None:
        for each in family_of(pid):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


def family_of(pid: int) -> list[int]:
    """A process and all that descends from it, the eldest first."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            children.setdefault(int(path.read_text().rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


@contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """Database and broker on a directory that was prepared; nothing is left running or lying about."""
    made = Stage(directory)
    try:
        made.start_servers()
        made.tend_from_now_on()
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)
