"""Who is answered how: every address × method × caller against one table. An address without a row fails."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from reviews.domain.vocabulary import Scope
from reviews.models import Client, Decision, Permit
from reviews.services.ask import ask_upstream
from reviews.services.claim import claim_ticket
from reviews.services.ingest import receive_one
from reviews.services.keys import issue_key
from reviews.services.permit import issue_permit
from tests.factories import (
    ada,
    ana,
    eve,
    gate_of,
    ines,
    make_client,
    make_user,
    make_workflow,
    omar,
    proposal_body,
    submit_one,
)
from tests.reviewing import answer_to, decide
from tests.reviews.api.calling import Caller

EVERY_SCOPE = tuple(Scope)


def noor() -> User:
    """Reviews refunds, and nothing of support's."""
    make_workflow("refunds", review_group="Refunds", escalation_group="Refunds escalation")
    return make_user("noor", groups=["Refunds"])


# In the order of the table's columns. Keys have every scope, but one has none, and an executor's can only redeem.
PEOPLE: dict[str, Callable[[], User]] = {"ana": ana, "noor": noor, "omar": omar, "ada": ada, "ines": ines, "eve": eve}
CALLERS = (
    *("nobody", "a key without scopes", "another client's key", "the client's key", "the executor's key"),
    *PEOPLE,
)
EXECUTOR = "Executor"


class Scene(NamedTuple):
    """What there is: a client, and one of its decisions, whose ticket stands where the row needs it."""

    client: Client
    decision: Decision
    ids: dict[str, str]
    answer: dict[str, Any]


def waiting(client: Client) -> Decision:
    return submit_one(client=client, now=timezone.now())


def asked(client: Client) -> Decision:
    decision, now = claimed(client), timezone.now()
    ticket = gate_of(decision)
    ask_upstream(ticket.pk, reviewer=ana(), epoch=ticket.claim_epoch, text="Which plan?", now=now)
    return decision


def claimed(client: Client) -> Decision:
    decision = waiting(client)
    claim_ticket(gate_of(decision).pk, reviewer=ana(), now=timezone.now())
    return decision


def decided(client: Client) -> Decision:
    decision = waiting(client)
    decide(gate_of(decision), ana(), now=timezone.now())
    return decision


def approved(client: Client) -> Decision:
    return submit_one(client=client, now=timezone.now(), confidence=0.95)


def permitted(client: Client) -> Decision:
    decision, now = approved(client), timezone.now()
    issue_permit(decision.id, client=client, audience=EXECUTOR, now=now)
    return decision


class Row(NamedTuple):
    """`codes` are for the callers in the order of CALLERS."""

    address: str
    codes: str
    scene: Callable[[Client], Decision] = waiting
    body: Callable[[Scene], Any] = lambda scene: {}
    content_type: str = "application/json"


#          nobody, no scope, another's key, the key, executor | ana, noor, omar, ada, ines, eve
FOR_KEYS = "401 403 {other} {own} {executor}                    401 401 401 401 401 401"
READING = " 401 403 403 403 403                                 200 404 200 200 200 404"
HOLDING = " 401 403 403 403 403                                 {own} 404 409 409 409 404"
STOPPING = "401 403 403 403 403                                 403 403 {own} {own} 403 403"
INSIGHTS = "401 403 200 200 403                                 403 403 200 200 200 403"
PROOFS = "  401 403 {0} {0} 403                                 403 403 {0} {0} {0} 403"
OPEN = "    200 200 200 200 200                                 200 200 200 200 200 200"


def for_keys(*, own: int, other: int, executor: int = 403) -> str:
    return FOR_KEYS.format(own=own, other=other, executor=executor)


def because(scene: Scene) -> Any:
    return {"reason": "Because."}


def of_the_claim(**more: Any) -> Callable[[Scene], Any]:
    return lambda scene: {"epoch": 1, **more}


