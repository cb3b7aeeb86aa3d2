"""Outcomes arrive, whatever the receiver does: half of all tries fail, and every message comes in the end."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Min
from django.utils import timezone

from reviews.domain.vocabulary import DeliveryState
from reviews.models import Attempt, Delivery, Endpoint
from reviews.services.deliver import deliver_due, replay_delivery
from tests.factories import submit_one
from tests.faults.counts import Counts, Shown
from tests.faults.receiver import HostileReceiver
from tests.faults.stage import Stage
from tests.faults.world import unique, upstream

ENDPOINTS = 8
TIMEOUT_SECONDS = 0.25
ROUNDS = 400


def run(stage: Stage, counts: Counts) -> Shown:
    """The real dispatcher, on a clock that is put forward to the next try: the schedule alone takes three days."""
    events = counts.of(2_000, least=40)
    shown = Shown(
        promise="outcomes arrive",
        did=f"{events:,} messages to {ENDPOINTS} endpoints that fail half of all tries (500, reset, hang, 302, endless"
        " body), with the clock put forward to each next try, and what was given up after ten tries replayed",
    )
    receiver = HostileReceiver(failing=0.5, draw=counts.draw("receiver"), hang_seconds=TIMEOUT_SECONDS * 4)
    stage.stop_console()
    patience, settings.WEBHOOK_TIMEOUT_SECONDS = settings.WEBHOOK_TIMEOUT_SECONDS, TIMEOUT_SECONDS
    try:
        sent = _messages(events, receiver)
        now = timezone.now()
        replayed = 0
        for _ in range(ROUNDS):
            deliver_due(now=now, limit=events)
            for dead in sent.filter(state=DeliveryState.DEAD):
                replay_delivery(dead.pk, now=now)
                replayed += 1
            if not sent.exclude(state=DeliveryState.DELIVERED).exists():
                break
            now = _next_try(sent, now=now)
    finally:
        settings.WEBHOOK_TIMEOUT_SECONDS = patience
        Endpoint.objects.filter(url__startswith=receiver.url("")).update(active=False)
        receiver.close()
        stage.start_console()
    expected = {str(pk): body.encode() for pk, body in sent.values_list("pk", "body")}
    missing = expected.keys() - receiver.arrived.keys()
    changed = [key for key, bodies in receiver.arrived.items() if set(bodies) != {expected.get(key)}]
    shown.figures = {
        "messages": len(expected),
        "arrived": len(expected) - len(missing),
        "arrived twice": sum(len(bodies) > 1 for bodies in receiver.arrived.values()),
        "tries": Attempt.objects.filter(delivery__in=sent).count(),
        "tries failed": dict(sorted(receiver.failed.items())),
        "replayed by hand": replayed,
        "ids or bodies that changed": len(changed),
        "redirects followed": receiver.redirected,
    }
    shown.expect(holds=not missing and len(expected) == events, otherwise=f"{len(missing)} of {len(expected)} missing")
    shown.expect(holds=not changed, otherwise=f"changed on the way: {changed[:3]}")
    shown.expect(holds=not receiver.redirected, otherwise="a redirect was followed")
    return shown


def _messages(events: int, receiver: HostileReceiver) -> Any:
    """So many settled decisions, each told to one of the endpoints, by as many upstreams."""
    agents = [upstream(unique("told"), endpoints=[receiver.url(str(number))]) for number in range(ENDPOINTS)]
    for number in range(events):
        submit_one(client=agents[number % ENDPOINTS].client, now=timezone.now(), confidence=0.99)
    return Delivery.objects.filter(endpoint__client__in=[agent.client for agent in agents])


def _next_try(sent: Any, *, now: datetime) -> datetime:
    """When the next message that waits is due. It may be leased to a try that is over: a lease ends as well."""
    waiting = sent.filter(state=DeliveryState.WAITING).aggregate(due=Min("next_attempt_at"))["due"]
    return max(waiting or now, now) + timedelta(seconds=1)
