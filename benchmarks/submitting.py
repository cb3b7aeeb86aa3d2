"""One decision with its ticket: through the whole console, by plain DRF, and as fast as the database can at all."""

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
from django.conf import settings

from benchmarks.clients import Client, Load, load, request
from benchmarks.scene import bodies
from benchmarks.stage import Stage

CLIENTS = 8
_prefixes = itertools.count()


def submit(stage: Stage, *, key: str, seconds: float) -> Load:
    """POST /api/v1/decisions, each of which waits for a person."""
    return load(
        stage.port,
        _requests("/api/v1/decisions", seconds=seconds, Authorization=f"Bearer {key}"),
        clients=CLIENTS,
        seconds=seconds,
        wanted=201,
    )


def submit_plainly(stage: Stage, *, seconds: float) -> Load:
    """POST to the plain DRF project."""
    return load(
        stage.plain_port, _requests("/decisions/", seconds=seconds), clients=CLIENTS, seconds=seconds, wanted=201
    )


def _requests(path: str, *, seconds: float, **headers: str) -> Iterator[bytes]:
    """Made before the clock starts; more than can be used."""
    prefix = f"bench-{next(_prefixes)}"
    return iter([request("POST", path, body=body, **headers) for body in bodies(prefix, int(seconds * 8_000))])


def warm_up(stage: Stage, *, key: str) -> None:
    """One decision for each thread that serves, so that connections are open and the policy is compiled."""
    client = Client(stage.port)
    for body in bodies("warm", 2 * CLIENTS):
        answer, _ = client.ask(request("POST", "/api/v1/decisions", body=body, Authorization=f"Bearer {key}"))
        if answer.status != 201:
            raise RuntimeError(f"{answer.status}: {answer.body[:500]!r}")
    client.close()
    submit(stage, key=key, seconds=1)


def plain_command(stage: Stage) -> list[str]:
    """As `manage.py up` starts the console."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--http", "1", "--log-level", "warning"),
        *("--host", "127.0.0.1", "--port", str(stage.plain_port), "--working-dir", str(Path.cwd())),
        *("--workers", str(settings.WEB_WORKERS), "--blocking-threads", str(settings.WEB_THREADS)),
    ]


def limit_script(database: str) -> str:
    """Two INSERTs in one statement: a decision that waits, and its ticket, with what the console wrote of one."""
    with psycopg.connect(database) as connection:
        decision, ticket = (
            _columns(connection, "SELECT to_jsonb(d) FROM reviews_decision d WHERE external_id = 'warm-0'"),
            _columns(
                connection,
                "SELECT to_jsonb(t) FROM reviews_ticket t JOIN reviews_decision d ON d.id = t.decision_id "
                "WHERE d.external_id = 'warm-0'",
            ),
        )
    decision |= {"id": "gen_random_uuid()", "external_id": "'pgbench-' || gen_random_uuid()", "received_at": "now()"}
    ticket |= {"id": "gen_random_uuid()", "decision_id": "decision.id", "created_at": "now()"}
    ticket["due_at"] = "now() + interval '30 days'"  # not before, or the sweeper would escalate them meanwhile
    return (
        f"WITH decision AS (INSERT INTO reviews_decision ({', '.join(decision)}) "
        f"VALUES ({', '.join(decision.values())}) RETURNING id) "
        f"INSERT INTO reviews_ticket ({', '.join(ticket)}) SELECT {', '.join(ticket.values())} FROM decision;\n"
    )


def bare_script(database: str) -> str:
    """The same into two tables with nothing but keys: what is left when all that guards the rows is taken away."""
    with psycopg.connect(database) as connection:
        decision = _columns(connection, "SELECT to_jsonb(d) FROM reviews_decision d WHERE external_id = 'warm-0'")
    values = {**decision, "id": "gen_random_uuid()", "external_id": "'pgbench-' || gen_random_uuid()"}
    return (
        f"WITH decision AS (INSERT INTO bare_decision ({', '.join(values)}) "
        f"VALUES ({', '.join(values.values())}) RETURNING id) "
        "INSERT INTO bare_ticket (id, decision_id, state, priority, created_at) "
        "SELECT gen_random_uuid(), decision.id, E'open', 2, now() FROM decision;\n"
    )


def make_bare_tables(owner: str) -> None:
    """Columns, a key and a foreign key; none of the checks, triggers and other indexes."""
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare_decision (LIKE reviews_decision)")
        connection.execute("ALTER TABLE bare_decision ADD PRIMARY KEY (id), ADD UNIQUE (client_id, external_id)")
        connection.execute(
            "CREATE TABLE bare_ticket (id uuid PRIMARY KEY, decision_id uuid NOT NULL REFERENCES bare_decision, "
            "state text NOT NULL, priority int NOT NULL, created_at timestamptz NOT NULL)"
        )
        connection.execute("CREATE INDEX ON bare_ticket (state, priority, created_at)")


def _columns(connection: psycopg.Connection, query: str) -> dict[str, str]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return {name: literal(value) for name, value in row[0].items() if value is not None}


def literal(value: object) -> str:
    """A literal without colons, which pgbench takes for its variables."""
    if isinstance(value, bool | int | float):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value)
    escaped = text.replace("\\", "\\\\").replace("'", "''").replace(":", "\\072")
    return f"E'{escaped}'"
