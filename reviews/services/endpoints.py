"""Secrets of webhook endpoints, and receivers that were disabled."""

import base64
import secrets

from reviews.models import Endpoint, Receiver


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
