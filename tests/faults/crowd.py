"""It bends: far more posts at one moment than it has connections, and then everybody is served again."""

import asyncio
import json
import time
from collections import Counter

from reviews.models import Decision
from tests.faults.counts import Counts, Shown
from tests.faults.stage import Stage
from tests.faults.world import Upstream, body_of, unique, upstream

CONNECTIONS = 20
BACK_WITHIN_SECONDS = 10
ANSWERED_WITHIN_SECONDS = 90
# Of 2,000 posts in a few seconds, a part is past what the second key may ask in a minute.
RATE_LIMIT = 60


def run(stage: Stage, counts: Counts) -> Shown:
    """Half by a key without a limit, half by one that may ask 60 times a minute."""
    posts = counts.of(2_000, least=400)
    shown = Shown(
        promise="it bends",
        did=f"{posts:,} posts at once on {CONNECTIONS} connections to the database,"
        f" half under a key of {RATE_LIMIT} a minute",
    )
    free, limited = upstream(unique("crowd")), upstream(unique("limited crowd"), rate_limit=RATE_LIMIT)
    stage.stop_console()
    stage.start_console({"WEB_THREADS": str(CONNECTIONS * 2), "DATABASE_POOL_SIZE": str(CONNECTIONS)})
    try:
        started = time.monotonic()
        answers = asyncio.run(_all_at_once(stage, [free, limited], posts))
        lasted = time.monotonic() - started
        back = _back_after(stage, free)
    finally:
        stage.stop_console()
        stage.start_console()
    statuses = Counter(str(status) for status, _ in answers)
    taken = [decision_id for status, decision_id in answers if status == 201]
    kept = Decision.everything.filter(client__in=[free.client, limited.client], pk__in=taken).count()
    shown.figures = {
        "answers": dict(sorted(statuses.items())),
        "taken and lost": len(taken) - kept,
        "lasted, s": round(lasted, 1),
        "back after, s": round(back, 2),
    }
    shown.expect(holds=set(statuses) <= {"201", "429", "503"}, otherwise=f"answers: {dict(statuses)}")
    shown.expect(holds=statuses["201"] > 0 and statuses["429"] > 0, otherwise=f"answers: {dict(statuses)}")
    shown.expect(holds=kept == len(taken), otherwise=f"{len(taken) - kept} answered 201 and not there")
    shown.expect(holds=back < BACK_WITHIN_SECONDS, otherwise=f"back only after {back:.1f} s")
    return shown


async def _all_at_once(stage: Stage, agents: list[Upstream], posts: int) -> list[tuple[int | str, str]]:
    """Every post on a connection of its own, all opened before the first answer is read."""
    return await asyncio.gather(*(_post(stage.port, agents[number % len(agents)]) for number in range(posts)))


async def _post(port: int, agent: Upstream) -> tuple[int | str, str]:
    """Status and the decision's id, or the name of what went wrong."""
    body = json.dumps(body_of(unique("crowd"), confidence=0.99)).encode()
    head = (
        f"POST /api/v1/decisions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {agent.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    try:
        async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode() + body)
            answer = await reader.read()
            writer.close()
        answered, _, rest = answer.partition(b"\r\n\r\n")
        status = int(answered.split()[1])
        return status, json.loads(rest)["id"] if status == 201 else ""
    except (OSError, ValueError, IndexError) as error:
        return type(error).__name__, ""


def _back_after(stage: Stage, agent: Upstream) -> float:
    """Seconds after the last answer until the console is ready and takes a decision again."""
    started = time.monotonic()
    while time.monotonic() - started < BACK_WITHIN_SECONDS * 3:
        if stage.is_ready():
            status, _ = agent.send(stage, "POST", "/decisions", body_of(unique("after"), confidence=0.99))
            if status == 201:
                break
        time.sleep(0.05)
    return time.monotonic() - started
