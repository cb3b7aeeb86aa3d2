"""A database that has gone silent holds nobody for longer than the connection's patience."""

import time

import pytest
from django.db import DataError, OperationalError, connection

from config.postgres.base import PatientConnection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def impatient():
    """The test's own connection, which waits a fifth of a second."""
    connection.ensure_connection()
    assert isinstance(connection.connection, PatientConnection)
    connection.connection.patience = 0.2
    yield
    connection.close()


def test_it_waits_a_little_longer_than_the_server_would(settings):
    connection.close()
    connection.ensure_connection()
    # The server's own refusal comes first, wherever it can be heard.
    assert connection.connection.patience == settings.DATABASE_STATEMENT_TIMEOUT_MS / 1000 + 2


def test_no_answer_in_time_is_an_error_and_the_end_of_the_connection(impatient):
    started = time.monotonic()
    with pytest.raises(OperationalError, match="No answer from the database within"):
        connection.cursor().execute("SELECT pg_sleep(5)")
    assert time.monotonic() - started < 2
    assert connection.connection.closed


def test_the_next_question_goes_over_a_new_connection(impatient):
    with pytest.raises(OperationalError):
        connection.cursor().execute("SELECT pg_sleep(5)")
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_who_migrates_waits_as_long_as_it_takes(settings):
    assert settings.DATABASES["owner"]["PATIENCE_SECONDS"] is None
    assert PatientConnection.patience is None


def test_what_the_server_refuses_leaves_the_connection_open(impatient):
    with pytest.raises(DataError):
        connection.cursor().execute("SELECT 1/0")
    assert not connection.connection.closed
