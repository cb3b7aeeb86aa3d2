"""A bad network between web, worker and sweeper on one side and PostgreSQL and Redis on the other."""

import http.client
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

from tests.faults.broker import judge
from tests.faults.counts import Counts, Shown
from tests.faults.proxy import Proxy
from tests.faults.receiver import HostileReceiver
from tests.faults.stage import Stage
from tests.faults.world import body_of, unique, upstream

CLIENTS = 8
# The client's own limits: 5 s to connect, 7 s for a statement; one of each may come after the other.
NO_ANSWER_TAKES_LONGER_SECONDS = 15


def run(stage: Stage, counts: Counts) -> Shown:
    """In turn: slow, silent to the database, silent to the broker, all cut, silent to both; and calm in between."""
    seconds = max(4.0, 12 * counts.share)
    shown = Shown(
        promise="no hang past the time-outs",
        did=f"{CLIENTS} clients submit while the network is slow (50 ms a piece), silent to PostgreSQL, to Redis and to"
        f" both for {seconds + 8:g} s each, and cut 10 times",
    )
    database = Proxy(stage.planned.sockets / ".s.PGSQL.5432")
    broker = Proxy(stage.planned.sockets / "redis.sock")
    receiver = HostileReceiver(failing=0, draw=counts.draw("network"), hang_seconds=0)
    agent = upstream(unique("network"), endpoints=[receiver.url()])
    stage.stop_console()
    stage.start_console(_through(stage, database, broker))
    over = threading.Event()
    statuses: Counter[str] = Counter()
    counting = threading.Lock()
    answers: dict[str, str] = {}
    slowest = [0.0]

    def submit(number: int) -> None:
        turn = 0
        while not over.is_set():
            name, turn = f"network-{counts.seed}-{number}-{turn}", turn + 1
            answer: dict[str, str] = {}
            # The same again until it is taken, so that what is counted below has been answered for.
            while not answer and not over.is_set():
                started = time.monotonic()
                try:
                    status, said = agent.send(stage, "POST", "/decisions", body_of(name, confidence=0.99), timeout=40)
                    what, answer = str(status), said if status in {200, 201} else {}
                except (OSError, http.client.HTTPException) as error:
                    what = type(error).__name__
                with counting:
                    statuses[what] += 1
                    slowest[0] = max(slowest[0], time.monotonic() - started)
                    if answer:
                        answers[name] = answer["id"]
                time.sleep(0.05)

    try:
        with ThreadPoolExecutor(CLIENTS) as threads:
            working = [threads.submit(submit, number) for number in range(CLIENTS)]
            try:
                _bad_weather(database, broker, seconds=seconds)
            finally:
                over.set()
        for each in working:
            each.result()
        judge(shown, answers, agent=agent, receiver=receiver)
    finally:
        stage.stop_console()
        database.close()
        broker.close()
        stage.start_console()
    shown.figures |= {"answers": dict(sorted(statuses.items())), "slowest answer, s": round(slowest[0], 1)}
    shown.expect(holds=slowest[0] <= NO_ANSWER_TAKES_LONGER_SECONDS, otherwise=f"an answer took {slowest[0]:.1f} s")
    shown.expect(holds=set(statuses) <= {"200", "201", "409", "503"}, otherwise=f"answers: {dict(statuses)}")
    shown.expect(holds=statuses["503"] > 0, otherwise="the weather was too good: no 503 at all")
    return shown


def _bad_weather(database: Proxy, broker: Proxy, *, seconds: float) -> None:
    calm = seconds / 4
    for proxy in (database, broker):
        proxy.delay = 0.05
    time.sleep(seconds)
    for proxy in (database, broker):
        proxy.delay = 0.0
    for silent in ([database], [broker], [database, broker]):
        time.sleep(calm)
        for proxy in silent:
            proxy.fall_silent()
        # Longer than any of the limits, so that every one of them is reached.
        time.sleep(seconds + 8)
        for proxy in silent:
            proxy.speak_again()
    for _ in range(10):
        time.sleep(0.3)
        database.cut()
        broker.cut()
    time.sleep(calm)


def _through(stage: Stage, database: Proxy, broker: Proxy) -> dict[str, str]:
    """The addresses of both servers, by way of the proxies."""
    straight = urlsplit(stage.planned.variables["DATABASE_URL"])
    login = f"{straight.username}:{straight.password}"
    secret = stage.planned.variables["REDIS_URL"].partition("://:")[2].partition("@")[0]
    return {
        "DATABASE_URL": f"postgresql://{login}@127.0.0.1:{database.port}{straight.path}",
        "REDIS_URL": f"redis://:{quote(secret)}@127.0.0.1:{broker.port}/0",
    }
