"""Try a policy on what happened: before it is published, on past decisions, without effect."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction

from feedback.domain.backtest import Change, Effect, effect_of, most_at_stake
from feedback.domain.vocabulary import RunState
from feedback.models import Backtest
from feedback.permissions import may_read_insights
from feedback.queries.history import Past, median_seconds, past_decisions
from feedback.services.refusals import NotAllowed
from policies.domain.evaluate import evaluate
from policies.domain.spec import Assessment, Policy, digest_of
from policies.domain.vocabulary import Reversibility, Route
from policies.models import PolicyVersion
from policies.queries import document_of
from reviews.services.ring import ring

MOST_DECISIONS = 100_000
NAMED = 50  # of the decisions that change sides, in each direction: those with most at stake
LOCK = 7005
# Below every audit rate but 0, so that the row's own rate is what the assessment tells.
NO_DRAW = Decimal("0.9999999999")
_STAKES = {reversibility: place for place, reversibility in enumerate(Reversibility.values)}


@dataclass(slots=True)
class Replay:
    """What a draft said of past decisions, column by column."""

    draft_auto: list[bool] = field(default_factory=list)
    audit_rate: list[float] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)
    labelled: list[bool] = field(default_factory=list)
    error: list[bool] = field(default_factory=list)
    now_alone: list[Change] = field(default_factory=list)
    now_asked: list[Change] = field(default_factory=list)
    ran_alone: int = 0

    def add(self, past: Past, policy: Policy) -> None:
        said = evaluate(policy, past.proposal, past.facts, draw=NO_DRAW)
        alone = said.route == Route.AUTO
        self.draft_auto.append(alone)
        self.audit_rate.append(float(said.audit_rate))
        self.probability.append(past.probability)
        self.labelled.append(past.labelled)
        self.error.append(past.error)
        self.ran_alone += past.ran_alone
        if alone != past.ran_alone:
            (self.now_alone if alone else self.now_asked).append(_change(past, said, policy))

    def effect(self, *, seconds: float) -> Effect:
        return effect_of(
            np.array(self.draft_auto, dtype=bool),
            probability=np.array(self.probability, dtype=float),
            labelled=np.array(self.labelled, dtype=bool),
            error=np.array(self.error, dtype=bool),
            draft_audit_rate=np.array(self.audit_rate, dtype=float),
            median_seconds=seconds,
        )


def request_backtest(version: PolicyVersion, *, user: User, decisions: int = MOST_DECISIONS, now: datetime) -> Backtest:
    """Ask for a version to be replayed over the newest decisions.

    Writes a Backtest, and rings a worker. Raises NotAllowed.
    """
    if not may_read_insights(user):
        raise NotAllowed
    with transaction.atomic():
        backtest = Backtest.objects.create(
            version=version,
            digest=digest_of(document_of(version)),
            requested_by=user,
            requested_at=now,
            inputs={"decisions": min(decisions, MOST_DECISIONS)},
        )
        ring("feedback.tasks.run_backtest", str(backtest.pk))
    return backtest


def run_backtest(backtest_id: UUID, *, now: datetime) -> Backtest:
    """Replay the version as it is now, and keep what came of it. Again, or beside another worker, it does nothing.

    Writes the Backtest: its progress, its result, or what went wrong.
    """
    with _only_worker(backtest_id) as is_ours:
        backtest = Backtest.objects.select_related("version__workflow").get(pk=backtest_id)
        if not is_ours or backtest.state in (RunState.DONE, RunState.FAILED):
            return backtest
        try:
            _replay(backtest, now=now)
        except OperationalError:
            raise  # The database was away for a moment: the bell is rung again.
        except Exception as error:
            backtest.state, backtest.error, backtest.finished_at = RunState.FAILED, str(error), now
            backtest.save(update_fields=["state", "error", "finished_at"])
            raise
    return backtest


def unfinished_backtests() -> list[UUID]:
    """Those whose bell may have been lost."""
    return list(Backtest.objects.filter(state__in=(RunState.WAITING, RunState.RUNNING)).values_list("pk", flat=True))


def _replay(backtest: Backtest, *, now: datetime) -> None:
    document = document_of(backtest.version)
    policy = Policy.from_canonical(document, digest_of(document), number=backtest.version.number)
    backtest.state, backtest.digest, backtest.done = RunState.RUNNING, policy.digest, 0
    backtest.total = backtest.inputs["decisions"]
    backtest.save(update_fields=["state", "digest", "done", "total"])
    replay = Replay()
    workflow = backtest.version.workflow
    for chunk in past_decisions(workflow, most=backtest.total, now=now):
        for past in chunk:
            replay.add(past, policy)
        backtest.done += len(chunk)
        backtest.save(update_fields=["done"])
    seconds = median_seconds(workflow)
    backtest.total, backtest.state, backtest.finished_at = backtest.done, RunState.DONE, now
    backtest.result = _result(replay, seconds=seconds)
    backtest.save(update_fields=["total", "state", "finished_at", "result"])


def _result(replay: Replay, *, seconds: float) -> dict[str, Any]:
    effect = replay.effect(seconds=seconds)
    return {
        **asdict(effect),
        "ran_alone": replay.ran_alone,
        "seconds": seconds,
        "now_alone": _side(replay.now_alone),
        "now_asked": _side(replay.now_asked),
    }


def _side(changes: list[Change]) -> dict[str, Any]:
    """How many, and the ids of the first. What they say is read when they are shown: a purge must reach it."""
    first = most_at_stake(changes, most=NAMED)
    return {"count": len(changes), "decisions": [str(change.decision) for change in first]}


def _change(past: Past, said: Assessment, policy: Policy) -> Change:
    action, confidence, least = policy.actions.get(past.proposal.action), past.proposal.confidence, said.threshold
    return Change(
        decision=past.id,
        wrong=past.labelled and past.error,
        stakes=len(_STAKES) if action is None else _STAKES.get(action.reversibility, len(_STAKES)),
        amount=said.amount,
        distance=None if confidence is None or least is None else abs(confidence - least),
    )


@contextmanager
def _only_worker(backtest_id: UUID) -> Iterator[bool]:
    """Whether this worker has the run to itself; the lock goes with its connection, however that ends."""
    key = backtest_id.int % 2**31
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, key])
        (is_ours,) = cursor.fetchone()
    try:
        yield is_ours
    finally:
        if is_ours and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, key])
