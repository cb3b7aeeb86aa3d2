"""Webhooks against a receiver that does everything wrong, over real sockets."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from standardwebhooks import Webhook

from reviews.domain.vocabulary import ChannelKind, DeliveryState, EventKind, Notice, WebhookType
from reviews.models import Attempt, Channel, Client, Delivery, Endpoint, Event
from reviews.services import deliver
from reviews.services.deliver import UnknownDelivery, deliver_due, replay_delivery, replay_since
from reviews.services.endpoints import send_test
from reviews.services.post import UrlRefused, check_url, post
from reviews.services.record import record
from tests import factories as make

pytestmark = pytest.mark.django_db

SECRET, OLD_SECRET = "whsec_bmV3LXNlY3JldA==", "whsec_b2xkLXNlY3JldA=="
NOW = datetime.now(tz=UTC)


class Receiver(ThreadingHTTPServer):
    """Keeps what it was sent; `answer` is what it does with each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[dict[str, str], str]] = []
        self.busy = self.busiest = 0
        self.lock = threading.Lock()
        self.answer: Callable[[Handler], None] = ok

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks?from=countersign"

    def handle_error(self, request, client_address) -> None:
        """A connection that was cut is what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with self.server.lock:
            self.server.received.append((dict(self.headers), body))
            self.server.busy += 1
            self.server.busiest = max(self.server.busiest, self.server.busy)
        try:
            self.server.answer(self)
        finally:
            with self.server.lock:
                self.server.busy -= 1

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        """Says nothing."""


def ok(handler: Handler) -> None:
    handler.reply(200, b"thanks")


def broken(handler: Handler) -> None:
    handler.reply(500, b"out of order")


def reset(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    handler.connection.close()


def hang(handler: Handler) -> None:
    time.sleep(30)


def redirect(handler: Handler) -> None:
    handler.reply(302, Location=f"http://127.0.0.1:{handler.server.server_port}/elsewhere")


def endless(handler: Handler) -> None:
    handler.send_response(500)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def drip(handler: Handler) -> None:
    """A byte of a header each tenth of a second, for ever: no time-out between bytes sees it."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 300:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.1)


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    settings.ALLOW_LOOPBACK_WEBHOOKS = True
    settings.WEBHOOK_TIMEOUT_SECONDS = 0.6
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def endpoint(receiver) -> Endpoint:
    client = Client.objects.create(name="Support agent")
    return Endpoint.objects.create(client=client, url=receiver.url, secret=SECRET)


def tell(endpoint: Endpoint, count: int = 1) -> list[Delivery]:
    """So many messages in the outbox of this endpoint's client."""
    for number in range(count):
        event = record(EventKind.OUTCOME_SETTLED, now=NOW, client=endpoint.client, body={"number": number})
        text = json.dumps({"type": str(WebhookType.DECISION_SETTLED), "data": {"number": number}})
        Delivery.objects.create(
            endpoint=endpoint,
            event=event,
            type=WebhookType.DECISION_SETTLED,
            body=text,
            next_attempt_at=NOW,
            created_at=NOW,
        )
    return list(Delivery.objects.filter(endpoint=endpoint).order_by("id"))


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


# --- Only the outside -------------------------------------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch) -> dict[str, list[str]]:
    """What each name resolves to, call by call; the last answer stays. Everything else is left to the system."""
    answers: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host, port, *args, **options):
        if host in answers:
            left = answers[host]
            return real(left.pop(0) if len(left) > 1 else left[0], port, *args, **options)
        return real(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return answers


def test_without_the_setting_this_machine_is_not_reached(endpoint, receiver, settings):
    settings.ALLOW_LOOPBACK_WEBHOOKS = False
    tell(endpoint)
    deliver_due(now=NOW)
    assert receiver.received == []
    assert Attempt.objects.get().error == "The URL must start with https://."


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "64:ff9b::a01:203"])
def test_a_name_that_leads_inside_is_refused_when_saved_and_when_sent(endpoint, names, settings, address):
    settings.ALLOW_LOOPBACK_WEBHOOKS = False
    names["hooks.example"] = [address]
    with pytest.raises(UrlRefused):
        check_url("https://hooks.example/x")
    Endpoint.objects.update(url="https://hooks.example/x")
    tell(endpoint)
    deliver_due(now=NOW)
    assert address in Attempt.objects.get().error


def test_a_name_that_turns_inside_after_it_was_checked_is_refused(receiver, names, settings):
    settings.ALLOW_LOOPBACK_WEBHOOKS = False
    url = f"https://hooks.example:{receiver.server_port}/x"
    names["hooks.example"] = ["8.8.8.8", "127.0.0.1"]
    check_url(url)
    assert post(url, body=b"{}", headers={}).error == "127.0.0.1 is loopback."
    assert receiver.received == []


def test_the_connection_goes_to_the_address_that_was_judged_whatever_the_name_says_next(receiver, names):
    # Were the name asked once more, nobody would listen at what it says now.
    url = f"http://localhost:{receiver.server_port}/x"
    names["localhost"] = ["127.0.0.1", "127.0.0.2"]
    assert post(url, body=b"{}", headers={}).status == 200
    assert receiver.received[0][0]["Host"] == f"localhost:{receiver.server_port}"


def test_proxies_of_the_environment_are_not_used(endpoint, receiver, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    tell(endpoint)
    deliver_due(now=NOW)
    assert len(receiver.received) == 1


# ---- Channels -------------------------------------------------------------------------------------------------------


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
