"""The broker holds nothing that matters: emptied, killed, and away for a minute while people go on."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis

from reviews.models import Delivery
from tests.factories import PASSWORD
from tests.faults.counts import Counts, Shown
from tests.faults.receiver import HostileReceiver
from tests.faults.stage import Stage
from tests.faults.world import Upstream, body_of, find, reviewers, unique, upstream
from tests.journeys.people import Reviewer

CLIENTS = 8
ARRIVE_WITHIN_SECONDS = 60


def emptied_and_killed(stage: Stage, counts: Counts) -> Shown:
    """Before each batch of submissions, every second of them asynchronous, Redis is emptied or killed or both."""
    rounds, decisions = counts.of(20, least=3), counts.of(1_000, least=60)
    shown = Shown(
        promise="outcomes arrive, whatever the broker loses",
        did=f"{rounds} × FLUSHALL and kill of Redis during {decisions:,} decisions, half of them asynchronous",
    )
    receiver = HostileReceiver(failing=0, draw=counts.draw("broker"), hang_seconds=0)
    agent = upstream(unique("broker"), endpoints=[receiver.url()])
    draw = counts.draw("broker's death")
    let_through = threading.Semaphore(0)

    def lose() -> None:
        for _ in range(rounds):
            let_through.release(-(-decisions // rounds))
            time.sleep(draw.uniform(0.02, 0.3))
            empty(stage)
            time.sleep(draw.uniform(0.02, 0.3))
            stage.send("redis", signal.SIGKILL)
            time.sleep(draw.uniform(0.2, 0.8))
        let_through.release(decisions)

    def submit(number: int) -> tuple[str, str]:
        let_through.acquire()
        body = body_of(f"broker-{counts.seed}-{number}", confidence=0.99)
        return body["external_id"], agent.submit_until_answered(stage, body, asynchronously=number % 2 == 0)["id"]

    losing = threading.Thread(target=lose)
    losing.start()
    with ThreadPoolExecutor(CLIENTS) as threads:
        answers = dict(threads.map(submit, range(decisions)))
    losing.join()
    judge(shown, answers, agent=agent, receiver=receiver)
    return shown


def away_for_a_minute(stage: Stage, counts: Counts) -> Shown:
    """People decide and upstream submits while there is no broker; the messages follow when it is back."""
    seconds = max(10, round(60 * counts.share))
    shown = Shown(
        promise="without a broker", did=f"Redis dead for {seconds} s while upstream submits and a reviewer decides"
    )
    receiver = HostileReceiver(failing=0, draw=counts.draw("away"), hang_seconds=0)
    agent = upstream(unique("away"), endpoints=[receiver.url()])
    (user,) = reviewers(1)
    stage.demo = {"users": [{"username": user.username, "password": PASSWORD}]}
    person = Reviewer(stage, user.username)
    answers: dict[str, str] = {}
    slowest = 0.0
    decided: list[str] = []
    with stage.without("redis"):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            name = f"away-{counts.seed}-{len(answers)}"
            started = time.monotonic()
            decision = agent.submit_until_answered(stage, body_of(name, confidence=0.99 if len(answers) % 2 else 0.5))
            slowest = max(slowest, time.monotonic() - started)
            answers[name] = decision["id"]
            if decision["route"] == "review":
                ticket = person.take(decision)
                if person.answer(ticket, "approve")[0] == 200:
                    decided.append(decision["id"])
        # Held for nothing: settled by the sweeper, which needs no broker.
        settled = sum(settles(stage, agent, decision_id) for decision_id in decided)
    judge(shown, answers, agent=agent, receiver=receiver)
    shown.figures |= {
        "submitted without it": len(answers),
        "slowest, s": round(slowest, 2),
        "decided without it": len(decided),
        "settled without it": settled,
    }
    shown.expect(holds=bool(decided) and settled == len(decided), otherwise=f"{settled} of {len(decided)} settled")
    shown.expect(holds=slowest < 5, otherwise=f"a submission took {slowest:.1f} s")
    return shown


def settles(stage: Stage, agent: Upstream, decision_id: str) -> bool:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        status, answer = agent.send(stage, "GET", f"/decisions/{decision_id}")
        if status == 200 and answer["outcome"]:
            return True
        time.sleep(0.2)
    return False


def empty(stage: Stage) -> None:
    """FLUSHALL; one that is dead just now is empty already."""
    path = stage.planned.sockets / "redis.sock"
    password = stage.planned.variables["REDIS_URL"].partition("://:")[2].partition("@")[0]
    client = redis.Redis(unix_socket_path=str(path), password=password, socket_timeout=1)
    try:
        client.flushall()
    except redis.RedisError:
        return
    finally:
        client.close()


def judge(shown: Shown, answers: dict[str, str], *, agent: Upstream, receiver: HostileReceiver) -> None:
    """Nothing lost, doubled or without a route; and every message of the outbox arrives, with its id."""
    found = find(answers)
    messages: set[str] = set()
    deadline = time.monotonic() + ARRIVE_WITHIN_SECONDS
    started = time.monotonic()
    while time.monotonic() < deadline:
        messages = {str(pk) for pk in _messages_of(agent)}
        if messages <= receiver.arrived.keys():
            break
        time.sleep(0.2)
    missing = messages - receiver.arrived.keys()
    receiver.close()
    shown.figures |= {
        "decisions": len(answers),
        "lost": found.lost,
        "doubled": found.doubled,
        "without a route": found.without_route,
        "messages": len(messages),
        "messages that did not arrive": len(missing),
        "last one after, s": round(time.monotonic() - started, 1),
    }
    shown.expect(holds=found.lost == found.doubled == found.without_route == 0, otherwise=str(found))
    shown.expect(holds=bool(messages) and not missing, otherwise=f"{len(missing)} of {len(messages)} did not arrive")


def _messages_of(agent: Upstream) -> Any:
    return Delivery.objects.filter(endpoint__client=agent.client).values_list("pk", flat=True)
