"""The servers of a test session, its database, and how it is emptied.

The code under test connects as the application role; what makes and empties the database is the owner. Without
DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL a PostgreSQL and a Redis are started for the session, once for all its
xdist workers, and die with it.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import django
import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError, connections
from django.test import TransactionTestCase
from psycopg import sql

from config import embedded
from reviews.services.signing import create_key_file

SERVERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")
GIVEN = "COUNTERSIGN_TESTS_GIVEN"  # which servers somebody else started
RUNNING = pytest.StashKey[list[subprocess.Popen[bytes]]]()
# Shared by the tests and the subprocesses that they start; nothing of the developer's own var/ is read.
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DJANGO_ALLOW_ASYNC_UNSAFE": "1",
    "SECRET_KEY": "only-for-tests-" + "0" * 40,
    "COUNTERSIGN_AUDIT_KEY": "only-for-tests",
    "ALLOW_LOOPBACK_WEBHOOKS": "1",
    "LOG_LEVEL": "WARNING",
    "LOG_ANCHOR_FILE": "-",  # what one test sealed says nothing of the database of the next
}


def pytest_configure(config: pytest.Config) -> None:
    """Comes before pytest-django's own, which takes up a Django that is set up.

    Each of xdist's workers has servers of its own: what may be read of the log depends on the oldest transaction of a
    whole PostgreSQL server, and so on what another worker's test is doing.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[GIVEN] = " ".join(name for name in SERVERS if os.environ.get(name))
    _start_servers(config, given=os.environ[GIVEN].split())
    django.setup()
    if getattr(config.option, "numprocesses", None):
        # pytest-django reads the settings early where they are named: a worker's would be of these servers.
        os.environ.pop("DJANGO_SETTINGS_MODULE")
    # A password that nobody guards need not take a fifth of a second to set.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Fixtures that need models, which a conftest further down would import too early.
    for fixtures in ("api.world", "refusals.refusing", "sealing", "services.receiving", "services.submitting"):
        config.pluginmanager.import_plugin(f"tests.reviews.{fixtures}")
    config.pluginmanager.import_plugin("tests.reviews.ticket_page")
    config.pluginmanager.import_plugin("tests.browser.desk")


def _start_servers(config: pytest.Config, *, given: list[str]) -> None:
    os.environ.update(ENVIRONMENT)
    if ("DATABASE_URL" in given) != ("DATABASE_OWNER_URL" in given):
        raise pytest.UsageError("Set both DATABASE_URL and DATABASE_OWNER_URL, or neither.")
    directory = Path(tempfile.mkdtemp(prefix="cs-tests-"))
    os.environ["VAR_DIR"] = str(directory)
    create_key_file(directory / "keys" / "log.json", now=datetime.now(UTC))
    planned = embedded.plan(directory)
    running = config.stash[RUNNING] = []
    if "DATABASE_URL" not in given:
        running.append(embedded.start_postgres(planned, settings=embedded.QUICK_NOT_SAFE))
    if "REDIS_URL" not in given:
        running.append(embedded.start_redis(planned))
    os.environ.update({name: planned.variables[name] for name in SERVERS if name not in given})


def pytest_unconfigure(config: pytest.Config) -> None:
    if RUNNING not in config.stash:
        return
    running = config.stash[RUNNING]
    for process in reversed(running):
        embedded.stop(process, sign=signal.SIGINT)
    shutil.rmtree(os.environ["VAR_DIR"], ignore_errors=True)


# --- The test database ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker, django_db_modify_db_settings):
    """One database a worker, made and migrated by the owner; rows that migrations made are kept aside in `baseline`."""
    with django_db_blocker.unblock():
        owner = connections["owner"]
        owner.creation.create_test_db(verbosity=0, autoclobber=True)
        connections["default"].creation.set_as_test_mirror(owner.settings_dict)
        owner.close()
        with _as_owner() as connection:
            _keep_baseline(connection)
    yield
    with django_db_blocker.unblock():
        connections["default"].close()
        name = owner.settings_dict["NAME"]
        owner.close()
        # A test's thread may still hold a connection; the next session then clobbers what this one leaves.
        with suppress(OperationalError):
            owner.creation.destroy_test_db(str(name), verbosity=0)


def _as_owner() -> psycopg.Connection:
    database = settings.DATABASES["owner"]
    return psycopg.connect(
        host=database["HOST"] or None,
        port=database["PORT"] or None,
        user=database["USER"],
        password=database["PASSWORD"] or None,
        dbname=connections["owner"].settings_dict["NAME"],
        options="-c lock_timeout=10000",
    )


def _tables(connection: psycopg.Connection, schema: str) -> list[str]:
    rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [schema])
    return [name for (name,) in rows if name != "django_migrations"]


def _not_empty(connection: psycopg.Connection, tables: list[str]) -> list[str]:
    query = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} WHERE EXISTS (SELECT 1 FROM {})").format(sql.Literal(table), sql.Identifier(table))
        for table in tables
    )
    return [name for (name,) in connection.execute(query)]


def _columns(connection: psycopg.Connection, table: str) -> sql.Composed:
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = ''",
        [table],
    )
    return sql.SQL(", ").join(sql.Identifier(name) for (name,) in rows)


def _keep_baseline(connection: psycopg.Connection) -> None:
    connection.execute("CREATE SCHEMA baseline")
    for table in _not_empty(connection, _tables(connection, "public")):
        connection.execute(
            sql.SQL("CREATE TABLE {} AS TABLE {}").format(sql.Identifier("baseline", table), sql.Identifier(table))
        )


def _flush_as_owner(case: TransactionTestCase) -> None:
    """Empties what a transactional test wrote; the triggers that guard immutable tables are off in this transaction."""
    with _as_owner() as connection:
        tables = _tables(connection, "public")
        kept = _tables(connection, "baseline")
        for table in tables:
            connection.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(table)))
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, tables))))
        for table in kept:
            columns = _columns(connection, table)
            connection.execute(
                sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
                    sql.Identifier(table), columns, columns, sql.Identifier("baseline", table)
                )
            )
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            connection.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(table)))


TransactionTestCase._fixture_teardown = _flush_as_owner  # type: ignore[attr-defined]


# --- What was measured ----------------------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what passing tests noted with `record_property("figure", …)`: figures to read, whatever the flags."""
    reports = terminalreporter.getreports("passed")
    figures = [text for report in reports for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("Figures")
        for text in figures:
            terminalreporter.write_line(text)
