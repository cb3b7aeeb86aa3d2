"""Plain functions that make what a test needs, and the people of the tests.

Ana and Ben review, Omar leads, Ada administers, Ines audits, Eve has no part in anything.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User

from policies.domain.canonical import canonical_bytes
from policies.domain.spec import digest_of
from policies.domain.vocabulary import Autonomy, Reversibility, VersionStatus, WorkflowKind
from policies.models import ActionType, PolicyVersion, Rule, Threshold, Workflow
from policies.queries import written_document
from reviews.domain.submission import parse_submission
from reviews.domain.vocabulary import Scope
from reviews.models import Client, Decision, Heartbeat, Ticket
from reviews.services.keys import issue_key
from reviews.services.submit import submit_decision

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning, for tests that don't care when it is."""
PASSWORD = "correct-horse-battery"

SUPPORT, ESCALATION = "Support", "Support escalation"
LEADS, ADMINS, AUDITORS = "Leads", "Admins", "Auditors"
_numbers = itertools.count(1)

# --- People ---------------------------------------------------------------------------------------------------------


def make_group(name: str = SUPPORT) -> Group:
    """The group of this name, made if it isn't there."""
    return Group.objects.get_or_create(name=name)[0]


def make_user(name: str, *, groups: Sequence[str] = (), **fields: Any) -> User:
    """The user of this name with their e-mail at example.org, made if they aren't there, in these groups."""
    user, made = User.objects.get_or_create(
        username=name,
        defaults={
            "email": f"{name}@example.org",
            "first_name": name.title(),
            "password": _hashed(PASSWORD),
            **fields,
        },
    )
    if made:
        user.groups.set([make_group(group) for group in groups])
    return user


@lru_cache(maxsize=1)
def _hashed(password: str) -> str:
    """Hashing is slow on purpose; once is enough for all the people of the tests."""
    return make_password(password)


def ana() -> User:
    """Reviews."""
    return make_user("ana", groups=[SUPPORT])


def ben() -> User:
    """Reviews, and is in the escalation group."""
    return make_user("ben", groups=[SUPPORT, ESCALATION])


def omar() -> User:
    """Leads, and reviews what is escalated."""
    return make_user("omar", groups=[LEADS, ESCALATION])


def ada() -> User:
    """Administers; reviews nothing."""
    return make_user("ada", groups=[ADMINS], is_staff=True, is_superuser=True)


def ines() -> User:
    """Audits."""
    return make_user("ines", groups=[AUDITORS])


def eve() -> User:
    """Can log in, and has no part in anything."""
    return make_user("eve")


# --- What may act alone ---------------------------------------------------------------------------------------------


def make_workflow(
    key: str = "support", *, review_group: str = SUPPORT, escalation_group: str = ESCALATION, **fields: Any
) -> Workflow:
    """The workflow of this key, made if it isn't there."""
    defaults = {
        "title": key.title(),
        "kind": WorkflowKind.TRANSACTION,
        "review_group": make_group(review_group),
        "escalation_group": make_group(escalation_group),
        **fields,
    }
    return Workflow.objects.get_or_create(key=key, defaults=defaults)[0]


def make_action(workflow: Workflow, key: str = "refund_fee", **fields: Any) -> ActionType:
    """The action of this key in the workflow, made if it isn't there: reversible, unless said otherwise."""
    defaults = {
        "title": key.replace("_", " ").capitalize(),
        "what": "The fee goes back to the customer's account.",
        "ask": "Is the fee really refundable under the customer's plan?",
        "reversibility": Reversibility.REVERSIBLE,
        "editable_fields": ["/message", "/amount"],
        **fields,
    }
    return ActionType.objects.get_or_create(workflow=workflow, key=key, defaults=defaults)[0]


