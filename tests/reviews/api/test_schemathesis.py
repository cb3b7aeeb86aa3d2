"""Requests made from the schema, good and bad, and every answer held against it."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client as Browser
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig

from config.wsgi import application
from policies.domain.strict_json import MAX_NUMBER
from reviews.domain.vocabulary import Scope
from reviews.services.ingest import receive_one
from reviews.services.permit import issue_permit
from tests.factories import gate_of, make_client, make_user, submit_one

SECRET = "t" * 32  # The token of a session's forms, which the header repeats.


@pytest.fixture
def _in_one_transaction() -> Iterator[None]:
    """As in Django's own test client: the end of a request doesn't close the test's connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def world(support, _in_one_transaction) -> dict[str, Any]:
    """What the paths can name, and who asks: a key with every scope, and one person with every role."""
    now = timezone.now()
    client, key = make_client(scopes=tuple(Scope), rate_limit=0, now=now)
    decisions = [submit_one(client=client, now=now, confidence=confidence) for confidence in (0.62, 0.62, 0.95)]
    person = make_user("paula", groups=["Support", "Support escalation", "Leads", "Admins", "Auditors"])
    browser = Browser()
    browser.force_login(person)
    intake = receive_one(client=client, raw=b"{}", key=None, now=now)
    _, executors_key = make_client("Executor", scopes=tuple(Scope), rate_limit=0, now=now)
    permits = [
        issue_permit(decision.id, client=client, audience="Executor", now=now).permit
        for decision in (submit_one(client=client, now=now, confidence=0.95) for _ in range(2))
    ]
    return {
        "key": {"Authorization": f"Bearer {key}"},
        "executor": {"Authorization": f"Bearer {executors_key}"},
        "cookieAuth": {
            "Cookie": f"sessionid={browser.cookies['sessionid'].value}; csrftoken={SECRET}",
            "X-CSRFToken": SECRET,
        },
        "decision_id": itertools.cycle(str(decision.id) for decision in decisions),
        "ticket_id": itertools.cycle(str(gate_of(decision).id) for decision in decisions[:2]),
        "jti": itertools.cycle(str(permit.jti) for permit in permits),
        "event_id": itertools.cycle([str(decisions[0].events.earliest("id").pk)]),
        "intake_id": itertools.cycle([str(intake.id)]),
        "key_of_workflow": itertools.cycle(["support", "nowhere"]),
    }


@schemathesis.serializer("application/x-ndjson")
def _as_it_is(context: object, value: object) -> bytes:
    """Only text can be lines."""
    return value.encode() if isinstance(value, str) else b""


load_all_checks()
ALL_CHECKS = CHECKS.get_all()
# A NUL in a string is refused, which JSON Schema can't say; tests of hostile JSON send it.
CONFIG = SchemathesisConfig.from_dict({"generation": {"allow-x00": False, "mode": "all"}})
schema = schemathesis.openapi.from_wsgi("/api/v1/schema", application, config=CONFIG)


@schema.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_the_schema_says(world, case):
    (way,) = itertools.islice((name for way in case.operation.definition.raw["security"] for name in way), 1)
    for name in case.path_parameters:
        case.path_parameters[name] = next(world["key_of_workflow" if name == "key" else name])
    if case.meta.generation.mode == GenerationMode.POSITIVE:
        make_sense(case)
    if case.path.startswith("/api/v1/permits/"):
        way = "executor"
    case.call_and_validate(headers=world[way], checks=ALL_CHECKS)


def make_sense(case: schemathesis.Case) -> None:
    """What is well formed may still make no sense; here it does, so that it must be taken."""
    if case.query and case.path.startswith("/api/v1/insights/"):
        case.query.update({"workflow": "support", "model": "support-router"})
    if case.query and "wait" in case.query:
        case.query["wait"] = 0
    if case.method == "POST" and isinstance(case.body, dict):
        case.body = in_range(case.body)
    if case.path.endswith("/permit") and isinstance(case.body, dict):
        case.body["audience"] = "Executor"
    if case.path == "/api/v1/decisions" and case.method == "POST":
        case.body.update({"workflow": "support", "deadline": "2126-12-01T12:00:00Z"})


def in_range(value: Any) -> Any:
    """The same with no number past ±(2^53−1), which no double tells apart from its neighbours."""
    if isinstance(value, dict):
        return {name: in_range(member) for name, member in value.items()}
    if isinstance(value, list):
        return [in_range(member) for member in value]
    return 0 if isinstance(value, int | float) and abs(value) > MAX_NUMBER else value
