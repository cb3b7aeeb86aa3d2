"""What there is to measure with: a workflow under a policy, a client, a reviewer, and a queue of any length."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256

import psycopg
from django.contrib.auth.models import Group, User
from django.utils import timezone

from policies.domain.vocabulary import Autonomy, Reversibility, WorkflowKind
from policies.models import ActionType, Threshold, Workflow
from policies.services import create_draft, publish
from reviews.domain.vocabulary import Scope
from reviews.models import Client, new_id
from reviews.services.beat import beat
from reviews.services.keys import issue_key

PASSWORD = "benchmarks-only-8341"
REASONING = (
    "The customer writes that the fee was taken twice and asks for it back. The plan refunds a fee once a year, and "
    "none was refunded in the last twelve months; the account is in good standing and older than two years. "
) * 3


def submission(external_id: str, *, confidence: float) -> dict[str, object]:
    """About 1.5 KB, with every part that is usual."""
    return {
        "external_id": external_id,
        "workflow": "support",
        "action": "refund_fee",
        "subject": {"type": "customer", "id": f"c-{hash(external_id) % 5000}", "label": "Customer 77"},
        "payload": {
            "message": "Do you charge for topping up by card? I was charged twice this week and did not expect it.",
            "amount": "12.00",
            "currency": "EUR",
            "account": "DE89 3704 0044 0532 0130 00",
        },
        "confidence": confidence,
        "alternatives": [{"action": "trace_top_up", "confidence": 0.068271}, {"action": "explain", "confidence": 0.03}],
        "reasoning": REASONING,
        "context": {"channel": "chat", "language": "en", "sequence": 1, "account_age_days": 812},
        "model": {"name": "support-router", "version": "1.0", "prompt": "sha256:" + "5f" * 32},
    }


def bodies(prefix: str, number: int, *, confidence: float = 0.62) -> list[bytes]:
    return [json.dumps(submission(f"{prefix}-{at}", confidence=confidence)).encode() for at in range(number)]


def set_up() -> str:
    """Make it all; the client's key."""
    now = timezone.now()
    review, escalation, admins = (
        Group.objects.get_or_create(name=name)[0] for name in ("Support", "Support escalation", "Admins")
    )
    workflow = Workflow.objects.create(
        key="support",
        title="Support",
        kind=WorkflowKind.TRANSACTION,
        review_group=review,
        escalation_group=escalation,
        sla_minutes=60 * 24 * 30,
    )
    ActionType.objects.create(
        workflow=workflow,
        key="refund_fee",
        title="Refund a fee",
        what="The fee goes back to the customer's account.",
        reversibility=Reversibility.REVERSIBLE,
        editable_fields=["/message", "/amount"],
    )
    admin = User.objects.create_user("ada", is_staff=True, is_superuser=True)
    admin.groups.add(admins)
    reviewer = User.objects.create_user("ana", email="ana@example.org", password=PASSWORD)
    # She leads as well, so that one log-in opens the log and the insights.
    reviewer.groups.add(review, Group.objects.get_or_create(name="Leads")[0])
    draft = create_draft(workflow, author=admin, now=now)
    Threshold.objects.create(
        version=draft,
        autonomy=Autonomy.BY_CONFIDENCE,
        least_confidence=Decimal("0.85"),
        audit_rate=Decimal("0.02"),
        basis_reason="Tried for a year with a person at each step.",
        basis_holds_until=now + timedelta(days=90),
    )
    publish(draft, publisher=admin, reason="The first.", now=now)
    beat("evidence:support", now=now)
    client = Client.objects.create(name="Benchmark", scopes=list(Scope.values), rate_limit=0)
    client.workflows.add(workflow)
    return issue_key(client, now=now)


def fill_queue(database: str, owner: str, *, open_tickets: int) -> None:
    """COPY a waiting decision, its event and its ticket until so many are open. Statistics are brought up to date.

    A tenth is more urgent; confidences lie evenly between 0.40 and 0.84, all below what the policy lets run alone.
    """
    with psycopg.connect(database, autocommit=True) as connection:
        missing = open_tickets - scalar(connection, "SELECT count(*) FROM reviews_ticket WHERE state = 'open'")
        sample = _sample(connection) if missing > 0 else {}
        for begin in range(0, missing, AT_ONCE):
            rows = [_own(number) for number in range(begin, min(begin + AT_ONCE, missing))]
            # One transaction, so that no ticket is ever seen without its decision.
            with connection.transaction():
                for table, fields in sample.items():
                    _copy_like(connection, table, fields, [row[table] for row in rows])
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) reviews_decision, reviews_ticket, reviews_event")


