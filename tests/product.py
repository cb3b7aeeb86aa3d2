"""The product as a newcomer starts it: `manage.py up` in a directory and on a port of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STARTS_WITHIN_SECONDS = 120
# What the test session set for itself; the product makes its own.
OF_THE_SESSION = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "COUNTERSIGN_AUDIT_KEY",
    "LOG_LEVEL",
    "LOG_ANCHOR_FILE",
    "DJANGO_ALLOW_ASYNC_UNSAFE",
)


@dataclass(slots=True, kw_only=True)
class Product:
    """A running `manage.py up`: its address, what is in its demo.json once that was read, and its supervisor."""

    url: str
    var_dir: Path
    supervisor: subprocess.Popen[str]
    output: Path
    demo: dict[str, Any] = field(default_factory=dict)

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C does; its exit status."""
        self.supervisor.send_signal(signal.SIGINT)
        return self.supervisor.wait(30)

    def is_ready(self) -> bool:
        if "is ready" not in self.said():
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not self.is_ready():
            if self.supervisor.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"`manage.py up` did not start:\n{self.said()}{self.logs()}")
            time.sleep(0.1)

    def said(self) -> str:
        return self.output.read_text()

    def logs(self) -> str:
        """The ends of its children's logs."""
        paths = sorted((self.var_dir / "log").glob("*.log"))
        return "".join(f"\n== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in paths)

    def processes(self) -> dict[int, str]:
        """Everything alive that this product started, by pid: VAR_DIR is in its environment or arguments."""
        mark = f"VAR_DIR={self.var_dir}".encode()
        found = {}
        for directory in Path("/proc").iterdir():
            if directory.name.isdigit():
                with suppress(OSError):
                    state = (directory / "stat").read_text().rpartition(")")[2].split()[0]
                    command = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
                    marked = mark in (directory / "environ").read_bytes().split(b"\0")
                    if state != "Z" and (marked or os.fsencode(self.var_dir) in command):
                        found[int(directory.name)] = command.decode(errors="replace").strip()
        return found

    def wait_until_gone(self, *, seconds: float = 20) -> dict[int, str]:
        """What is still alive after so long: nothing, one hopes."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment_of(var_dir: Path) -> dict[str, str]:
    """What a command beside the product in this directory gets: nothing of the test session's own servers."""
    inherited = {name: value for name, value in os.environ.items() if name not in OF_THE_SESSION}
    return {**inherited, "VAR_DIR": str(var_dir)}


def start_product(var_dir: Path, *arguments: str, port: int | None = None, output: str = "up.out") -> Product:
    """Start `manage.py up` with a database and a broker of its own, and return at once."""
    port = port or free_port()
    said = var_dir / output
    with said.open("w") as file:
        supervisor = subprocess.Popen(
            [sys.executable, "manage.py", "up", *arguments],
            cwd=ROOT,
            env={**environment_of(var_dir), "PORT": str(port)},
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    return Product(url=f"http://127.0.0.1:{port}", var_dir=var_dir, supervisor=supervisor, output=said)
