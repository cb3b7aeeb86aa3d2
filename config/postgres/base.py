"""Django's PostgreSQL backend, in which no statement waits for ever.

`statement_timeout` is the server's, and a server that can't be heard keeps nobody's time: a network that goes silent,
or a pooler that hangs, would hold a web thread until the operating system gives up, or for good. So the client counts
too. After PATIENCE_SECONDS the connection is closed and the statement fails as if the server had gone.
"""

from collections.abc import Generator
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg import IsolationLevel
from psycopg.errors import _WaitTimeout


class PatientConnection(psycopg.Connection[Any]):
    """A connection that waits `patience` seconds for any one answer; None is for ever."""

    patience: float | None = None

    def wait(
        self, gen: Generator[Any, Any, Any], interval: float = 0.1, timeout: float | None = None
    ) -> Any:  # psycopg's own signature
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except _WaitTimeout as error:
            if timeout is not None:
                raise
            # Whatever is still to come would be taken for the answer to another question.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"No answer from the database within {self.patience:g} s.") from error


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> psycopg.Connection[Any]:
        if pool := self.settings_dict["OPTIONS"].get("pool"):
            pool.setdefault("connection_class", PatientConnection)
            connection: PatientConnection = super().get_new_connection(conn_params)
        else:
            self.isolation_level = IsolationLevel.READ_COMMITTED
            connection = PatientConnection.connect(**conn_params)
        connection.patience = self.settings_dict.get("PATIENCE_SECONDS")
        return connection
