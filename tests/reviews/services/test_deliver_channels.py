"""Notifications to chat rooms, by the same outbox as webhooks."""

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from reviews.domain.vocabulary import ChannelKind, DeliveryState, EventKind, Notice
from reviews.models import Attempt, Channel, Delivery
from reviews.services.deliver import deliver_due
from reviews.services.record import record
from tests import factories as make
from tests.reviews.services.receiving import NOW, broken, ok, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(receiver) -> Channel:
    """A chat room that hears of alarms."""
    return Channel.objects.create(
        title="Room", kind=ChannelKind.SLACK, address=receiver.url, notices=[Notice.ALARM_RAISED, Notice.STOP]
    )


def alarm(kind: str = "drift") -> None:
    """An alarm of a workflow whose title holds what Slack would read as a call to everybody."""
    workflow = make.make_workflow(title="Refunds & <!channel>")
    body = {"alarm": 1, "kind": kind, "workflow": workflow.key, "action": ""}
    record(EventKind.ALARM_RAISED, now=NOW, workflow=workflow, body=body)


def test_a_chat_room_is_sent_what_slack_takes_and_calls_nobody(receiver, room):
    alarm()
    assert deliver_due(now=NOW) == 1
    ((headers, body),) = receiver.received
    assert json.loads(body) == {
        "text": "Refunds &amp; &lt;!channel&gt;: an alarm is raised: drift. "
        "<http://localhost:8000/insights/?workflow=support|Open>"
    }
    assert headers["Content-Type"] == "application/json"
    assert "webhook-signature" not in headers
    assert Delivery.objects.get().state == DeliveryState.DELIVERED


def test_a_broken_room_is_tried_again_and_costs_the_endpoints_nothing(receiver, room, endpoint):
    Channel.objects.update(address=receiver.url + "&room")
    receiver.answer = lambda handler: broken(handler) if handler.path.endswith("room") else ok(handler)
    for kind in ("drift", "calibration", "override_rate"):
        alarm(kind)
    messages = tell(endpoint, 5)
    assert deliver_due(now=NOW) >= 8
    states = dict(Delivery.objects.values_list("pk", "state"))
    assert {states[message.pk] for message in messages} == {DeliveryState.DELIVERED}
    of_room = Delivery.objects.filter(channel=room)
    assert {(one.state, one.attempts_made) for one in of_room} == {(DeliveryState.WAITING, 1)}
    assert deliver_due(now=NOW + timedelta(seconds=1)) == 0
    receiver.answer = ok
    assert deliver_due(now=NOW + timedelta(seconds=10)) == 3
    assert not of_room.exclude(state=DeliveryState.DELIVERED).exists()


def test_a_room_that_is_gone_is_disabled_and_whoever_wants_to_know_is_told(receiver, room):
    admins = Channel.objects.create(
        title="Admins", kind=ChannelKind.EMAIL, address="admins@example.org", notices=[Notice.ENDPOINT_DISABLED]
    )
    receiver.answer = lambda handler: handler.reply(410)
    alarm()
    deliver_due(now=NOW)
    room.refresh_from_db()
    assert (room.active, room.disabled_reason) == (False, "It answered 410 Gone.")
    assert json.loads(Delivery.objects.get(channel=admins).body)["said"].startswith("The channel Room is disabled")


def test_a_room_inside_the_house_is_never_connected_to(receiver, room, settings):
    settings.ALLOW_LOOPBACK_WEBHOOKS = False
    alarm()
    deliver_due(now=NOW)
    assert receiver.received == []
    assert Attempt.objects.get().status is None


def test_a_delivery_goes_to_an_endpoint_or_to_a_channel_and_not_to_both(receiver, room, endpoint):
    (delivery,) = tell(endpoint)
    with pytest.raises(IntegrityError, match="a_delivery_goes_to_an_endpoint_or_a_channel"), transaction.atomic():
        Delivery.objects.filter(pk=delivery.pk).update(channel=room)
    with pytest.raises(IntegrityError, match="a_delivery_goes_to_an_endpoint_or_a_channel"), transaction.atomic():
        Delivery.objects.filter(pk=delivery.pk).update(endpoint=None)


def test_one_event_is_told_once_by_a_channel(receiver, room):
    alarm()
    delivery = Delivery.objects.get()
    with pytest.raises(IntegrityError, match="one_delivery_of_an_event_to_a_channel"), transaction.atomic():
        Delivery.objects.create(
            channel=room, event=delivery.event, type=Notice.STOP, body="{}", next_attempt_at=NOW, created_at=NOW
        )
