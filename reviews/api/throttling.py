"""How much one key may ask: a bucket that holds a minute's requests and fills evenly."""

import time
from dataclasses import dataclass
from math import ceil
from threading import Lock
from typing import Final

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from reviews.models import ClientKey

MINUTE: Final = 60.0


@dataclass(slots=True)
class Bucket:
    """Requests that a key may still make, as of a moment on the monotonic clock."""

    left: float
    at: float


class KeyRate(BaseThrottle):
    """The client's `rate_limit` in requests a minute, for each of its keys; 0 is no limit.

    Each web process counts for itself and grants its share, so that no request waits for a counter elsewhere.
    """

    _buckets: dict[int, Bucket] = {}
    _lock = Lock()
    _wait = 1

    def allow_request(self, request: Request, view: object) -> bool:
        key = request.auth
        if not isinstance(key, ClientKey) or not key.client.rate_limit:
            return True
        limit = key.client.rate_limit
        if self.take(key.pk, a_minute=limit / settings.WEB_WORKERS, at=time.monotonic()):
            return True
        raise Throttled(self._wait, f"This key may make {limit:,} requests a minute.")

    def take(self, key: int, *, a_minute: float, at: float) -> bool:
        """Takes one request out of the bucket of `key`, if there is one."""
        most = max(a_minute, 1.0)
        with self._lock:
            bucket = self._buckets.setdefault(key, Bucket(left=most, at=at))
            bucket.left = min(most, bucket.left + (at - bucket.at) * a_minute / MINUTE)
            bucket.at = at
            if bucket.left >= 1:
                bucket.left -= 1
                return True
            self._wait = max(1, ceil((1 - bucket.left) * MINUTE / a_minute))
        return False

    def wait(self) -> float:
        return self._wait
