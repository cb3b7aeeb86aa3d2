"""One message by HTTP, to nobody but the outside: no database here, and no transaction around it.

The name is resolved once, every address it has is judged, and the connection goes to the one that was judged, so that a
name that changes its mind between check and connection gains nothing. Redirects aren't followed, no proxy of the
environment is used, and neither a slow nor an endless answer lasts past WEBHOOK_TIMEOUT_SECONDS.
"""

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from reviews.domain.webhooks import Address, default_port, is_loopback, refused_address, refused_url

# So much of an answer is kept, to be read by whoever looks for the fault.
ANSWER_BYTES = 1024


class UrlRefused(Exception):
    """No message goes there; `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a try. `status` is None where no answer came; then `error` says why."""

    status: int | None
    error: str
    response: str
    retry_after: str
    milliseconds: int


def check_url(url: str) -> None:
    """Asked when an endpoint is saved. A name that can't be found yet passes; it is judged again at each connection.

    Raises UrlRefused.
    """
    try:
        _judged_address(url)
    except OSError:
        return


def post(url: str, *, body: bytes, headers: Mapping[str, str]) -> Answered:
    """Send it, once. Never raises: whatever goes wrong is in the answer."""
    started = time.monotonic()
    try:
        status, retry_after, response = _exchange(url, _judged_address(url), body=body, headers=headers)
        error = ""
    except UrlRefused as refusal:
        status, retry_after, response, error = None, "", "", refusal.detail
    except (OSError, HTTPError, HTTPException, ValueError) as fault:
        status, retry_after, response, error = None, "", "", f"{type(fault).__name__}: {fault}"
    return Answered(
        status=status,
        error=error[:300],
        response=response,
        retry_after=retry_after,
        milliseconds=round((time.monotonic() - started) * 1000),
    )


def _judged_address(url: str) -> str:
    """The address to connect to. Raises UrlRefused where one of the name is refused, OSError where there is none."""
    loopback_allowed = settings.ALLOW_LOOPBACK_WEBHOOKS
    if detail := refused_url(url, own_url=settings.PUBLIC_URL, loopback_allowed=loopback_allowed):
        raise UrlRefused(detail)
    parts = urlsplit(url)
    port = parts.port or default_port(parts.scheme)
    found = [entry[4][0] for entry in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)]
    for text in found:
        address = ip_address(text)
        if detail := refused_address(address, loopback_allowed=loopback_allowed):
            raise UrlRefused(detail)
        if address in _own_addresses() and not (loopback_allowed and is_loopback(address)):
            raise UrlRefused(f"{address} is the console's own.")
    return str(found[0])


@lru_cache(maxsize=1)
def _own_addresses() -> frozenset[Address]:
    """Where PUBLIC_URL leads; empty where its name can't be found."""
    try:
        found = socket.getaddrinfo(urlsplit(settings.PUBLIC_URL).hostname, None, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(ip_address(entry[4][0]) for entry in found)


def _exchange(url: str, address: str, *, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str]:
    """Status, Retry-After and the beginning of the answer. Raises OSError, HTTPError or ValueError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or default_port(parts.scheme)
    patience = settings.WEBHOOK_TIMEOUT_SECONDS
    connection: HTTPConnection
    if parts.scheme == "https":
        connection = HTTPSConnection(
            address, port, timeout=patience, ssl_context=_tls(), server_hostname=host, assert_hostname=host
        )
    else:
        connection = HTTPConnection(address, port, timeout=patience)
    # The time-out above counts from byte to byte; a receiver that sends one a second would never reach it.
    late = threading.Event()
    guard = threading.Timer(patience, _cut, args=(connection, late))
    guard.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.connect()
        if late.is_set():
            raise TimeoutError(f"No connection within {patience:g} s.")
        connection.request("POST", path, body=body, headers={"Host": parts.netloc, **headers}, preload_content=False)
        answer = connection.getresponse()
        if late.is_set():  # A head that was cut off reads like a short one.
            raise TimeoutError(f"No answer within {patience:g} s.")
        return answer.status, answer.headers.get("Retry-After", ""), _beginning(answer)
    finally:
        guard.cancel()
        connection.close()


def _beginning(answer: HTTPResponse) -> str:
    """What the receiver says for itself. That it answered is known already, whatever becomes of the rest."""
    try:
        read = answer.read(ANSWER_BYTES, decode_content=False)
    except (OSError, HTTPError, HTTPException):
        return ""
    return read.decode("utf-8", errors="replace").replace("\x00", "\ufffd")


def _cut(connection: HTTPConnection, late: threading.Event) -> None:
    late.set()
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