def make_live_policy(
    workflow: Workflow | None = None,
    *,
    thresholds: Sequence[Mapping[str, Any]] | None = None,
    rules: Sequence[Mapping[str, Any]] = (),
    now: datetime = NOW,
    monitored: bool = True,
    status: str = VersionStatus.LIVE,
    **row: Any,
) -> PolicyVersion:
    """A version in force (and its evidence assessed just now, if monitored); what was live before is retired.

    Without `thresholds` it has one row, for every action of every model: alone from 0.85 upward, changed by `**row`.
    The action of a row may be given by its key. `refund_fee` is registered where the workflow has no action yet.
    """
    workflow = workflow or make_workflow()
    if not workflow.actions.exists():
        make_action(workflow)
    newest = PolicyVersion.objects.of(workflow).newest_first().first()
    version = PolicyVersion.objects.create(
        workflow=workflow,
        number=newest.number + 1 if newest else 1,
        author=ada(),
        created_at=now,
        base=PolicyVersion.objects.of(workflow).live().first(),
    )
    for values in thresholds if thresholds is not None else [row]:
        _make_threshold(version, **values)
    for position, values in enumerate(rules):
        group = values.get("group")
        fields = {"position": position, "ask": "", **values, "group": make_group(group) if group else None}
        Rule.objects.create(version=version, **fields)
    document = written_document(version)
    PolicyVersion.objects.of(workflow).filter(status=status).update(status=VersionStatus.RETIRED, retired_at=now)
    version.document = canonical_bytes(document).decode()
    version.digest = digest_of(document)
    version.status = status
    version.publisher = ada()
    version.published_at = now if status == VersionStatus.LIVE else None
    version.save()
    if monitored:
        assess_evidence(workflow, now=now)
    return version


def _make_threshold(version: PolicyVersion, *, action: str | ActionType | None = None, **values: Any) -> Threshold:
    if isinstance(action, str):
        action = ActionType.objects.get(workflow=version.workflow, key=action)
    defaults = {
        "autonomy": Autonomy.BY_CONFIDENCE,
        "least_confidence": Decimal("0.85"),
        "audit_rate": Decimal("0.0001"),
        "basis_reason": "Tried for a year with a person at each step.",
    }
    return Threshold.objects.create(version=version, action=action, **{**defaults, **values})


def assess_evidence(workflow: Workflow, *, now: datetime = NOW) -> None:
    """Say that the workflow's evidence was assessed at `now`, without which nothing runs alone."""
    Heartbeat.objects.update_or_create(name=f"evidence:{workflow.key}", defaults={"beat_at": now})


# --- Upstream -------------------------------------------------------------------------------------------------------


def make_client(
    name: str = "Support agent",
    *,
    workflows: Sequence[Workflow] | None = None,
    scopes: Sequence[str] = (Scope.DECISIONS_WRITE, Scope.DECISIONS_READ, Scope.PERMITS_ISSUE, Scope.TRUTH_WRITE),
    now: datetime = NOW,
    **fields: Any,
) -> tuple[Client, str]:
    """A client of these workflows (of `support` unless said otherwise), and its key as it goes behind `Bearer`."""
    client = Client.objects.create(name=name, scopes=list(scopes), **fields)
    client.workflows.set([make_workflow()] if workflows is None else workflows)
    return client, issue_key(client, now=now)


def proposal_body(**changes: Any) -> dict[str, Any]:
    """The JSON of a submission under a new external id. A change to None leaves the field out."""
    body = {
        "external_id": f"refund-{next(_numbers)}",
        "workflow": "support",
        "action": "refund_fee",
        "subject": {"type": "customer", "id": "c-77", "label": "Customer 77", "url": "https://crm.example/c-77"},
        "payload": {"message": "Do you charge for topping up?", "amount": "12.00", "currency": "EUR"},
        "confidence": 0.62,
        "alternatives": [{"action": "trace_top_up", "confidence": 0.068271}],
        "reasoning": "The customer asks for a fee back.",
        "context": {"channel": "chat"},
        "model": {"name": "support-router", "version": "1.0", "prompt": "sha256:" + "0" * 64},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def submit_one(
    *, client: Client | None = None, now: datetime = NOW, key: str | None = None, **changes: Any
) -> Decision:
    """The decision that comes of submitting `proposal_body(**changes)`, by the client made for it if none is given.

    Confidence 0.62 goes to a person under the policy of make_live_policy, 0.95 runs alone.
    """
    if client is None:
        client = Client.objects.filter(name="Support agent").first() or make_client(now=now)[0]
    raw = json.dumps(proposal_body(**changes)).encode()
    submitted = submit_decision(client=client, submission=parse_submission(raw), key=key, now=now)
    return Decision.everything.get(pk=submitted.answer["id"])


def gate_of(decision: Decision) -> Ticket:
    """The ticket that a decision waits for."""
    return Ticket.objects.gates().get(decision=decision)


def later(**parts: float) -> datetime:
    """NOW and so much more: later(minutes=5)."""
    return NOW + timedelta(**parts)