AT_ONCE = 20_000
_LEFT_TO_THE_TABLE = {"reviews_event": {"id", "xid", "epoch"}}


def _sample(connection: psycopg.Connection) -> dict[str, dict[str, str]]:
    """A gate that waits, its decision and its first event, each column as COPY writes it."""
    row = connection.execute(
        "SELECT id, decision_id FROM reviews_ticket WHERE state = 'open' AND kind = 'gate' LIMIT 1"
    ).fetchone()
    assert row is not None
    ticket, decision = row
    of = {
        "reviews_decision": f"id = '{decision}'",
        "reviews_ticket": f"id = '{ticket}'",
        "reviews_event": f"decision_id = '{decision}' AND kind = 'decision.submitted'",
    }
    return {table: _as_copied(connection, table, condition) for table, condition in of.items()}


def _as_copied(connection: psycopg.Connection, table: str, condition: str) -> dict[str, str]:
    query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
    left = _LEFT_TO_THE_TABLE.get(table, set())
    names = [name for (name,) in connection.execute(query, [table]) if name not in left]
    with connection.cursor().copy(
        f"COPY (SELECT {', '.join(names)} FROM {table} WHERE {condition} LIMIT 1) TO STDOUT"
    ) as copy:
        line = b"".join(bytes(part) for part in copy).decode()
    return dict(zip(names, line.rstrip("\n").split("\t"), strict=True))


def _own(number: int) -> dict[str, dict[str, str]]:
    """What the copy of this number has of its own, by table."""
    decision, ticket = str(new_id()), str(new_id())
    at = (timezone.now() - timedelta(seconds=number)).isoformat()
    return {
        "reviews_decision": {
            "id": decision,
            "external_id": f"more-{decision}",
            "subject_id": f"c-{number % 5000}",
            "idempotency_key": "\\N",
            "payload_sha256": sha256(decision.encode()).hexdigest(),
            "confidence": f"0.{40 + number % 45}",
            "received_at": at,
        },
        "reviews_ticket": {
            "id": ticket,
            "decision_id": decision,
            "created_at": at,
            "priority": "1" if number % 10 == 0 else "2",
        },
        "reviews_event": {"decision_id": decision, "ticket_id": ticket, "body": "{}"},
    }


def _copy_like(
    connection: psycopg.Connection, table: str, fields: Mapping[str, str], rows: Sequence[Mapping[str, str]]
) -> None:
    """Rows that are like `fields` but for what each has of its own."""
    with connection.cursor().copy(f"COPY {table} ({', '.join(fields)}) FROM STDIN") as copy:
        for begin in range(0, len(rows), 500):
            lines = ("\t".join({**fields, **row}.values()) + "\n" for row in rows[begin : begin + 500])
            copy.write("".join(lines).encode())


def close_queue(database: str, *, leaving: int) -> None:
    """Take all but some of the open tickets out of the queue, with their outcomes, as when upstream cancels."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """
            WITH withdrawn AS (
                UPDATE reviews_ticket SET state = 'withdrawn', settled_at = now()
                 WHERE kind = 'gate' AND state = 'open' AND id NOT IN (
                    SELECT id FROM reviews_ticket WHERE kind = 'gate' AND state = 'open' ORDER BY id LIMIT %s)
                RETURNING decision_id
            )
            INSERT INTO reviews_outcome (decision_id, kind, method, action, payload, payload_sha256, settled_at)
            SELECT d.id, 'cancelled', 'system', d.action, d.payload, d.payload_sha256, now()
              FROM withdrawn JOIN reviews_decision d ON d.id = withdrawn.decision_id
            """,
            [leaving],
        )


def scalar(connection: psycopg.Connection, query: str, *parameters: object) -> int:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return int(row[0])
