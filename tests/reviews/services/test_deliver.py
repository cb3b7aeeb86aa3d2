"""Webhooks against a receiver that does everything wrong, over real sockets."""

import json
import socket
import time
from datetime import UTC, datetime, timedelta
from itertools import cycle
from uuid import uuid4

import pytest
from standardwebhooks import Webhook

from reviews.domain.vocabulary import DeliveryState
from reviews.models import Attempt, Delivery, Endpoint, Event
from reviews.services import deliver
from reviews.services.deliver import UnknownDelivery, deliver_due, replay_delivery, replay_since
from reviews.services.endpoints import send_test
from tests import factories as make
from tests.reviews.services.receiving import (
    NOW,
    OLD_SECRET,
    SECRET,
    Handler,
    broken,
    drip,
    endless,
    hang,
    ok,
    redirect,
    reset,
    tell,
)

pytestmark = pytest.mark.django_db


# --- It arrives -------------------------------------------------------------------------------------------------------


def test_a_test_message_is_signed_and_sent_like_any_other(receiver, endpoint):
    delivery = send_test(endpoint, by=make.ada(), now=NOW)
    assert deliver_due(now=datetime.now(tz=UTC)) == 1  # the receiver refuses what was signed five minutes ago
    ((headers, body),) = receiver.received
    assert Webhook(SECRET).verify(body, {name.lower(): value for name, value in headers.items()}) == json.loads(body)
    assert json.loads(body)["type"] == "endpoint.test"
    assert headers["webhook-id"] == str(delivery.pk)


def test_a_message_arrives_signed_and_is_written_down(endpoint, receiver):
    (delivery,) = tell(endpoint)
    assert deliver_due(now=datetime.now(tz=UTC)) == 1  # the receiver refuses what was signed five minutes ago
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts_made, delivery.leased_until) == (DeliveryState.DELIVERED, 1, None)
    ((headers, body),) = receiver.received
    assert headers["webhook-id"] == str(delivery.pk)
    assert headers["Host"] == f"127.0.0.1:{receiver.server_port}"
    assert Webhook(SECRET).verify(body, headers) == json.loads(delivery.body)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.response, attempt.error, attempt.number) == (200, "thanks", "", 1)


def test_during_a_rotation_both_secrets_verify(endpoint, receiver):
    Endpoint.objects.update(previous_secret=OLD_SECRET)
    tell(endpoint)
    deliver_due(now=datetime.now(tz=UTC))
    ((headers, body),) = receiver.received
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(body, headers)


def test_nothing_is_sent_before_it_is_due_nor_twice(endpoint, receiver):
    tell(endpoint)
    assert deliver_due(now=NOW - timedelta(minutes=5)) == 0
    assert deliver_due(now=NOW) == 1
    assert deliver_due(now=NOW + timedelta(days=1)) == 0
    assert len(receiver.received) == 1


# --- It does not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status"),
    [(broken, 500), (reset, None), (hang, None), (redirect, 302), (endless, 500), (drip, None)],
)
def test_whatever_a_receiver_does_it_is_tried_again_in_bounded_time(endpoint, receiver, answer, status):
    receiver.answer = answer
    (delivery,) = tell(endpoint)
    started = time.monotonic()
    assert deliver_due(now=NOW) == 1
    assert time.monotonic() - started < 8  # seconds; each of these would go on for thirty or for ever
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.WAITING
    assert timedelta(seconds=4) < delivery.next_attempt_at - NOW < timedelta(seconds=14)
    attempt = Attempt.objects.get()
    assert attempt.status == status
    assert bool(attempt.error) is (status is None)
    assert len(attempt.response) <= 1024
    assert [headers["webhook-id"] for headers, _ in receiver.received] == [str(delivery.pk)]  # no redirect was followed
    assert Endpoint.objects.get().failing_since is not None


def test_a_closed_port_is_a_failure(endpoint, receiver):
    Endpoint.objects.update(url="http://127.0.0.1:1/")
    tell(endpoint)
    deliver_due(now=NOW)
    assert "refused" in Attempt.objects.get().error


def test_retry_after_is_heeded(endpoint, receiver):
    receiver.answer = lambda handler: handler.reply(503, Retry_After="3600")
    (delivery,) = tell(endpoint)
    deliver_due(now=NOW)
    delivery.refresh_from_db()
    assert timedelta(minutes=59) < delivery.next_attempt_at - NOW < timedelta(minutes=61)


def test_a_receiver_that_fails_half_the_time_gets_everything_in_the_end(endpoint, receiver):
    turns = cycle([broken, ok, reset, ok, redirect, ok, hang, ok, endless, ok])

    def in_turn(handler: Handler) -> None:
        next(turns)(handler)

    receiver.answer = in_turn
    deliveries = tell(endpoint, 30)
    for round_ in range(12):
        deliver_due(now=NOW + timedelta(days=round_))
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.DELIVERED}
    assert {headers["webhook-id"] for headers, _ in receiver.received} == {str(each.pk) for each in deliveries}
    assert Endpoint.objects.get().failing_since is None


