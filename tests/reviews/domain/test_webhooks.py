"""When a webhook is tried again, what is signed, where it may go."""

from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from standardwebhooks import Webhook

from reviews.domain.webhooks import (
    LONGEST_WAIT,
    SCHEDULE,
    read_retry_after,
    refused_address,
    refused_url,
    signed_headers,
    wait_after,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OURS = "https://review.example.org"


def test_the_waits_are_those_that_are_promised():
    waits = [wait_after(tries, jitter=0.5) for tries in range(1, 10)]
    assert waits == [
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
    ]
    assert len(SCHEDULE) == 10
    assert wait_after(10, jitter=0.5) is None


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 270), (0.999999, 330)])
def test_jitter_is_a_tenth_either_way(jitter, seconds):
    wait = wait_after(2, jitter=jitter)
    assert wait is not None
    assert wait.total_seconds() == pytest.approx(seconds, abs=0.1)


def test_what_the_receiver_asks_is_waited_at_least_and_a_day_at_most():
    hour, year = timedelta(hours=1), timedelta(days=365)
    assert wait_after(1, jitter=0.5, retry_after=hour) == hour
    assert wait_after(9, jitter=0.5, retry_after=hour) == timedelta(hours=24)
    assert wait_after(1, jitter=0.5, retry_after=year) == LONGEST_WAIT


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("Mon, 02 Mar 2026 09:00:30 GMT", timedelta(seconds=30)),
        ("Mon, 02 Mar 2026 08:00:00 GMT", None),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, wait):
    assert read_retry_after(value, now=NOW) == wait


def test_each_secret_signs_and_the_zone_of_the_clock_makes_no_difference():
    old, new = "whsec_b2xk", "whsec_bmV3"
    now = datetime.now(tz=UTC)
    signed = signed_headers(message_id="m-1", at=now, body='{"a":1}', secrets=(new, old))
    elsewhere = now.astimezone(timezone(timedelta(hours=9)))
    assert signed_headers(message_id="m-1", at=elsewhere, body='{"a":1}', secrets=(new, old)) == signed
    for secret in (old, new):
        assert Webhook(secret).verify('{"a":1}', signed) == {"a": 1}


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.9"),
        *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1"),
        *("192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1"),
        *("239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808"),
        *("64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378::1", "2001:db8::1", "2002:7f00:1::"),
        *("2002:808:808::1", "3fff::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
    ],
)
def test_addresses_that_are_not_the_outside_are_refused(address):
    assert refused_address(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255"),
        *("172.32.0.0", "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
        *("2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "2003::1"),
    ],
)
def test_public_addresses_pass(address):
    assert refused_address(ip_address(address)) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_can_be_opened_for_development_and_nothing_else_with_it(address):
    assert refused_address(ip_address(address), loopback_allowed=True) is None
    for other in ("10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0"):
        assert refused_address(ip_address(other), loopback_allowed=True)


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.example", "//hooks.example/x", "ftp://hooks.example/", "file:///etc/passwd", "javascript:x"),
        *("http://hooks.example/", "http://localhost/", "https:///x", "https://", "https://[::1", "https://a:b/"),
        *("https://hooks.example:99999/", "https://user@hooks.example/", "https://u:p@hooks.example/"),
        *("https://hooks.example/#x", "https://hooks.example/a b", "https://hooks.example/\n", "https://a\\@b/"),
        *("https://review.example.org/", "https://review.example.org./x", "https://review.example.org:8443/"),
        *("https://REVIEW.example.org/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/x"),
        *("https://[fe80::1]/", "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest/meta-data"),
    ],
)
def test_urls_that_lead_inside_or_nowhere_are_refused(url):
    assert refused_url(url, own_url=OURS)


@pytest.mark.parametrize("url", ["https://hooks.example/x?y=1", "https://hooks.example:8443", "https://8.8.8.8/"])
def test_urls_of_the_outside_pass(url):
    assert refused_url(url, own_url=OURS) is None


def test_for_development_http_goes_to_this_machine_but_not_to_the_console():
    own = "http://localhost:8000"
    for url in ("http://127.0.0.1:9000/x", "http://localhost:9000/", "http://[::1]:9000/", "https://localhost:9000/"):
        assert refused_url(url, own_url=own, loopback_allowed=True) is None
    for url in ("http://localhost:8000/x", "http://hooks.example/", "http://10.0.0.1/"):
        assert refused_url(url, own_url=own, loopback_allowed=True)
