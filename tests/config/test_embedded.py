"""The embedded servers: made, found again, and gone with whoever started them."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import embedded


@pytest.fixture
def planned(tmp_path):
    return embedded.plan(tmp_path / "var")


@pytest.fixture
def postgres(planned):
    process = embedded.start_postgres(planned, settings=embedded.QUICK_NOT_SAFE)
    yield process
    embedded.stop(process, sign=signal.SIGINT)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_only_their_user_may_read_them(planned):
    again = embedded.plan(planned.directory)
    assert again.variables == planned.variables
    assert mode(planned.directory / "embedded.json") == 0o600
    assert mode(planned.directory) == mode(planned.sockets) == 0o700


def test_a_directory_too_long_for_a_socket_gets_a_short_one_elsewhere(tmp_path):
    long = tmp_path / ("deep" * 30)
    planned = embedded.plan(long)
    try:
        assert planned.sockets.parent != long
        assert len(os.fsencode(planned.sockets)) <= embedded.LONGEST_SOCKET_DIR
        assert mode(planned.sockets) == 0o700
        assert embedded.plan(long).sockets == planned.sockets
    finally:
        planned.sockets.rmdir()


def test_neither_role_is_a_superuser_and_only_the_owner_may_make_databases(planned, postgres):
    for name, may_create in (("DATABASE_URL", False), ("DATABASE_OWNER_URL", True)):
        with psycopg.connect(planned.variables[name]) as connection:
            row = connection.execute(
                "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
        assert row == (False, may_create, False)


def test_a_wrong_password_is_refused(planned, postgres):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(planned.variables["DATABASE_URL"], password="guess")


def test_a_second_start_keeps_the_data_and_survives_a_stale_pid_file(planned, postgres):
    with psycopg.connect(planned.variables["DATABASE_OWNER_URL"]) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    embedded.stop(postgres, sign=signal.SIGKILL)
    # After a crash of the machine the pid in the file may belong to anything; here, to this test.
    pid_file = planned.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    again = embedded.start_postgres(planned, settings=embedded.QUICK_NOT_SAFE)
    try:
        with psycopg.connect(planned.variables["DATABASE_OWNER_URL"]) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    finally:
        embedded.stop(again, sign=signal.SIGINT)


def test_the_broker_asks_for_its_password(planned):
    process = embedded.start_redis(planned)
    try:
        socket = str(planned.sockets / "redis.sock")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(unix_socket_path=socket, retry=Retry(NoBackoff(), 0)).ping()
        password = planned.variables["REDIS_URL"].partition("://:")[2].partition("@")[0]
        assert redis.Redis(unix_socket_path=socket, password=password).ping()
    finally:
        embedded.stop(process)


STARTER = """
import json, sys, time
from pathlib import Path
from config import embedded
planned = embedded.plan(Path(sys.argv[1]))
servers = [embedded.start_postgres(planned, settings=embedded.QUICK_NOT_SAFE), embedded.start_redis(planned)]
print(json.dumps([server.pid for server in servers]), flush=True)
time.sleep(600)
"""


def test_a_starter_that_is_killed_takes_its_servers_along(tmp_path):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        cwd=embedded.__file__.rpartition("/config/")[0],
        stdout=subprocess.PIPE,
        text=True,
    )
    pids = json.loads(starter.stdout.readline())
    starter.kill()
    starter.wait()
    deadline = time.monotonic() + 10
    while [pid for pid in pids if is_running(pid)] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if is_running(pid)] == []


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
