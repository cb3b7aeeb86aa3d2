"""One round of the sweeper: everything that time brings about, and the bells that were lost. It needs no broker.

Two sweepers may run: a round is one sweeper's, and every step locks what it touches besides.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Q

from policies.domain.canonical import sha256_hex
from policies.domain.vocabulary import ChangeKind
from policies.models import PolicyChange
from reviews.domain.vocabulary import DeliveryState, EventKind, WebhookType
from reviews.models import Delivery, Heartbeat, Skip
from reviews.services.beat import beat
from reviews.services.ingest import unfinished_intakes
from reviews.services.purge import purge_some
from reviews.services.record import announce, record
from reviews.services.remind import remind_due
from reviews.services.ring import ring
from reviews.services.seal import seal_events
from reviews.services.settle import escalate_due, expire_due, lapse_due, settle_due

logger = structlog.get_logger(__name__)

SWEEPER = "sweeper"
SWEEP_LOCK = 7004
CHANGES_A_ROUND = 100
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(seconds=30)
# When this process rings next for an intake that nobody finished, and how long it waits after that.
_ring_next: dict[UUID, tuple[datetime, timedelta]] = {}
# What is rung by the clock, and after how many seconds again. The tasks look for themselves whether there is work.
RUNG = {
    "reviews.tasks.beat": 10,
    "feedback.tasks.collect_labels": 2,  # evidence that fails stops what comes next, not what comes a minute later
    "feedback.tasks.assess_autonomy": 30,
}
TOLD: dict[str, WebhookType] = {
    ChangeKind.PUBLISHED: WebhookType.POLICY_PUBLISHED,
    ChangeKind.ROLLED_BACK: WebhookType.POLICY_PUBLISHED,
    ChangeKind.WITHDRAWN: WebhookType.AUTONOMY_WITHDRAWN,
}


@contextmanager
def only_sweeper() -> Iterator[bool]:
    """Whether this process is the one that sweeps now; the lock goes with its connection, however that ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, 0)", [SWEEP_LOCK])
        (is_ours,) = cursor.fetchone()
    try:
        yield is_ours
    finally:
        if is_ours and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [SWEEP_LOCK])


def sweep_once(*, now: datetime) -> dict[str, int]:
    """Do every step once; how many rows each moved, and how many steps `failed`.

    A step that fails is logged and keeps none of the others from their work. Writes the sweeper's heartbeat.
    """
    steps: dict[str, Callable[[], int]] = {
        # First, since it is what sees that a database was restored.
        "sealed": lambda: seal_events(now=now),
        "settled": lambda: settle_due(now=now),
        "expired": lambda: expire_due(now=now),
        "escalated": lambda: escalate_due(now=now),
        "reminded": lambda: remind_due(now=now),
        "lapsed": lambda: lapse_due(now=now),
        "policy_changes": lambda: tell_policy_changes(now=now),
        "intakes_rung": lambda: _ring_for_intakes(now=now),
        "deliveries_rung": lambda: _ring_for_deliveries(now=now),
        "skips_forgotten": lambda: _forget_skips(now=now),
        "purged": lambda: purge_some(now=now),
    }
    done = {"failed": 0}
    worked: dict[str, float] = {}
    for name, step in steps.items():
        try:
            done[name] = step()
            worked[name] = now.timestamp()
        except Exception:
            logger.exception("a step of the sweep failed", step=name)
            done["failed"] += 1
            if not connection.is_usable():
                raise
    _ring_by_the_clock(done, worked, now=now)
    return done


def tell_policy_changes(*, now: datetime) -> int:
    """Turn what was done to policies and switches into events and messages, each once; how many."""
    untold = PolicyChange.objects.filter(event__isnull=True).select_related("workflow", "version", "actor")
    changes = list(untold.order_by("pk")[:CHANGES_A_ROUND])
    for change in changes:
        with transaction.atomic():
            # The event's one-to-one link is what keeps a second sweeper from telling it again.
            about = {
                "change": change.pk,
                "kind": change.kind,
                "workflow": change.workflow.key if change.workflow else None,
                "version": change.version.number if change.version else None,
                "digest": change.version.digest if change.version else None,
                "at": change.at.isoformat(),
            }
            event = record(
                EventKind.POLICY_CHANGED,
                now=now,
                user=change.actor,
                workflow=change.workflow,
                policy_change=change,
                body={**about, "reason_sha256": sha256_hex(change.reason.encode())},
            )
            told = TOLD.get(change.kind)
            if told is not None:
                announce(event, told, body=about)
    return len(changes)


def _ring_for_intakes(*, now: datetime) -> int:
    """At longer and longer intervals: while no worker answers, a bell a second for each would fill the broker."""
    waiting = unfinished_intakes(now=now)
    for gone in _ring_next.keys() - set(waiting):
        del _ring_next[gone]
    rung = 0
    for intake_id in waiting:
        at, pause = _ring_next.get(intake_id, (now, FIRST_PAUSE))
        if not now < at <= now + LONGEST_PAUSE:  # A clock that was put back keeps nothing waiting.
            ring("reviews.tasks.ingest_intake", str(intake_id))
            _ring_next[intake_id] = now + pause, min(2 * pause, LONGEST_PAUSE)
            rung += 1
    return rung


def _ring_for_deliveries(*, now: datetime) -> int:
    """A bell for the dispatcher where anything is due that nobody is sending."""
    due = Delivery.objects.filter(
        Q(leased_until__isnull=True) | Q(leased_until__lt=now),
        Q(endpoint__active=True, endpoint__client__active=True) | Q(channel__active=True),
        state=DeliveryState.WAITING,
        next_attempt_at__lte=now,
    )
    if not due.exists():
        return 0
    ring("reviews.tasks.deliver")
    return 1


def _forget_skips(*, now: datetime) -> int:
    deleted, _ = Skip.objects.filter(until__lt=now - timedelta(hours=1)).delete()
    return deleted


def _ring_by_the_clock(done: dict[str, int], worked: dict[str, float], *, now: datetime) -> None:
    """Ring what is due by the clock, and beat.

    The heartbeat keeps when each was rung last, for whoever sweeps next, and when each step last did its work.
    """
    last = Heartbeat.objects.filter(pk=SWEEPER).values_list("detail", flat=True).first() or {}
    rung = dict(last.get("rung", {}))
    for task, seconds in RUNG.items():
        if abs(now.timestamp() - rung.get(task, 0)) >= seconds:
            ring(task)
            rung[task] = now.timestamp()
    beat(SWEEPER, now=now, detail={"rung": rung, "done": done, "worked": {**last.get("worked", {}), **worked}})
