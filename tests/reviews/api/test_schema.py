"""The API's description of itself: true, complete, and changed only on purpose."""

import copy
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.utils import timezone
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from policies.domain.strict_json import Refused
from reviews.domain.submission import parse_submission
from reviews.domain.vocabulary import Scope
from tests.factories import ana, gate_of, make_client, proposal_body, submit_one
from tests.reviewing import decide
from tests.reviews.api.calling import Caller

SNAPSHOT = Path(__file__).parent / "openapi.json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    made = SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS, "drf-spectacular warns of something"
    plain: dict[str, Any] = json.loads(json.dumps(made, default=str))
    return plain


def test_it_is_the_one_that_was_agreed(schema):
    agreed = json.loads(SNAPSHOT.read_text())

    assert schema == agreed, (
        "The API changed. If that is meant: manage.py spectacular --format openapi-json --file " + str(SNAPSHOT)
    )


def test_it_is_openapi_3_1(schema):
    assert schema["openapi"] == "3.1.0"
    validate_schema(schema)


def test_it_is_served_to_anybody_and_read_by_the_docs(client, db, schema):
    served = client.get("/api/v1/schema")

    assert served.status_code == 200
    assert served.json()["paths"].keys() == schema["paths"].keys()
    assert b'data-schema="/api/v1/schema"' in client.get("/api/v1/docs").content


def test_every_operation_says_what_it_does_and_how_it_refuses(schema):
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (path, method)
            assert operation["security"], (path, method)
            responses = operation["responses"]
            assert {"401", "403", "422", "429", "503"} <= responses.keys(), (path, method)
            for status, response in responses.items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"], (path, method, status)


def test_no_operation_of_people_names_keys_and_none_of_keys_names_sessions(schema):
    for path, operations in schema["paths"].items():
        ways = {name for operation in operations.values() for way in operation["security"] for name in way}
        section = path.removeprefix("/api/v1/").split("/")[0]
        either = {"key", "cookieAuth"}
        expected = {"insights": either, "log": either}.get(
            section, {"key"} if section in ("decisions", "events", "intakes", "permits", "truth") else {"cookieAuth"}
        )
        assert ways == expected, path


# ---- What is documented of a submission is what is taken ------------------------------------------------------------


def validator_of(schema: dict[str, Any], name: str) -> jsonschema.Draft202012Validator:
    checker = jsonschema.FormatChecker(formats=())
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
    checker.checks("date-time")(lambda value: not isinstance(value, str) or bool(moment.fullmatch(value)))
    document = {"$ref": f"#/components/schemas/{name}", "components": schema["components"]}
    return jsonschema.Draft202012Validator(document, format_checker=checker)


def is_taken(body: Any) -> bool:
    try:
        parse_submission(json.dumps(body).encode())
    except Refused:
        return False
    return True