def test_after_ten_tries_a_message_is_given_up_and_stays_visible(endpoint, receiver):
    receiver.answer = broken
    (delivery,) = tell(endpoint)
    at = NOW
    for _ in range(10):
        assert deliver_due(now=at) == 1
        delivery.refresh_from_db()
        at = max(at, delivery.next_attempt_at) + timedelta(seconds=1)
    assert delivery.state == DeliveryState.DEAD
    assert Attempt.objects.count() == 10
    assert deliver_due(now=NOW + timedelta(days=30)) == 0


def test_gone_disables_the_endpoint_with_an_alarm(endpoint, receiver):
    receiver.answer = lambda handler: handler.reply(410)
    tell(endpoint, 3)
    deliver_due(now=NOW)
    endpoint.refresh_from_db()
    assert (endpoint.active, endpoint.disabled_reason) == (False, "It answered 410 Gone.")
    assert endpoint.disabled_at is not None
    assert Event.objects.filter(kind="alarm.raised", client=endpoint.client).count() == 1
    received = len(receiver.received)
    assert deliver_due(now=NOW + timedelta(days=1)) == 0
    assert len(receiver.received) == received


def test_five_days_of_failure_disable_the_endpoint(endpoint, receiver):
    receiver.answer = broken
    tell(endpoint, 2)
    deliver_due(now=NOW)
    Delivery.objects.update(next_attempt_at=NOW)
    deliver_due(now=NOW + timedelta(days=5) - timedelta(minutes=1))
    assert Endpoint.objects.get().active
    Delivery.objects.update(next_attempt_at=NOW)
    deliver_due(now=NOW + timedelta(days=5, minutes=1))
    assert Endpoint.objects.get().disabled_reason == "It failed for five days."


def test_one_success_ends_the_count_of_days(endpoint, receiver):
    receiver.answer = broken
    tell(endpoint)
    deliver_due(now=NOW)
    receiver.answer = ok
    deliver_due(now=NOW + timedelta(days=4))
    assert Endpoint.objects.get().failing_since is None


# --- Lanes ------------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_sent_five_at_a_time_at_most(endpoint, receiver):
    receiver.answer = lambda handler: (time.sleep(0.05), ok(handler))
    tell(endpoint, 20)
    assert deliver_due(now=NOW) == 20
    assert receiver.busiest == 5


def test_a_failing_endpoint_is_sent_one_at_a_time(endpoint, receiver):
    Endpoint.objects.update(failing_since=NOW)
    receiver.answer = lambda handler: (time.sleep(0.05), broken(handler))
    tell(endpoint, 5)
    deliver_due(now=NOW)
    assert receiver.busiest == 1


def test_a_hanging_endpoint_does_not_keep_others_waiting(endpoint, receiver, settings):
    settings.WEBHOOK_TIMEOUT_SECONDS = 3
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        slow = Endpoint.objects.create(
            client=endpoint.client, url=f"http://127.0.0.1:{deaf.getsockname()[1]}/", secret=SECRET
        )
        tell(slow, 5)
        tell(endpoint, 20)
        arrived: list[float] = []
        started = time.monotonic()
        receiver.answer = lambda handler: (arrived.append(time.monotonic() - started), ok(handler))
        deliver_due(now=NOW)
    assert len(arrived) == 20
    assert max(arrived) < 3  # before the first of the others was given up


def test_a_leased_message_is_left_alone_until_the_lease_is_over(endpoint, receiver):
    tell(endpoint)
    Delivery.objects.update(leased_until=NOW + timedelta(minutes=1))
    assert deliver_due(now=NOW) == 0
    assert deliver_due(now=NOW + timedelta(minutes=2)) == 1


def test_a_second_call_in_the_same_process_has_nothing_to_do(endpoint):
    tell(endpoint)
    with deliver._dispatching:
        assert deliver_due(now=NOW) == 0


# --- Again ------------------------------------------------------------------------------------------------------------


def test_a_message_can_be_replayed_under_the_same_id(endpoint, receiver):
    (delivery,) = tell(endpoint)
    deliver_due(now=NOW)
    replay_delivery(delivery.pk, now=NOW)
    deliver_due(now=NOW)
    assert [headers["webhook-id"] for headers, _ in receiver.received] == [str(delivery.pk)] * 2
    assert list(Attempt.objects.order_by("id").values_list("number", flat=True)) == [1, 2]
    with pytest.raises(UnknownDelivery):
        replay_delivery(uuid4(), now=NOW)


def test_all_since_a_time_can_be_replayed(endpoint, receiver):
    old, *recent = tell(endpoint, 3)
    Delivery.objects.filter(pk=old.pk).update(created_at=NOW - timedelta(days=2))
    deliver_due(now=NOW)
    receiver.received.clear()
    assert replay_since(endpoint, since=NOW - timedelta(days=1), now=NOW) == 2
    deliver_due(now=NOW)
    assert {headers["webhook-id"] for headers, _ in receiver.received} == {str(each.pk) for each in recent}
