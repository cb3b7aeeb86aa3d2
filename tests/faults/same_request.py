"""The same request, once: many at the same moment under one key."""

import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

from reviews.models import Decision
from tests.faults.counts import Counts, Shown
from tests.faults.stage import Stage
from tests.faults.world import body_of, unique, upstream

AT_ONCE = 64


def run(stage: Stage, counts: Counts) -> Shown:
    """So many threads go from key to key in step, each time all at once."""
    keys = counts.of(200, least=5)
    shown = Shown(promise="the same request, once", did=f"{keys} keys × {AT_ONCE} posts at once")
    agent = upstream(unique("same"))
    names = [f"same-{counts.seed}-{number}" for number in range(keys)]
    together = threading.Barrier(AT_ONCE)
    told: dict[str, set[str]] = defaultdict(set)
    statuses: Counter[int] = Counter()
    writing = threading.Lock()

    def post(_: int) -> None:
        for name in names:
            together.wait(120)
            body = body_of(name, confidence=0.99)
            status, answer = agent.send(stage, "POST", "/decisions", body, timeout=60, **{"Idempotency-Key": name})
            with writing:
                statuses[status] += 1
                if status in {200, 201}:
                    told[name].add(answer["id"])

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(post, range(AT_ONCE)))
    rows = Decision.everything.filter(client=agent.client).count()
    shown.figures = {"posts": sum(statuses.values()), "rows": rows, "answers": dict(sorted(statuses.items()))}
    shown.expect(holds=rows == keys, otherwise=f"{rows} rows for {keys} keys")
    shown.expect(holds=statuses[201] == keys, otherwise=f"{statuses[201]} were told 201")
    shown.expect(holds=set(statuses) <= {200, 201, 409}, otherwise=f"answers: {statuses}")
    shown.expect(holds=all(len(told[name]) == 1 for name in names), otherwise="a key was told of two decisions")
    return shown
