"""Who is answered how on the pages: every address × method × caller against one table. One without a row fails.

A row reads like those of tests/reviews/api/test_matrix.py. 302 is to the log-in, unless SENT_ON says otherwise.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.test import Client as Visitor
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from feedback.domain.vocabulary import AlarmKind, ExportShape
from feedback.models import Alarm, Export, Look, Seed
from reviews.domain.vocabulary import Scope
from reviews.models import Client, Decision, Event, SavedFilter
from reviews.services.keys import issue_key
from tests.factories import ada, ana, ines, make_client, omar
from tests.reviews.api.test_matrix import claimed, decided, noor, waiting

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PEOPLE = {"ana": ana, "noor": noor, "omar": omar, "ada": ada, "ines": ines}
CALLERS = ("nobody", *PEOPLE, "the client's key", "an executor's key")


class Row(NamedTuple):
    """`codes` are for the callers in the order of CALLERS."""

    address: str
    codes: str
    scene: Callable[[Client], Decision] = waiting
    body: dict[str, Any] = {}


OF_THE_CLAIM = {"claim_epoch": 1, "question": "Which plan?"}

# nobody | ana, noor, omar, ada, ines | the client's key, an executor's
TABLE = (
    Row("GET healthz", "200  200 200 200 200 200  200 200"),
    Row("GET readyz", "200  200 200 200 200 200  200 200"),
    Row("GET metrics", "200  200 200 200 200 200  200 200"),
    Row("GET .well-known/jwks.json", "200  200 200 200 200 200  200 200"),
    Row("GET login/", "200  302 302 302 302 302  200 200"),
    Row("POST login/", "200  302 302 302 302 302  200 200"),
    Row("POST logout/", "302  302 302 302 302 302  302 302"),
    Row("GET second-factor/", "302  302 302 302 302 302  302 302"),
    Row("POST second-factor/", "302  302 302 302 302 302  302 302"),
    Row("GET second-factor/new/", "302  200 200 200 200 200  302 302"),
    Row("POST second-factor/new/", "302  422 422 422 422 422  302 302"),
    Row("GET ", "302  200 200 200 200 200  302 302"),
    Row("POST filters", "302  422 422 422 422 422  302 302"),
    Row("POST filters/{filter}/delete", "302  302 302 302 302 302  302 302"),
    Row("GET lead/", "302  403 403 200 403 403  302 302"),
    Row("GET lead/tickets/{ticket}/", "302  403 403 200 403 403  302 302"),
    Row(
        "POST lead/tickets/{ticket}/end-claim",
        "302  403 403 302 403 403  302 302",
        scene=claimed,
        body={"reason": "away"},
    ),
    Row("POST lead/tickets/{ticket}/move", "302  403 403 422 403 403  302 302"),
    Row("GET status/", "302  403 403 200 200 403  302 302"),
    Row("GET log/", "302  403 403 200 200 200  302 302"),
    Row("GET log/{decision}/", "302  403 403 200 200 200  302 302"),
    Row("GET log.csv", "302  403 403 200 200 200  302 302"),
    Row("GET log.jsonl", "302  403 403 200 200 200  302 302"),
    Row("GET log/{decision}/comments", "302  403 403 200 200 200  302 302"),
    Row("POST log/{decision}/comments", "302  403 403 200 200 200  302 302"),
    Row("GET log/sealed/", "302  403 403 200 200 200  302 302"),
    Row("GET log/sealed.jsonl", "302  403 403 200 200 200  302 302"),
    Row("GET log/events/{event}/", "302  403 403 200 200 200  302 302"),
    Row("GET policies/{workflow}/try", "302  403 403 200 200 200  302 302"),
    Row("GET verdicts/", "302  200 200 200 200 200  302 302"),
    Row("GET preferences/", "302  200 200 200 200 200  302 302"),
    Row("POST preferences/", "302  422 422 422 422 422  302 302"),
    Row("POST tickets/next", "302  302 302 302 302 302  302 302"),
    Row("GET tickets/{ticket}/", "302  200 404 200 200 200  302 302"),
    Row("POST tickets/{ticket}/claim", "302  302 404 403 403 403  302 302"),
    Row("POST tickets/{ticket}/verdict", "302  422 404 422 422 422  302 302", scene=claimed, body=OF_THE_CLAIM),
    Row("POST tickets/{ticket}/ask", "302  302 404 409 409 409  302 302", scene=claimed, body=OF_THE_CLAIM),
    Row("POST tickets/{ticket}/escalate", "302  302 404 409 409 409  302 302", scene=claimed, body=OF_THE_CLAIM),
    Row("POST tickets/{ticket}/estimate", "302  409 404 409 409 409  302 302", scene=claimed, body=OF_THE_CLAIM),
    Row("POST tickets/{ticket}/skip", "302  302 404 409 409 409  302 302", scene=claimed, body=OF_THE_CLAIM),
    Row("POST tickets/{ticket}/release", "302  302 404 409 409 409  302 302", scene=claimed, body=OF_THE_CLAIM),
    Row("POST tickets/{ticket}/renew", "302  200 404 409 409 409  302 302", scene=claimed, body=OF_THE_CLAIM),
    Row("POST tickets/{ticket}/presence", "302  200 404 200 200 200  302 302", scene=claimed, body=OF_THE_CLAIM),
    Row("POST tickets/{ticket}/changes", "302  200 404 200 200 200  302 302", scene=claimed, body=OF_THE_CLAIM),
    Row("POST tickets/{ticket}/undo", "302  302 404 403 403 403  302 302", scene=decided),
    Row("GET tickets/{ticket}/alike", "302  200 404 200 200 200  302 302"),
    Row("GET tickets/{ticket}/record", "302  200 404 200 200 200  302 302"),
    Row("GET policies/", "302  200 200 200 200 200  302 302"),
    Row("GET policies/{workflow}/", "302  200 200 200 200 200  302 302"),
    Row("GET policies/{workflow}/versions/{number}/", "302  200 200 200 200 200  302 302"),
    Row("GET pause", "302  403 403 200 200 403  302 302"),
    Row("POST pause", "302  403 403 302 302 403  302 302", body={"reason": "Because."}),
    Row("GET resume", "302  403 403 200 200 403  302 302"),
    Row("POST resume", "302  403 403 409 409 403  302 302", body={"reason": "Because."}),
    Row("GET workflows/{workflow}/pause", "302  403 403 200 200 403  302 302"),
    Row("POST workflows/{workflow}/pause", "302  403 403 302 302 403  302 302", body={"reason": "Because."}),
    Row("GET workflows/{workflow}/resume", "302  403 403 200 200 403  302 302"),
    Row("POST workflows/{workflow}/resume", "302  403 403 409 409 403  302 302", body={"reason": "Because."}),
    Row("GET insights/", "302  403 403 200 200 200  302 302"),
    Row("GET insights/evidence/", "302  403 403 200 200 200  302 302"),
    Row("POST insights/evidence/draft", "302  403 403 403 422 403  302 302"),
    Row("POST insights/evidence/looks", "302  403 403 403 422 403  302 302"),
    Row("POST insights/evidence/looks/{look}/withdraw", "302  403 403 403 302 403  302 302"),
    Row("POST insights/evidence/looks/{look}/draft", "302  403 403 403 302 403  302 302"),
    Row("GET insights/exports/", "302  403 403 200 200 200  302 302"),
    Row("POST insights/exports/", "302  403 403 422 422 422  302 302"),
    Row("GET insights/exports/{export}/file", "302  403 403 409 409 409  302 302"),
    Row("GET insights/backtests/{workflow}/{number}/", "302  403 403 200 200 200  302 302"),
    Row("POST insights/backtests/{workflow}/{number}/", "302  403 403 422 422 422  302 302"),
    Row("GET insights/alarms/{alarm}/", "302  403 403 200 200 200  302 302"),
    Row("POST insights/alarms/{alarm}/acknowledge", "302  403 403 422 422 403  302 302"),
    Row("GET insights/known-answers/", "302  403 403 200 200 200  302 302"),
    Row("POST insights/known-answers/", "302  403 403 422 422 403  302 302"),
    Row("POST insights/known-answers/{seed}/retire", "302  403 403 302 302 403  302 302"),
    Row("GET insights/me/", "302  200 200 200 200 200  302 302"),
)


def world(row: Row) -> dict[str, str]:
    now = timezone.now()
    client, _ = make_client(scopes=tuple(Scope), now=now)
    make_client("Executor", scopes=[Scope.PERMITS_REDEEM], now=now)
    decision = row.scene(client)
    workflow = decision.workflow
    people = {name: make() for name, make in PEOPLE.items()}
    alarm = Alarm.objects.create(kind=AlarmKind.values[0], workflow=workflow, message="Odd.", raised_at=now)
    seed = Seed.objects.create(
        workflow=workflow,
        content={},
        right_action="x",
        ai_is_right=True,
        evidence="e",
        planted_by=people["ada"],
        planted_at=now,
    )
    look = Look.objects.create(
        workflow=workflow, alpha=0.02, delta=0.05, n=600, planned_by=people["ada"], planned_at=now
    )
    export = Export.objects.create(
        workflow=workflow, shape=ExportShape.values[0], requested_by=people["omar"], requested_at=now
    )
    saved = SavedFilter.objects.create(user=people["ana"], title="Mine", query="")
    ticket = decision.tickets.first()
    return {
        "decision": str(decision.pk),
        "ticket": str(ticket.pk if ticket else decision.pk),
        "alarm": str(alarm.pk),
        "look": str(look.pk),
        "seed": str(seed.pk),
        "export": str(export.pk),
        "filter": str(saved.pk),
        "event": str(Event.objects.filter(decision=decision).earliest("pk").pk),
        "number": "1",
    }


def visitor_as(caller: str) -> tuple[Visitor, dict[str, str]]:
    """Whoever asks, and the headers that say so."""
    visitor = Visitor(raise_request_exception=False)
    if caller in PEOPLE:
        visitor.force_login(PEOPLE[caller]())
    if caller.endswith("key"):
        name = "Executor" if "executor" in caller else "Support agent"
        return visitor, {"Authorization": f"Bearer {issue_key(Client.objects.get(name=name), now=timezone.now())}"}
    return visitor, {}


def answered(method: str, path: str, *, caller: str, body: dict[str, Any]) -> int:
    """The status that a caller gets; what it did is taken back."""
    with transaction.atomic():
        visitor, headers = visitor_as(caller)
        send = visitor.generic if method not in ("GET", "POST") else getattr(visitor, method.lower())
        more = (path,) if method in ("GET", "POST") else (method, path)
        response = send(*more, body, headers=headers) if method == "POST" else send(*more, headers=headers)
        transaction.set_rollback(True)
    return response.status_code


@pytest.mark.parametrize("row", TABLE, ids=[row.address for row in TABLE])
def test_each_caller_is_answered_as_the_table_says(support, row):
    method, _, path = row.address.partition(" ")
    path = "/" + path.format(**world(row), workflow="support")

    got = {caller: answered(method, path, caller=caller, body=row.body) for caller in CALLERS}

    assert got == dict(zip(CALLERS, map(int, row.codes.split()), strict=True))


def test_every_address_has_its_row():
    known = {row.address.partition(" ")[2].partition("?")[0] for row in TABLE}
    assert set(addresses()) == known


def test_what_no_row_names_is_no_method_of_any_page(support):
    known = {row.address.partition("?")[0] for row in TABLE}
    names = world(TABLE[0]) | {"workflow": "support"}
    visitors = [Visitor(), visitor_as("ada")[0]]

    wrong = [
        f"{method} {address}"
        for address in addresses()
        for method in METHODS
        if f"{method} {address}" not in known
        if {each.generic(method, "/" + address.format(**names)).status_code for each in visitors} - {405, 302}
    ]

    assert wrong == []


def addresses() -> Iterator[str]:
    """Each path outside the API and the admin, with the names of its parameters as the table writes them."""
    for path in _below(get_resolver().url_patterns, ""):
        if not path.startswith(("api/", "admin/")):
            yield re.sub(r"<\w+:\w+>", lambda parameter: PARAMETERS[parameter[0]], path)


PARAMETERS = {
    "<uuid:decision_id>": "{decision}",
    "<uuid:ticket_id>": "{ticket}",
    "<slug:key>": "{workflow}",
    "<int:number>": "{number}",
    "<int:alarm_id>": "{alarm}",
    "<uuid:seed_id>": "{seed}",
    "<uuid:look_id>": "{look}",
    "<uuid:export_id>": "{export}",
    "<int:filter_id>": "{filter}",
    "<int:event_id>": "{event}",
}


def _below(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _below(pattern.url_patterns, path)
        else:
            yield path


# ---- The admin ------------------------------------------------------------------------------------------------------


def admin_addresses() -> Iterator[str]:
    for path in _below(get_resolver().url_patterns, ""):
        if path.startswith("admin/") and not path.startswith(("admin/login", "admin/logout")):
            yield path


@pytest.mark.parametrize("caller", ["nobody", "omar", "the client's key"])
def test_the_admin_opens_to_staff_alone(support, caller):
    """Each of its addresses, as the object 1 has them, sends whoever is no staff away, or finds nothing."""
    world(TABLE[0])
    visitor, headers = visitor_as(caller)
    paths = ["/" + re.sub(r"<[^>]+>", "1", pattern).replace("^", "").replace("$", "") for pattern in admin_addresses()]

    opened = [
        f"{method} {path}"
        for path in paths
        for method in ("GET", "POST")
        if visitor.generic(method, path, headers=headers).status_code not in (302, 403, 404)
    ]

    assert opened == []
