"""The database in a file and back, by PostgreSQL's own pg_dump and pg_restore, as the owner of the tables."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, connections
from psycopg.conninfo import make_conninfo

from config import embedded, env

PATIENCE_SECONDS = 3
"""So long a session that was closed may take to be gone."""


class DumpFailed(RuntimeError):
    """The database could not be written to a file, or read back; the message is the program's own."""


class InUse(RuntimeError):
    """Somebody is connected to the database that is to be replaced."""

    def __init__(self, sessions: int) -> None:
        super().__init__(
            f"{sessions} other sessions use the database. Stop the console first: web, worker and sweeper."
        )


@contextmanager
def database_up() -> Iterator[None]:
    """The database answers inside: the embedded one is started for it where it isn't running."""
    try:
        connections["owner"].ensure_connection()
    except OperationalError:
        if any(os.environ.get(name) for name in env.DATABASE_VARIABLES):
            raise
        server = embedded.start_postgres(embedded.plan(settings.VAR_DIR))
        try:
            yield
        finally:
            connections.close_all()
            embedded.stop(server, sign=signal.SIGINT)
    else:
        yield


def write_dump(path: Path) -> None:
    """Write the database to a file that only its owner may read, whole or not at all. Raises DumpFailed."""
    partial = path.with_name(f"{path.name}.part")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        _run(_program("pg_dump"), ["--format=custom", "--no-owner", f"--file={partial}"])
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_dump(path: Path) -> None:
    """Put what a file holds in the place of the database's content, all of it or nothing. Raises InUse, DumpFailed."""
    until = time.monotonic() + PATIENCE_SECONDS
    while sessions := _other_sessions():
        if time.monotonic() > until:
            raise InUse(sessions)
        time.sleep(0.1)
    program = _program("pg_restore")
    connections.close_all()
    whole = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error"]
    _run(program, [*whole, str(path)])


def _other_sessions() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL"
        )
        (sessions,) = cursor.fetchone()
    return int(sessions)


def _program(name: str) -> Path:
    """The server's own version where Debian put it: a newer pg_restore asks for what an older server doesn't know."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        (version,) = cursor.fetchone()
    matching = Path(f"/usr/lib/postgresql/{int(version) // 10_000}/bin/{name}")
    return matching if matching.exists() else embedded.postgres_programs() / name


def _run(program: Path, arguments: Sequence[str]) -> None:
    conninfo, password = _address()
    command = [str(program), f"--dbname={conninfo}", "--no-password", *arguments]
    done = subprocess.run(
        command, env={**os.environ, "PGPASSWORD": password}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DumpFailed(f"{program.name} failed: {done.stderr.strip()}")


def _address() -> tuple[str, str]:
    """Where the owner connects to, without the password: that must not stand in a list of processes."""
    database: dict[str, Any] = connections["owner"].settings_dict
    names = {"NAME": "dbname", "USER": "user", "HOST": "host", "PORT": "port"}
    parts = {part: database[setting] for setting, part in names.items() if database[setting]}
    parts |= {part: value for part, value in database["OPTIONS"].items() if part.startswith("ssl")}
    return make_conninfo(**parts), str(database["PASSWORD"] or "")
