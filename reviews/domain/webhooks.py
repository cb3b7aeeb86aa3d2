"""Webhooks as pure rules: when to try again, what is signed, where a message may go.

Messages follow Standard Webhooks (https://www.standardwebhooks.com). The addresses that are refused are those of the
IANA special-purpose registries (RFC 6890) and the transition mechanisms through which IPv4 hides in IPv6.
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from standardwebhooks import Webhook

Address = IPv4Address | IPv6Address

# ---- When -----------------------------------------------------------------------------------------------------------

SCHEDULE: Final = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long each try waits after the one before it."""
JITTER: Final = 0.1
"""The share by which a wait is longer or shorter, so that a receiver that comes back isn't met by all at once."""
LONGEST_WAIT: Final = timedelta(hours=24)
"""The most that a receiver's Retry-After is heeded."""
DISABLED_AFTER: Final = timedelta(days=5)
"""An endpoint that has only failed for so long is disabled."""


def wait_after(tries: int, *, jitter: float, retry_after: timedelta | None = None) -> timedelta | None:
    """How long to wait after so many failed tries (from 1); None when there have been enough.

    `jitter` is a number in [0, 1), drawn by the caller. What the receiver asks for in Retry-After is waited at least.
    """
    if tries >= len(SCHEDULE):
        return None
    wait = SCHEDULE[tries] * (1 - JITTER + 2 * JITTER * jitter)
    return max(wait, min(retry_after, LONGEST_WAIT)) if retry_after is not None else wait


def read_retry_after(value: str, *, now: datetime) -> timedelta | None:
    """The header of RFC 9110: seconds or a date. None when it is neither, or past."""
    if re.fullmatch(r"[0-9]{1,9}", value):
        return timedelta(seconds=int(value))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment - now if moment > now else None


# ---- What is signed -------------------------------------------------------------------------------------------------


def signed_headers(*, message_id: str, at: datetime, body: str, secrets: tuple[str, ...]) -> dict[str, str]:
    """The three headers of Standard Webhooks, signed with each secret: both are valid while one replaces the other."""
    # The library takes the clock face of whatever zone it is given for UTC.
    moment = at.astimezone(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, moment, body) for secret in secrets),
    }


# ---- Where ----------------------------------------------------------------------------------------------------------

REFUSED_IPV4: Final = tuple(
    (ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "behind a carrier's NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.31.196.0/24", "anycast of AS112"),
        ("192.52.193.0/24", "anycast of AMT"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "anycast of AS112"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
# What isn't global unicast is refused whole, and with it loopback, link-local, unique local, multicast, IPv4 in IPv6
# (mapped, compatible, translated) and NAT64.
GLOBAL_IPV6: Final = ip_network("2000::/3")
REFUSED_IPV6: Final = tuple(
    (ip_network(network), what)
    for network, what in (
        ("2001::/23", "reserved for protocols, Teredo among them"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "anycast of AS112"),
        ("3fff::/20", "for documentation"),
    )
)
LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def is_loopback(address: Address) -> bool:
    """Whether it is this machine's own, and no disguise of it."""
    return any(address in network for network in LOOPBACK if network.version == address.version)


def refused_address(address: Address, *, loopback_allowed: bool = False) -> str | None:
    """Why no message goes to this address; None when one may."""
    if is_loopback(address):
        return None if loopback_allowed else f"{address} is loopback."
    if isinstance(address, IPv6Address) and (address not in GLOBAL_IPV6 or address.scope_id):
        return f"{address} is not a public address."
    table = REFUSED_IPV4 if isinstance(address, IPv4Address) else REFUSED_IPV6
    for network, what in table:
        if address in network:
            return f"{address} is {what}."
    return None


def refused_url(url: str, *, own_url: str, loopback_allowed: bool = False) -> str | None:
    """Why no message goes to this URL, by what is written in it; None when the addresses it leads to may decide.

    It is https, or http to this machine where that is allowed; and never the product's own.
    """
    try:
        parts, own = urlsplit(url), urlsplit(own_url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or default_port(parts.scheme)
        own_place = (own.hostname or "").rstrip("."), own.port or default_port(own.scheme)
    except ValueError:
        return "This is no URL."
    if re.search(r"[\x00-\x20\x7f\\]", url):
        return "A URL holds no blanks, controls or backslashes."
    if not host or parts.scheme not in ("https", "http"):
        return "The URL must start with https:// and name a host."
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "The URL must hold neither user, password nor fragment."
    if (host, port) == own_place or (host == own_place[0] and not loopback_allowed):
        return "This is the console's own address."
    address = _literal(host)
    reaches_itself = loopback_allowed and (host == "localhost" or (address is not None and is_loopback(address)))
    if parts.scheme == "http" and not reaches_itself:
        return "The URL must start with https://."
    return refused_address(address, loopback_allowed=loopback_allowed) if address is not None else None


def default_port(scheme: str) -> int:
    """The port of a URL that names none."""
    return 80 if scheme == "http" else 443


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
