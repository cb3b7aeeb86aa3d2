"""Secrets of webhook endpoints, test messages, and receivers that were disabled."""

import base64
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from policies.domain.canonical import canonical_bytes
from reviews.domain.vocabulary import EventKind, WebhookType
from reviews.models import Channel, Delivery, Endpoint, Event, Receiver
from reviews.queries import name_of
from reviews.services.record import message, record
from reviews.services.ring import ring


class EndpointOff(Exception):
    """Nothing is sent there (409): the endpoint or its client is disabled; `detail` says which."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def new_secret() -> str:
    """A webhook secret in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def rotate_secret(endpoint: Endpoint) -> str:
    """Give it a new secret and return it; the old one goes on signing beside it until the rotation ends."""
    endpoint.previous_secret, endpoint.secret = endpoint.secret, new_secret()
    endpoint.save(update_fields=["previous_secret", "secret"])
    return endpoint.secret


def end_rotation(endpoint: Endpoint) -> None:
    """From now on only the newest secret signs."""
    endpoint.previous_secret = ""
    endpoint.save(update_fields=["previous_secret"])


def enable_receiver(receiver: Receiver) -> None:
    """Send to an endpoint or a channel again, as if it had never failed."""
    receiver.active, receiver.failing_since, receiver.disabled_at, receiver.disabled_reason = True, None, None, ""
    receiver.save(update_fields=["active", "failing_since", "disabled_at", "disabled_reason"])


def disable_receiver(receiver: Receiver, *, by: User, now: datetime) -> None:
    """Send it nothing until it is enabled again; what waits for it goes on waiting."""
    receiver.active, receiver.disabled_at, receiver.disabled_reason = False, now, f"{name_of(by)} disabled it."
    receiver.save(update_fields=["active", "disabled_at", "disabled_reason"])


def send_test(endpoint: Endpoint, *, by: User, now: datetime) -> Delivery:
    """Put a test message into the outbox, signed and tried like any other. Writes an event. Raises EndpointOff."""
    if not endpoint.active:
        raise EndpointOff("This endpoint is disabled: enable it first.")
    if not endpoint.client.active:
        raise EndpointOff(f"{endpoint.client} is disabled: nothing is sent to it.")
    with transaction.atomic():
        about = {"endpoint": endpoint.pk}
        event = record(EventKind.ENDPOINT_TESTED, now=now, user=by, client=endpoint.client, body=about)
        told = message(WebhookType.ENDPOINT_TEST, at=now, body={**about, "sequence": event.pk})
        return _test_message(event, now=now, body=told, endpoint=endpoint)


def send_channel_test(channel: Channel, *, by: User, now: datetime) -> Delivery:
    """The same for a channel; to whoever asks, where it has no address of its own. Raises EndpointOff."""
    if not channel.active:
        raise EndpointOff("This channel is disabled: enable it first.")
    with transaction.atomic():
        event = record(EventKind.ENDPOINT_TESTED, now=now, user=by, body={"channel": channel.pk})
        told = {"said": f"A test message, asked for by {name_of(by)}.", "link": settings.PUBLIC_URL}
        recipient = None if channel.address else by
        return _test_message(event, now=now, body=told, channel=channel, recipient=recipient)


def _test_message(event: Event, *, now: datetime, body: Mapping[str, Any], **to: Any) -> Delivery:
    """In the outbox, to an endpoint or to a channel and its recipient; the dispatcher is rung."""
    delivery = Delivery.objects.create(
        **to,
        event=event,
        type=WebhookType.ENDPOINT_TEST,
        body=canonical_bytes(body).decode(),
        next_attempt_at=now,
        created_at=now,
    )
    ring("reviews.tasks.deliver")
    return delivery
