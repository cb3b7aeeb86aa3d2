"""Who speaks: an upstream system by its key. People come by the browser session, which Django knows."""

from collections import OrderedDict
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from policies.domain.canonical import sha256_hex
from reviews.models import ClientKey
from reviews.services.keys import KeyUnknown, find_key, is_usable, note_use

SCHEME: Final = "Bearer "


class RecentKeys:
    """Keys that were found a moment ago, for the one path where a query more would cost as much as all the rest.

    A submission reads key and client again in its own transaction, so one that was just revoked is refused there.
    """

    REMEMBERED_FOR: Final = timedelta(seconds=2)
    MOST: Final = 1_000

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[datetime, ClientKey]] = OrderedDict()
        self._lock = Lock()

    def find(self, bearer: str, *, now: datetime) -> ClientKey:
        """As services.keys.find_key."""
        digest = sha256_hex(bearer.encode())  # The secret itself is not kept, not even in memory.
        found = self._known.get(digest)
        if found is not None and now < found[0] + self.REMEMBERED_FOR and is_usable(found[1], now=now):
            return found[1]
        key = find_key(bearer, now=now)
        with self._lock:
            self._known[digest] = (now, key)
            self._known.move_to_end(digest)
            if len(self._known) > self.MOST:
                self._known.popitem(last=False)
        return key


RECENT_KEYS: Final = RecentKeys()


class BearerKey(BaseAuthentication):
    """`Authorization: Bearer cs_<id>_<secret>`.

    `request.auth` is then the ClientKey; `request.user` stays nobody, so that what asks for a person refuses every key.
    """

    def __init__(self, *, recent: RecentKeys | None = None) -> None:
        self._find = recent.find if recent else find_key

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ClientKey] | None:
        header: str = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        now = timezone.now()
        try:
            if not header.startswith(SCHEME):
                raise KeyUnknown
            key = self._find(header.removeprefix(SCHEME), now=now)
        except KeyUnknown as error:
            raise AuthenticationFailed(error.detail) from error
        note_use(key, now=now)
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="countersign"'
