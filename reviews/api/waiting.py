"""Long polls: a caller waits here for a decision to settle, without a database connection and beside few others."""

import time
from collections.abc import Callable
from threading import BoundedSemaphore
from typing import Final, TypeVar

from django.conf import settings
from django.db import connection

Read = TypeVar("Read")
LOOK_EVERY_SECONDS: Final = 0.25
# Whoever waits keeps a thread of the web server busy: three of four always stay free for the others.
_places = BoundedSemaphore(settings.WEB_THREADS // 4)


def waited_for(read: Callable[[], Read], *, until: Callable[[Read], bool], seconds: float) -> Read:
    """What `read` gives once `until` is true of it, or else when the time is over or there is no place to wait."""
    found = read()
    if until(found) or seconds <= 0 or not _places.acquire(blocking=False):
        return found
    try:
        ends_at = time.monotonic() + seconds
        while not until(found) and (left := ends_at - time.monotonic()) > 0:
            _give_connection_back()
            time.sleep(min(LOOK_EVERY_SECONDS, left))
            found = read()
        return found
    finally:
        _places.release()


def _give_connection_back() -> None:
    if not connection.in_atomic_block:
        connection.close()
