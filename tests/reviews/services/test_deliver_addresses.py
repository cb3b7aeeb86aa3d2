"""Webhooks reach only the outside: addresses that are refused when saved and when sent."""

import socket

import pytest

from reviews.models import Attempt, Endpoint
from reviews.services.deliver import deliver_due
from reviews.services.post import UrlRefused, check_url, post
from tests.reviews.services.receiving import NOW, tell

pytestmark = pytest.mark.django_db


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
