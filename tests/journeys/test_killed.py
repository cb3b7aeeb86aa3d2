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
from tests.journeys.people import LONG_ENOUGH_TO_READ, Reviewer, proposal, settled, upstream_of

SUBMISSIONS, AT_ONCE = 1_000, 8
WITHIN_SECONDS = 60
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


def test_without_redis_people_go_on_deciding(product):
    upstream, ana = upstream_of(product), Reviewer(product, "ana")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        kill(product, "redis")
        decision = submit_until_answered(upstream, proposal())
        ticket = ana.take(decision)
        time.sleep(LONG_ENOUGH_TO_READ)
        assert ana.answer(ticket, "approve")[0] == 200
    assert settled(upstream, decision["id"])["outcome"]["kind"] == "approved"
