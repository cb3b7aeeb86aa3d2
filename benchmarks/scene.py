"""What there is to measure with: a workflow under a policy, a client, a reviewer, and a queue of any length."""

import json
from datetime import timedelta
from decimal import Decimal

import psycopg
from django.contrib.auth.models import Group, User
from django.utils import timezone

from policies.domain.vocabulary import Autonomy, Reversibility, WorkflowKind
from policies.models import ActionType, Threshold, Workflow
from policies.services import create_draft, publish
from reviews.domain.vocabulary import Scope
from reviews.models import Client
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
    """Copy one waiting decision, its event and its ticket until so many are open. Statistics are brought up to date."""
    with psycopg.connect(database, autocommit=True) as connection:
        there = scalar(connection, "SELECT count(*) FROM reviews_ticket WHERE state = 'open'")
        missing = open_tickets - there
        while missing > 0:
            number = min(missing, 50_000)
            connection.execute(_MORE, [number])
            missing -= number
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) reviews_decision, reviews_ticket, reviews_event")


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


_MORE = """
WITH sample AS (
    SELECT d, t FROM reviews_decision d JOIN reviews_ticket t ON t.decision_id = d.id
     WHERE t.state = 'open' AND t.kind = 'gate' LIMIT 1
), more AS MATERIALIZED (
    SELECT new_id() AS id, new_id() AS ticket, n FROM generate_series(1, %s) n
), decisions AS (
    INSERT INTO reviews_decision
    SELECT (jsonb_populate_record(s.d, jsonb_build_object(
        'id', m.id, 'external_id', 'more-' || m.id, 'subject_id', 'c-' || m.n %% 5000, 'idempotency_key', NULL,
        'payload_sha256', encode(sha256(m.id::text::bytea), 'hex'),
        'received_at', now() - m.n * interval '1 second'))).*
      FROM sample s, more m
    RETURNING id
), tickets AS (
    INSERT INTO reviews_ticket
    SELECT (jsonb_populate_record(s.t, jsonb_build_object(
        'id', m.ticket, 'decision_id', m.id, 'created_at', now() - m.n * interval '1 second',
        'priority', CASE WHEN m.n %% 10 = 0 THEN 1 ELSE 2 END))).*
      FROM sample s, more m
    RETURNING id
)
INSERT INTO reviews_event (kind, at, client_id, workflow_id, decision_id, ticket_id, body)
SELECT 'decision.submitted', now(), (s.d).client_id, (s.d).workflow_id, m.id, m.ticket, '{}' FROM sample s, more m
"""
