"""Every process of the product is killed while upstream submits: nothing is lost, doubled or left without a route."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.error import URLError

from clients.python.countersign import Refused
from tests.journeys.people import LONG_ENOUGH_TO_READ, Receiver, Reviewer, manage, proposal, settled, upstream_of

SUBMISSIONS, AT_ONCE = 1_000, 8
WITHIN_SECONDS = 60
WITHOUT_REDIS_SECONDS = 15  # `make faults` keeps it away for a minute
VICTIMS = ("granian", "celery", "sweep", "redis")


def kill(product, victim: str) -> int:
    """SIGKILL to each process whose command names the victim; how many there were."""
    killed = 0
    for pid, command in product.processes().items():
        if victim in command and "setpriv" not in command.split()[0]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


def submit_until_answered(upstream, body: dict[str, Any]) -> dict[str, Any]:
    """As a careful upstream does it: the same again, until there is an answer."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        try:
            return upstream.submit(body, idempotency_key=body["external_id"])
        except Refused as refused:
            if refused.status not in {409, 429, 500, 503}:
                raise
        except (URLError, OSError):
            pass
        assert time.monotonic() < deadline, "no answer in time"
        time.sleep(0.1)


def test_nothing_is_lost_or_doubled_when_processes_are_killed(product):
    upstream = upstream_of(product)
    bodies = [proposal(confidence=0.99 if number % 2 else 0.5) for number in range(SUBMISSIONS)]
    under_way, dead = threading.Event(), {}

    def murder() -> None:
        under_way.wait()
        for victim in VICTIMS:
            dead[victim] = kill(product, victim)
            time.sleep(1)

    murderer = threading.Thread(target=murder)
    murderer.start()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = threads.map(lambda body: submit_until_answered(upstream, body), bodies)
        decisions = []
        for number, answer in enumerate(answers):
            decisions.append(answer)
            if number == AT_ONCE:
                under_way.set()
    murderer.join()
    assert all(dead.values()), f"not everything was there to be killed: {dead}"
    assert {decision["route"] for decision in decisions} == {"auto", "review"}
    assert len({decision["id"] for decision in decisions}) == SUBMISSIONS
    for body, decision in zip(bodies, decisions, strict=True):
        again = submit_until_answered(upstream, body)
        assert (again["id"], again["route"], again["replayed"]) == (decision["id"], decision["route"], True)


def test_without_redis_people_go_on_deciding_and_the_webhooks_follow_when_it_is_back(product):
    upstream, ana, receiver = upstream_of(product, "back-office-agent"), Reviewer(product, "ana"), Receiver()
    client = "Client.objects.get(name='back-office-agent')"
    endpoint = f"client={client}, url='{receiver.url}', secret='whsec_bmV3LXNlY3JldA=='"
    of_models = "from reviews.models import Client, Endpoint; "
    manage(product, "shell", "-c", f"{of_models}Endpoint.objects.create({endpoint})")
    decided = []
    until = time.monotonic() + WITHOUT_REDIS_SECONDS
    while time.monotonic() < until:
        kill(product, "redis")
        decision = submit_until_answered(upstream, proposal())
        ticket = ana.take(decision)
        time.sleep(LONG_ENOUGH_TO_READ)
        assert ana.answer(ticket, "approve")[0] == 200
        decided.append(decision["id"])
    assert settled(upstream, decided[0])["outcome"]["kind"] == "approved"
    for decision_id in decided:
        # The supervisor waits longer each time before it starts what keeps dying.
        receiver.wait_for(decision_id, "decision.settled", within=90)
    manage(product, "shell", "-c", f"{of_models}Endpoint.objects.filter(url='{receiver.url}').update(active=False)")
