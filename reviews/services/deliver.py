"""The outbox dispatcher: leases what is due, sends it outside any transaction, writes down each try.

At least once: a message that was sent and not written down is sent again when its lease is over, under the same id.
One slow or broken endpoint costs the others nothing: each has five lanes at most, and one while it fails. A channel,
by which people are told, has the same; only how a message leaves differs.
"""

import json
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from standardwebhooks.webhooks import EmptyWebhookSecretError

from reviews.domain.notices import message_for, sentence_of_many
from reviews.domain.vocabulary import ChannelKind, DeliveryState, EventKind
from reviews.domain.webhooks import DISABLED_AFTER, read_retry_after, signed_headers, wait_after
from reviews.models import Attempt, Channel, Delivery, Endpoint
from reviews.services.mail import mail
from reviews.services.post import Answered, post
from reviews.services.record import record
from reviews.services.ring import ring

LANES = 16
"""Messages that one process sends at a time."""
LANES_OF_AN_ENDPOINT = 5
LANES_OF_A_FAILING_ENDPOINT = 1
LEASE_MARGIN = timedelta(seconds=45)
"""How much longer than the longest try a lease lasts."""
BUSY_SECONDS = 30
"""So long one call goes on taking what falls due; then it is another's turn."""
DISPATCH_LOCK = 7003
GONE = 410

_dispatching = threading.Lock()
_random = SystemRandom()


class UnknownDelivery(Exception):
    """There is no such delivery (404)."""

    def __init__(self) -> None:
        self.detail = "There is no such delivery."
        super().__init__(self.detail)


def deliver_due(*, now: datetime, limit: int = 1000) -> int:
    """Send what is due, at most `limit`, until nothing is; how many tries were made.

    In one process one call works at a time: a second one, rung meanwhile, has nothing to do and returns 0.
    """
    if not _dispatching.acquire(blocking=False):
        return 0
    try:
        return _dispatch(now=now, limit=limit)
    finally:
        _dispatching.release()


def _dispatch(*, now: datetime, limit: int) -> int:
    started = time.monotonic()
    tries = 0
    running: dict[Future[Answered], tuple[Delivery, datetime]] = {}
    with ThreadPoolExecutor(max_workers=LANES, thread_name_prefix="webhook") as pool:
        while True:
            at = now + timedelta(seconds=time.monotonic() - started)
            room = min(LANES - len(running), limit - tries)
            if room > 0 and time.monotonic() - started < BUSY_SECONDS:
                for delivery in _leased(room, now=at):
                    running[pool.submit(_send, delivery, at=at)] = delivery, at
                    tries += 1
            if not running:
                return tries
            finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in finished:
                delivery, at = running.pop(future)
                _write_down(delivery, future.result(), at=at)


