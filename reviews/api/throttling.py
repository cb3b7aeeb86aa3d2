"""How much one key may ask, counted for all web processes together."""

import time
from dataclasses import dataclass, field
from math import ceil
from threading import Lock
from typing import Final

from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from reviews.models import ClientKey
from reviews.services.allowance import take_requests

KEPT_SECONDS: Final = 5.0
"""What a process took and didn't use by then is lost, so that no old store adds to a new minute's."""
QUICKLY_SECONDS: Final = 1.0


@dataclass(slots=True)
class Share:
    """What one process took of a key's allowance. Times are of the monotonic clock."""

    left: int = 0
    block: int = 0  # how many were taken the last time
    taken_at: float = 0.0
    empty_until: float = 0.0
    lock: Lock = field(default_factory=Lock)

    def take(self, key_id: int, *, a_minute: int, at: float) -> float:
        """0.0 when one more request may be made, else the seconds until one may.

        The counter in the database is asked for a tenth of a second's requests; when they are used up at once, for
        twice as many, up to a second's: a busy key costs a statement a second.
        """
        with self.lock:
            if self.left and at - self.taken_at < KEPT_SECONDS:
                self.left -= 1
                return 0.0
            if at < self.empty_until:
                return self.empty_until - at
            is_busy = at - self.taken_at < QUICKLY_SECONDS
            self.block = min(max(1, a_minute // 60), self.block * 2 if is_busy else max(1, a_minute // 600))
            taken = take_requests(key_id, a_minute=a_minute, most=self.block)
            self.taken_at, self.left = at, max(0, taken.requests - 1)
            if taken.requests:
                return 0.0
            self.empty_until = at + taken.seconds
            return taken.seconds


class KeyRate(BaseThrottle):
    """The client's `rate_limit` in requests a minute, for each of its keys; 0 is no limit."""

    _shares: dict[int, Share] = {}

    def allow_request(self, request: Request, view: object) -> bool:
        key = request.auth
        if not isinstance(key, ClientKey) or not key.client.rate_limit:
            return True
        limit = key.client.rate_limit
        # A dict's setdefault is atomic: two threads get the same share.
        share = self._shares.setdefault(key.pk, Share())
        wait = share.take(key.pk, a_minute=limit, at=time.monotonic())
        if wait:
            raise Throttled(max(1, ceil(wait)), f"This key may make {limit:,} requests a minute.")
        return True
