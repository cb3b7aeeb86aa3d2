"""What the evidence costs: recommending a threshold from a million labels, and sealing the log behind a batch."""

import time
from decimal import Decimal

import numpy as np
import psycopg
from django.contrib.auth.models import User
from django.utils import timezone

from benchmarks.scene import scalar
from benchmarks.stage import Stage
from feedback.domain.thresholds import count_sample, looks_up_to, recommend_continuous, recommend_multi_start
from feedback.domain.vocabulary import RunState
from feedback.services import request_backtest
from policies.models import Threshold, Workflow
from policies.services import create_draft, discard_draft

ALPHA = 0.02
GIVE_UP_AFTER_SECONDS = 1_200
_UNSEALED = (
    "SELECT count(*) FROM reviews_event e LEFT JOIN reviews_leaf l ON l.event_id = e.id WHERE l.event_id IS NULL"
)


def loop() -> float:
    """Milliseconds that this interpreter takes for a fixed piece of work, at best: it tells a slow build of Python."""
    best = GIVE_UP_AFTER_SECONDS * 1000.0
    for _ in range(40):
        began = time.perf_counter()
        kept: dict[str, object] = {}
        for number in range(20_000):
            kept[str(number % 1_000)] = [number, (number,)]
            kept.get("5")
        best = min(best, (time.perf_counter() - began) * 1000)
    return best


def recommend(*, labels: int) -> float:
    """Seconds from labels in the order of arrival to both recommendations: of one look, and of a page always open."""
    random = np.random.default_rng(11)
    confidence = random.beta(6, 1.5, size=labels)
    error = random.random(labels) < 0.25 * (1 - confidence) ** 2 + 0.004
    older = random.beta(6, 1.5, size=labels // 10)
    began = time.perf_counter()
    sample = count_sample(confidence, error, looks=looks_up_to(labels))
    found = recommend_multi_start(sample, older=older, alpha=ALPHA)
    recommend_continuous(sample, older=older, alpha=ALPHA)
    seconds = time.perf_counter() - began
    if found.threshold is None:
        raise RuntimeError(f"Nothing was recommended: {found.why_none}")
    return seconds


def seal(stage: Stage) -> float:
    """Seconds until the sweeper has sealed every event that there is now."""
    began = time.perf_counter()
    with psycopg.connect(stage.environment["DATABASE_URL"], autocommit=True) as connection:
        while scalar(connection, _UNSEALED):
            if time.perf_counter() - began > GIVE_UP_AFTER_SECONDS:
                raise RuntimeError("The log was not sealed: is the sweeper there?")
            time.sleep(0.05)
    return time.perf_counter() - began


def try_draft(*, decisions: int) -> tuple[float, float]:
    """Seconds from the request until the worker has tried a draft on so many decisions, and the share it lets through.

    The draft asks for a confidence that about half of the queue's decisions have.
    """
    ada, now = User.objects.get(username="ada"), timezone.now()
    draft = create_draft(Workflow.objects.get(key="support"), author=ada, now=now)
    Threshold.objects.filter(version=draft).update(least_confidence=Decimal("0.62"))
    began = time.perf_counter()
    backtest = request_backtest(draft, user=ada, decisions=decisions, now=now)
    while backtest.state not in (RunState.DONE, RunState.FAILED):
        if time.perf_counter() - began > GIVE_UP_AFTER_SECONDS:
            raise RuntimeError("The draft was not tried: is the worker there?")
        time.sleep(0.1)
        backtest.refresh_from_db(fields=["state", "result", "total", "error"])
    seconds = time.perf_counter() - began
    if backtest.result is None or backtest.total != decisions:
        raise RuntimeError(f"The draft was tried on {backtest.total} of {decisions}: {backtest.error}")
    alone = float(backtest.result["auto_rate"])
    backtest.delete()
    discard_draft(draft, author=ada)
    return seconds, alone
