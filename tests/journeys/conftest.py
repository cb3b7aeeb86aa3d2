"""The product itself, started the way a newcomer starts it, for journeys through the public API and the real worker."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_SECONDS = 120


@dataclass(slots=True, kw_only=True)
class Product:
    """A running `manage.py up`: its address, what is in its demo.json, and its supervisor."""

    url: str
    var_dir: Path
    demo: dict[str, Any]
    supervisor: subprocess.Popen[str]

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C does; its exit status."""
        self.supervisor.send_signal(signal.SIGINT)
        return self.supervisor.wait(30)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not (self.var_dir / "demo.json").exists() or not self.is_ready():
            if self.supervisor.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"`manage.py up` did not start:\n{self.output()}")
            time.sleep(0.1)

    def output(self) -> str:
        """What the supervisor said, and the ends of its children's logs."""
        said = (self.var_dir / "up.out").read_text()
        logs = sorted((self.var_dir / "log").glob("*.log"))
        return said + "".join(f"\n== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_product(var_dir: Path, *arguments: str, **environment: str) -> Product:
    """Start `manage.py up` on a free port with a database and a broker of its own; returns at once."""
    port = free_port()
    own = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SECRET_KEY", "COUNTERSIGN_AUDIT_KEY", "LOG_LEVEL")
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    with (var_dir / "up.out").open("w") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "manage.py", "up", *arguments],
            cwd=ROOT,
            env={**inherited, "VAR_DIR": str(var_dir), "PORT": str(port), **environment},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    return Product(url=f"http://127.0.0.1:{port}", var_dir=var_dir, demo={}, supervisor=supervisor)


@pytest.fixture(scope="session")
def product():
    """The whole console with demo data but nobody posting. Shared by a session, so a journey makes its own rows."""
    with tempfile.TemporaryDirectory(prefix="cs-product-", ignore_cleanup_errors=True) as directory:
        running = start_product(Path(directory), "--no-demo-stream")
        try:
            running.wait_until_ready()
            running.demo = json.loads((running.var_dir / "demo.json").read_text())
            yield running
        finally:
            if running.supervisor.poll() is None:
                running.stop()