def _leased(count: int, *, now: datetime) -> list[Delivery]:
    """Up to `count` due messages, leased to this call, the longest due first."""
    lease = timedelta(seconds=settings.WEBHOOK_TIMEOUT_SECONDS) + LEASE_MARGIN
    with transaction.atomic(), connection.cursor() as cursor:
        # Lanes are counted and taken by one dispatcher at a time. A statement of its own: the next one's snapshot
        # is to be from after the wait.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [DISPATCH_LOCK])
        cursor.execute(
            _LEASE,
            {
                "now": now,
                "until": now + lease,
                "lanes": LANES_OF_AN_ENDPOINT,
                "failing_lanes": LANES_OF_A_FAILING_ENDPOINT,
                "count": count,
            },
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(Delivery.objects.filter(id__in=ids).select_related("endpoint", "channel", "recipient"))


# Of each receiver that is active, what is due and fits its free lanes. Endpoints and channels have an index each.
_DUE = """
    SELECT d.id, d.next_attempt_at
      FROM (SELECT r.id,
                   (CASE WHEN r.failing_since IS NULL THEN %(lanes)s ELSE %(failing_lanes)s END)
                   - (SELECT count(*) FROM reviews_delivery l
                       WHERE l.{column} = r.id AND l.state = 'waiting' AND l.leased_until IS NOT NULL
                         AND l.leased_until >= %(now)s) AS free
              FROM {receivers} WHERE r.active) lanes
     CROSS JOIN LATERAL (
           SELECT d.id, d.next_attempt_at FROM reviews_delivery d
            WHERE d.{column} = lanes.id AND d.state = 'waiting' AND d.next_attempt_at <= %(now)s
              AND (d.leased_until IS NULL OR d.leased_until < %(now)s)
            ORDER BY d.next_attempt_at LIMIT greatest(lanes.free, 0) FOR UPDATE SKIP LOCKED) d
"""
_LEASE = """
    WITH due AS (
        SELECT id FROM (({endpoints}) UNION ALL ({channels})) d ORDER BY next_attempt_at LIMIT %(count)s
    )
    UPDATE reviews_delivery d SET leased_until = %(until)s FROM due WHERE d.id = due.id RETURNING d.id
""".format(  # noqa: S608  the parts are ours, and above
    endpoints=_DUE.format(
        column="endpoint_id", receivers="reviews_endpoint r JOIN reviews_client c ON c.id = r.client_id AND c.active"
    ),
    channels=_DUE.format(column="channel_id", receivers="reviews_channel r"),
)


def _send(delivery: Delivery, *, at: datetime) -> Answered:
    """In a thread of the pool, which touches no database. Never raises."""
    endpoint = delivery.endpoint
    if endpoint is None:
        return _tell(delivery)
    keys = tuple(secret for secret in (endpoint.secret, endpoint.previous_secret) if secret)
    try:
        signed = signed_headers(message_id=str(delivery.pk), at=at, body=delivery.body, secrets=keys)
    except (ValueError, EmptyWebhookSecretError) as fault:
        return Answered(
            status=None, error=f"The secret can't sign: {fault}", response="", retry_after="", milliseconds=0
        )
    headers = {"Content-Type": "application/json", "User-Agent": "Countersign", **signed}
    return post(endpoint.url, body=delivery.body.encode(), headers=headers)


def _tell(delivery: Delivery) -> Answered:
    """The same for a channel: by e-mail, or to a chat room."""
    channel, body = delivery.channel, json.loads(delivery.body)
    assert channel is not None, "the database holds that there is one"
    said, link = body["said"], body["link"]
    if delivery.count > 1:
        said = sentence_of_many(delivery.type, count=delivery.count, workflow=body["workflow"])
        link = body["desk"]
    message = message_for(channel.kind, said=said, link=link)
    if channel.kind == ChannelKind.SLACK:
        headers = {"Content-Type": "application/json", "User-Agent": "Countersign"}
        return post(channel.address, body=json.dumps(message).encode(), headers=headers)
    address = channel.address or (delivery.recipient.email if delivery.recipient else "")
    return mail(address, message_id=str(delivery.pk), **message)


def _write_down(delivery: Delivery, answered: Answered, *, at: datetime) -> None:
    """Keep the try and what follows from it, for the message and for its endpoint."""
    delivered = answered.status is not None and 200 <= answered.status < 300
    with transaction.atomic():
        Attempt.objects.create(
            delivery=delivery,
            number=delivery.attempts.count() + 1,
            at=at,
            status=answered.status,
            error=answered.error,
            response=answered.response,
            milliseconds=answered.milliseconds,
        )
        changes: dict[str, Any] = {"attempts_made": delivery.attempts_made + 1, "leased_until": None}
        if delivered:
            changes |= {"state": DeliveryState.DELIVERED, "delivered_at": at}
        else:
            changes |= _put_off(delivery, answered, at=at)
        # Only while the lease is ours: a replay, or another dispatcher after a long stop, may have taken it up.
        Delivery.objects.filter(pk=delivery.pk, leased_until=delivery.leased_until).update(**changes)
        if delivered:
            _receivers_of(delivery).filter(failing_since__isnull=False).update(failing_since=None)
        else:
            _note_failure(delivery, answered, at=at)


def _put_off(delivery: Delivery, answered: Answered, *, at: datetime) -> dict[str, Any]:
    """Until when a message waits that did not arrive, or that it is given up."""
    asked = read_retry_after(answered.retry_after, now=at) if answered.retry_after else None
    again = wait_after(delivery.attempts_made + 1, jitter=_random.random(), retry_after=asked)
    if again is None or answered.status == GONE:
        return {"state": DeliveryState.DEAD}
    return {"next_attempt_at": at + again}


def _receivers_of(delivery: Delivery) -> QuerySet[Endpoint] | QuerySet[Channel]:
    """The one endpoint or channel that it goes to."""
    if delivery.endpoint_id is not None:
        return Endpoint.objects.filter(pk=delivery.endpoint_id)
    assert delivery.channel_id is not None, "the database holds that there is one"
    return Channel.objects.filter(pk=delivery.channel_id)


def _note_failure(delivery: Delivery, answered: Answered, *, at: datetime) -> None:
    """Since when a receiver fails; gone, or failing for five days, it is disabled with an alarm."""
    receiver = _receivers_of(delivery).select_for_update(of=("self",)).get()
    if receiver.failing_since is None:
        receiver.failing_since = at
        receiver.save(update_fields=["failing_since"])
    too_long = at - receiver.failing_since >= DISABLED_AFTER
    if receiver.active and (answered.status == GONE or too_long):
        receiver.active = False
        receiver.disabled_at = at
        receiver.disabled_reason = "It answered 410 Gone." if answered.status == GONE else "It failed for five days."
        receiver.save(update_fields=["active", "disabled_at", "disabled_reason"])
        kind = "channel" if isinstance(receiver, Channel) else "endpoint"
        body = {"what": f"{kind}_disabled", kind: receiver.pk, "status": answered.status}
        client = None if isinstance(receiver, Channel) else receiver.client
        record(EventKind.ALARM_RAISED, now=at, client=client, body=body)


# ---- Again ----------------------------------------------------------------------------------------------------------


def replay_delivery(delivery_id: UUID, *, now: datetime) -> Delivery:
    """Send one message again, delivered or given up, under the same id and from the start of the schedule.

    Raises UnknownDelivery.
    """
    delivery = Delivery.objects.filter(pk=delivery_id).first()
    if delivery is None:
        raise UnknownDelivery
    _replay(Delivery.objects.filter(pk=delivery_id), now=now)
    delivery.refresh_from_db()
    return delivery


def replay_since(endpoint: Endpoint, *, since: datetime, now: datetime) -> int:
    """Send again all that was written for the endpoint at or after `since`; how many messages."""
    return _replay(Delivery.objects.filter(endpoint=endpoint, created_at__gte=since), now=now)


def _replay(deliveries: QuerySet[Delivery], *, now: datetime) -> int:
    count = deliveries.update(
        state=DeliveryState.WAITING, attempts_made=0, next_attempt_at=now, leased_until=None, delivered_at=None
    )
    ring("reviews.tasks.deliver")
    return count