FULL = {
    "external_id": "refund-8841",
    "workflow": "support",
    "action": "refund_fee",
    "subject": {"type": "customer", "id": "c-77", "label": "Customer 77", "url": "https://crm.example/c-77"},
    "payload": {"amount": "12.00"},
    "confidence": 0.853044,
    "alternatives": [{"action": "trace_top_up", "confidence": 0.068271}],
    "reasoning": "Because.",
    "context": {"channel": "chat"},
    "model": {"name": "support-router", "version": "1.0", "prompt": "sha256:0"},
    "requested_by": "ana@example.org",
    "deadline": "2126-12-01T12:00:00Z",
    "run": {"id": "r", "call_id": "c", "state": {"step": 1}},
}
LENGTHS = (0, 1, 50, 51, 80, 81, 120, 121, 255, 256, 320, 321, 500, 501, 2_000, 2_001, 100_000, 100_001)
VALUES = (
    *("x" * length for length in LENGTHS),
    *("https://" + "x" * (length - 8) for length in (9, 2_000, 2_001)),
    *("http://h", "ftp://h", "javascript:alert(1)", "HTTPS://h", "2126-12-01T12:00:00+02:00", "2126-12-01"),
    *(None, True, False, 0, 1, -1, 2, 0.5, 1.0, 1.5, -0.0, 1e-9),
    *([], [1], ["x"], [{}], [{"action": "x"}], [{"action": "x", "confidence": None}]),
    *([{"action": "x"}] * 100, [{"action": "x"}] * 101),
    *({}, {"a": 1}, {"type": "t", "id": "i"}, {"name": "n", "version": "v"}, {"id": None}),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in inner:
        yield from places(member, (*path, key))


def changed(path: tuple[Any, ...], value: Any) -> Any:
    """FULL with another value at a place."""
    if not path:
        return value
    made = copy.deepcopy(FULL)
    holder: Any = made
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return made


def without(path: tuple[Any, ...]) -> Any:
    made = copy.deepcopy(FULL)
    holder: Any = made
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    return made


def variants() -> Iterator[Any]:
    every = list(places(FULL))
    yield from (changed(path, value) for path, value in itertools.product(every, VALUES))
    yield from (without(path) for path in every if path)
    for path in every:
        holder: Any = FULL
        for step in path:
            holder = holder[step]
        if isinstance(holder, dict):
            yield changed(path, {**holder, "unknown": 1})


def test_a_submission_is_taken_if_and_only_if_the_schema_says_so(schema):
    validator = validator_of(schema, "Submission")
    documented = {True: 0, False: 0}

    for body in variants():
        allowed = validator.is_valid(body)
        documented[allowed] += 1
        assert is_taken(body) == allowed, json.dumps(body)[:600]

    assert min(documented.values()) > 300


# ---- What is documented of the answers is what is answered ----------------------------------------------------------


def check(schema: dict[str, Any], path: str, method: str, response: Any) -> None:
    documented = schema["paths"][f"/api/v1/{path}"][method]["responses"]
    assert str(response.status_code) in documented, response.status_code
    content = documented[str(response.status_code)].get("content", {})
    if not content:
        assert not response.content
        return
    assert response["Content-Type"] in content
    document = {**content[response["Content-Type"]]["schema"], "components": schema["components"]}
    jsonschema.Draft202012Validator(closed(document)).validate(json.loads(response.content))


def closed(schema: Any) -> Any:
    """The same, where an object has the fields that are named and no others."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(each) for name, each in schema.items()}
    # What a problem says beyond its members differs by its kind.
    if isinstance(schema.get("properties"), dict) and "instance" not in schema["properties"]:
        made.setdefault("additionalProperties", False)
    return made


def test_answers_hold_what_the_schema_says_and_nothing_else(schema, agent, agents_client):
    submitted = agent.post("decisions", proposal_body(confidence=0.95))
    check(schema, "decisions", "post", submitted)
    check(schema, "decisions", "post", agent.post("decisions", proposal_body()))
    check(schema, "decisions", "post", agent.post("decisions", proposal_body(), Prefer="respond-async"))
    check(schema, "decisions", "post", agent.post("decisions", {}))
    check(schema, "decisions", "get", agent.get("decisions"))
    check(schema, "decisions/{decision_id}", "get", agent.get(f"decisions/{submitted.json()['id']}"))
    check(schema, "events", "get", agent.get("events"))
    ran = f"decisions/{submitted.json()['id']}"
    check(schema, "decisions/{decision_id}/execution", "post", agent.post(f"{ran}/execution", {"status": "failed"}))
    check(schema, "decisions/{decision_id}/truth", "post", agent.post(f"{ran}/truth", {"right_action": "x"}))
    check(schema, "decisions/{decision_id}/cancel", "post", agent.post(f"{ran}/cancel"))
    _, executors_key = make_client("Executor", scopes=[Scope.PERMITS_REDEEM], now=timezone.now())
    permit = agent.post(f"{ran}/permit", {"audience": "Executor"})
    check(schema, "decisions/{decision_id}/permit", "post", permit)
    executed = submitted.json()["outcome"]["payload_sha256"]
    redeem = f"permits/{permit.json()['jti']}/redeem"
    for _ in range(2):
        redeemed = Caller(key=executors_key).post(redeem, {"act_sha256": executed})
        check(schema, "permits/{jti}/redeem", "post", redeemed)

    decision = submit_one(client=agents_client, now=timezone.now())
    reviewer = Caller(user=ana())
    ticket = f"tickets/{gate_of(decision).id}"
    check(schema, "tickets/{ticket_id}", "get", reviewer.get(ticket))
    check(schema, "tickets/{ticket_id}/claim", "post", reviewer.post(f"{ticket}/claim"))
    check(schema, "tickets/{ticket_id}/ask", "post", reviewer.post(f"{ticket}/ask", {"epoch": 1, "text": "Which?"}))
    check(schema, "decisions/{decision_id}", "get", agent.get(f"decisions/{decision.id}"))
    answered = agent.post(f"decisions/{decision.id}/answer", {"text": "This.", "context": {"a": [1]}})
    check(schema, "decisions/{decision_id}/answer", "post", answered)
    check(schema, "tickets/{ticket_id}", "get", reviewer.get(ticket))
    decide(gate_of(decision), ana(), now=timezone.now())
    check(schema, "tickets/{ticket_id}", "get", reviewer.get(ticket))
    check(schema, "tickets/{ticket_id}/undo", "post", reviewer.post(f"{ticket}/undo"))
    check(schema, "tickets/{ticket_id}/verdict", "post", reviewer.post(f"{ticket}/verdict"))
    check(schema, "tickets/next", "post", reviewer.post("tickets/next", {"workflow": "nowhere"}))
