"""Who takes part: a workflow under a policy, upstreams, reviewers, and what is found in the database afterwards."""

import http.client
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from reviews.models import Client, Decision, Endpoint, Outcome, Ticket
from reviews.services.endpoints import new_secret
from tests.factories import ESCALATION, SUPPORT, make_client, make_live_policy, make_user, proposal_body
from tests.faults.stage import Stage

WITHIN_SECONDS = 60
"""So long may it take, whatever dies, until a decision has its route."""
AGAIN = frozenset({409, 429, 500, 502, 503})
"""Answers after which a careful upstream sends the same again."""


def set_up() -> None:
    """Support decides alone from 0.85 upward."""
    make_live_policy(now=timezone.now())


def upstream(name: str, *, rate_limit: int = 0, endpoints: Sequence[str] = ()) -> "Upstream":
    client, key = make_client(name, now=timezone.now(), rate_limit=rate_limit)
    for url in endpoints:
        Endpoint.objects.create(client=client, url=url, secret=new_secret())
    return Upstream(client=client, key=key)


def reviewers(count: int) -> list[User]:
    return [make_user(f"reviewer-{number}", groups=[SUPPORT, ESCALATION]) for number in range(count)]


def body_of(external_id: str, *, confidence: float) -> dict[str, Any]:
    return proposal_body(external_id=external_id, confidence=confidence)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A client and its key. It keeps nothing open, so that its threads share it."""

    client: Client
    key: str

    def send(
        self, stage: Stage, method: str, path: str, body: Any = None, *, timeout: float = 20, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON. Raises OSError or HTTPException when there was no answer."""
        return call(
            stage.port, method, f"/api/v1{path}", body, timeout=timeout, Authorization=f"Bearer {self.key}", **headers
        )

    def submit_until_answered(
        self, stage: Stage, body: Mapping[str, Any], *, asynchronously: bool = False, within: float = WITHIN_SECONDS
    ) -> dict[str, Any]:
        """The same again until there is an answer, and then until there is a route. Raises NoRoute."""
        deadline = time.monotonic() + within
        headers = {"Idempotency-Key": body["external_id"]} | ({"Prefer": "respond-async"} if asynchronously else {})
        said: object = None
        while time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException, ValueError):
                status, answer = self.send(stage, "POST", "/decisions", body, **headers)
                said = status, answer
                if status in {200, 201} or (status == 202 and answer.get("route")):
                    return answer
                if status == 202:
                    return self.wait_for_route(stage, answer["id"], deadline=deadline)
                if status not in AGAIN:
                    break
            time.sleep(0.1)
        raise NoRoute(f"{body['external_id']} has no route after {within} s; last answer: {said}")

    def wait_for_route(self, stage: Stage, decision_id: str, *, deadline: float) -> dict[str, Any]:
        said: object = None
        while time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException, ValueError):
                status, answer = self.send(stage, "GET", f"/decisions/{decision_id}")
                said = status, answer
                if status == 200 and answer.get("route"):
                    return answer
            time.sleep(0.2)
        raise NoRoute(f"{decision_id}, taken in for later, has no route in time; last answer: {said}")


class NoRoute(AssertionError):
    """A decision had no route in time."""


def call(
    port: int, method: str, path: str, body: Any = None, *, timeout: float = 20, **headers: str
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


# --- Afterwards -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """What the database holds of the decisions that upstream was answered for."""

    lost: int  # answered for, and not there
    doubled: int  # more rows than one of an external id, or another one than was answered
    without_route: int  # neither a gate that waits nor an outcome


def find(answers: Mapping[str, str]) -> Found:
    """Of external ids and the decision's id that upstream was told for each."""
    connection.close()
    rows = list(Decision.everything.filter(external_id__in=list(answers)).values_list("external_id", "id"))
    there = {external_id: str(pk) for external_id, pk in rows}
    ids = [pk for _, pk in rows]
    routed = set(Ticket.objects.filter(decision__in=ids, kind="gate").values_list("decision_id", flat=True))
    routed |= set(Outcome.objects.filter(pk__in=ids).values_list("pk", flat=True))
    return Found(
        lost=sum(external_id not in there for external_id in answers),
        doubled=len(rows) - len(there) + sum(there.get(name, told) != told for name, told in answers.items()),
        without_route=sum(pk not in routed for pk in ids),
    )


def unique(what: str) -> str:
    return f"{what}-{uuid.uuid4()}"