TABLE = (
    Row("GET schema", OPEN),
    Row("GET docs", OPEN),
    Row("POST decisions", for_keys(own=201, other=201), body=lambda scene: proposal_body()),
    Row("GET decisions", for_keys(own=200, other=200)),
    Row(
        "POST decisions/batch",
        for_keys(own=202, other=202),
        body=lambda scene: json.dumps(proposal_body()).encode(),
        content_type="application/x-ndjson",
    ),
    Row("GET decisions/{decision}", for_keys(own=200, other=404)),
    Row("POST decisions/{decision}/cancel", for_keys(own=200, other=404)),
    Row(
        "POST decisions/{decision}/answer",
        for_keys(own=200, other=404),
        scene=asked,
        body=lambda scene: {"text": "The free one."},
    ),
    Row(
        "POST decisions/{decision}/truth",
        for_keys(own=201, other=404),
        body=lambda scene: {"right_action": "refund_fee"},
    ),
    Row(
        "POST truth",
        for_keys(own=201, other=404),
        body=lambda scene: {
            "client": scene.client.name,
            "external_id": scene.decision.external_id,
            "right_action": "refund_fee",
        },
    ),
    Row(
        "POST decisions/{decision}/execution",
        for_keys(own=201, other=404, executor=201),
        scene=permitted,
        body=lambda scene: {"status": "succeeded"},
    ),
    Row(
        "POST decisions/{decision}/permit",
        for_keys(own=201, other=404),
        scene=approved,
        body=lambda scene: {"audience": EXECUTOR},
    ),
    Row(
        "POST permits/{permit}/redeem",
        for_keys(own=404, other=404, executor=200),
        scene=permitted,
        body=lambda scene: {"act_sha256": scene.decision.payload_sha256},
    ),
    Row("GET events", for_keys(own=200, other=200)),
    Row("GET intakes/{intake}", for_keys(own=200, other=404)),
    # A log in which nothing is sealed; what is proved is in test_log.py.
    Row("GET log/checkpoint", PROOFS.format(404)),
    Row("GET log/events/{event}", PROOFS.format(404)),
    Row("GET log/consistency?first=0", PROOFS.format(404)),
    Row("POST tickets/next", "401 403 403 403 403    200 204 204 403 403 403"),
    Row("GET tickets/{ticket}", READING),
    Row("POST tickets/{ticket}/claim", "401 403 403 403 403  200 404 403 403 403 404"),
    Row(
        "POST tickets/{ticket}/verdict",
        HOLDING.format(own=200),
        scene=claimed,
        body=lambda scene: scene.answer,
    ),
    Row(
        "POST tickets/{ticket}/estimate",
        HOLDING.format(own=422),
        scene=claimed,
        body=of_the_claim(action="refund_fee"),
    ),
    Row("POST tickets/{ticket}/ask", HOLDING.format(own=201), scene=claimed, body=of_the_claim(text="Which plan?")),
    Row("POST tickets/{ticket}/release", HOLDING.format(own=204), scene=claimed, body=of_the_claim()),
    Row("POST tickets/{ticket}/skip", HOLDING.format(own=204), scene=claimed, body=of_the_claim()),
    Row("POST tickets/{ticket}/escalate", HOLDING.format(own=204), scene=claimed, body=of_the_claim()),
    Row("POST tickets/{ticket}/undo", "401 403 403 403 403  200 404 403 403 403 404", scene=decided),
    Row(
        "POST tickets/{ticket}/end-claim",
        "401 403 403 403 403               403 404 204 403 403 404",
        scene=claimed,
        body=lambda scene: {"reason": "urgent"},
    ),
    Row(
        "POST tickets/{ticket}/move",
        "401 403 403 403 403               403 404 204 403 403 404",
        body=lambda scene: {"reason": "load", "group": "Support escalation"},
    ),
    Row("POST pause", STOPPING.format(own=200), body=because),
    Row("POST resume", STOPPING.format(own=409), body=because),
    Row("POST workflows/{workflow}/pause", STOPPING.format(own=200), body=because),
    Row("POST workflows/{workflow}/resume", STOPPING.format(own=409), body=because),
    *(
        Row(f"GET insights/{name}?workflow=support", INSIGHTS)
        for name in ("overrides", "calibration", "risk", "thresholds", "audits", "agreement", "drift")
    ),
)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("row", TABLE, ids=[row.address for row in TABLE])
def test_each_caller_is_answered_as_the_table_says(support, row, caller):
    scene = set_up(row)
    method, _, path = row.address.partition(" ")
    body = row.body(scene)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    response = speaking(caller, scene).call(
        method,
        path.format(**scene.ids),
        raw if method == "POST" else b"",
        content_type=row.content_type,
        If_Match='"2"',  # The version of a ticket that was claimed once.
    )

    expected = dict(zip(CALLERS, map(int, row.codes.split()), strict=True))
    assert response.status_code == expected[caller], response.content
    if response.status_code >= 400:
        assert response["Content-Type"] == "application/problem+json"


def set_up(row: Row) -> Scene:
    now = timezone.now()
    client, _ = make_client(scopes=EVERY_SCOPE, now=now)
    make_client(EXECUTOR, scopes=[Scope.PERMITS_REDEEM], now=now)
    decision = row.scene(client)
    ticket = decision.tickets.first()
    permit = Permit.objects.first()
    intake = receive_one(client=client, raw=b"{}", key=None, now=now)
    answer = answer_to(ticket, ana(), now=now) if row.scene is claimed else None
    return Scene(
        client=client,
        decision=decision,
        ids={
            "decision": str(decision.id),
            "ticket": str(ticket.id if ticket else decision.id),
            "intake": str(intake.id),
            "permit": str(permit.jti if permit else decision.id),
            "workflow": "support",
            "event": str(decision.events.latest("id").pk),
        },
        answer={
            "kind": "approve",
            "epoch": answer.epoch,
            "shown_sha256": answer.shown_sha256,
            "request_key": answer.request_key,
        }
        if answer
        else {},
    )


def speaking(caller: str, scene: Scene) -> Caller:
    now = timezone.now()
    if caller in PEOPLE:
        return Caller(user=PEOPLE[caller]())
    if caller == "a key without scopes":
        scene.client.scopes = []
        scene.client.save()
        return Caller(key=issue_key(scene.client, now=now))
    if caller == "the executor's key":
        return Caller(key=issue_key(Client.objects.get(name=EXECUTOR), now=now))
    if caller == "another client's key":
        return Caller(key=make_client("Other agent", scopes=EVERY_SCOPE, now=now)[1])
    return Caller(key=issue_key(scene.client, now=now)) if caller == "the client's key" else Caller()


def test_every_address_has_its_row():
    known = {row.address.partition("?")[0] for row in TABLE}

    assert set(addresses()) == known


def addresses() -> Iterator[str]:
    """Each method and path below /api/v1/, with the names of its parameters as the table writes them."""
    for path, pattern in _below(get_resolver().url_patterns, ""):
        if not path.startswith("api/v1/"):
            continue
        view = getattr(pattern.callback, "view_class", None)
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(view, method):
                yield f"{method.upper()} {_named(path.removeprefix('api/v1/'))}"


def _below(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _below(pattern.url_patterns, path)
        else:
            yield path, pattern


def _named(path: str) -> str:
    names = {
        "<uuid:decision_id>": "{decision}",
        "<uuid:ticket_id>": "{ticket}",
        "<uuid:intake_id>": "{intake}",
        "<uuid:jti>": "{permit}",
        "<slug:key>": "{workflow}",
        "<int:event_id>": "{event}",
    }
    for wanted, name in names.items():
        path = path.replace(wanted, name)
    return path
