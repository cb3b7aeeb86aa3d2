"""Accepted means kept: every part is killed, halted and asked to stop, again and again, while upstream submits."""

import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.faults.counts import Counts, Shown
from tests.faults.stage import Stage
from tests.faults.world import NoRoute, body_of, find, unique, upstream

VICTIMS = ("web", "worker", "redis", "postgres")
WAYS = ("KILL", "STOP", "TERM")
CLIENTS = 32


def run(stage: Stage, counts: Counts) -> Shown:
    """Each victim `kills` times, in a drawn order, with a batch of submissions let through before each."""
    decisions, kills = counts.of(5_000, least=120), counts.of(20, least=3)
    shown = Shown(
        promise="accepted means kept",
        did=f"web, worker, broker and PostgreSQL each killed {kills} times (KILL, STOP and CONT, TERM in turn)"
        f" during {decisions:,} decisions of {CLIENTS} clients, every fifth asynchronous",
    )
    draw = counts.draw("killing")
    deaths = [(victim, WAYS[number % len(WAYS)]) for victim in VICTIMS for number in range(kills)]
    draw.shuffle(deaths)
    agent = upstream(unique("killing"))
    let_through, done = threading.Semaphore(CLIENTS), Counter()

    def murder() -> None:
        each = -(-decisions // len(deaths))
        for victim, way in deaths:
            let_through.release(each)
            time.sleep(draw.uniform(0.05, 0.4))
            if kill(stage, victim, way, chance=draw.random()):
                done[victim] += 1
            stage.wait_until_ready()
        let_through.release(decisions)

    def submit(number: int) -> tuple[str, str, float] | NoRoute:
        let_through.acquire()
        name = f"killed-{counts.seed}-{number}"
        body = body_of(name, confidence=0.99 if number % 2 else 0.5)
        started = time.monotonic()
        try:
            answer = agent.submit_until_answered(stage, body, asynchronously=number % 5 == 0)
        except NoRoute as late:
            return late
        return name, answer["id"], time.monotonic() - started

    murderer = threading.Thread(target=murder)
    murderer.start()
    with ThreadPoolExecutor(CLIENTS) as threads:
        results = list(threads.map(submit, range(decisions)))
    murderer.join()
    late = [result for result in results if isinstance(result, NoRoute)]
    answered = [result for result in results if not isinstance(result, NoRoute)]
    found = find({name: decision_id for name, decision_id, _ in answered})
    shown.figures = {
        "decisions": len(results),
        "killed": dict(done),
        "lost": found.lost,
        "doubled": found.doubled,
        "without a route within 60 s": len(late) + found.without_route,
        "slowest route, s": round(max((seconds for *_, seconds in answered), default=0), 1),
    }
    shown.expect(holds=not late, otherwise=f"{len(late)} without a route: {late[:1]}")
    shown.expect(holds=found.lost == found.doubled == found.without_route == 0, otherwise=str(found))
    shown.expect(holds=all(done[victim] == kills for victim in VICTIMS), otherwise=f"not everything died: {dict(done)}")
    return shown


def kill(stage: Stage, victim: str, way: str, *, chance: float) -> bool:
    """Whether there was something to kill."""
    deadline = time.monotonic() + 30
    while stage.pid_of(victim) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if way == "STOP":
        return stage.halt(victim, seconds=0.5 + chance)
    if victim == "postgres" and way == "KILL" and chance < 0.5:
        return stage.kill_one_backend(chance * 2)
    return stage.send(victim, signal.SIGKILL if way == "KILL" else signal.SIGTERM)
