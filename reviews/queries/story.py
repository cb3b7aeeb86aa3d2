"""What happened to a decision, from submission to execution."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from reviews.models import Client, Decision, Event, Verdict
from reviews.queries.queue import name_of


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to a decision."""

    event_id: int
    at: datetime
    kind: str  # of EventKind
    kind_title: str
    who: str  # a person's or a client's name; "" for the system
    ticket_id: UUID | None
    body: dict[str, Any]
    verdict: Verdict | None  # of a verdict's event, with what was said


def story(decision: Decision) -> tuple[Moment, ...]:
    """What happened to it, from submission to execution, in order. Two queries; one more where executors acted."""
    events = Event.objects.filter(decision=decision).select_related("user", "client").order_by("epoch", "xid", "id")
    verdicts = {
        str(verdict.id): verdict
        for verdict in Verdict.objects.filter(ticket__decision=decision).select_related("reviewer")
    }
    told = [(event, orjson.loads(event.body)) for event in events]
    clients = {event.client.pk: event.client.name for event, _ in told if event.client}
    others = {actor for _, body in told if (actor := _acting_client(body)) is not None} - clients.keys()
    if others:
        clients.update(Client.objects.filter(pk__in=others).values_list("pk", "name"))
    return tuple(_moment(event, body, verdicts=verdicts, clients=clients) for event, body in told)


_BY_UPSTREAM = ("decision.submitted", "decision.cancelled", "question.answered")


def _acting_client(body: dict[str, Any]) -> int | None:
    """The client that did it: whose decision it is, or an executor, or a source of truth."""
    actor = body.get("actor")
    return actor.get("client") if isinstance(actor, dict) else None


def _moment(event: Event, body: dict[str, Any], *, verdicts: dict[str, Verdict], clients: dict[int, str]) -> Moment:
    who = name_of(event.user) if event.user else ""
    if not who and (actor := _acting_client(body)) is not None:
        who = clients[actor]
    elif not who and event.client and event.kind in _BY_UPSTREAM:
        who = event.client.name
    return Moment(
        event_id=event.id,
        at=event.at,
        kind=event.kind,
        kind_title=event.get_kind_display(),
        who=who,
        ticket_id=event.ticket_id,
        body=body,
        verdict=verdicts.get(body.get("verdict", "")),
    )
