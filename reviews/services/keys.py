"""API keys `cs_<id>_<secret>`: made once, shown once, kept as a hash."""

import re
import secrets
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final

from policies.domain.canonical import sha256_hex
from reviews.models import Client, ClientKey

BEARER_KEY: Final = re.compile(r"cs_(?P<prefix>[a-z0-9]{8,16})_(?P<secret>[A-Za-z0-9]{32,128})")
# Writing each use of a key would cost a row update a request.
USE_IS_NOTED_EVERY: Final = timedelta(minutes=1)


class KeyUnknown(Exception):
    """No such key, or not any more: which of the two is not told to who presents it."""

    detail = "This key is not known, has expired or was revoked."


def issue_key(client: Client, *, now: datetime, expires_at: datetime | None = None) -> str:
    """A new key of the client, in plain text: the only time that it is seen."""
    prefix, secret = secrets.token_hex(6), secrets.token_hex(32)
    ClientKey.objects.create(
        client=client,
        prefix=prefix,
        secret_sha256=sha256_hex(secret.encode()),
        created_at=now,
        expires_at=expires_at,
    )
    return f"cs_{prefix}_{secret}"


def revoke_key(key: ClientKey, *, now: datetime) -> None:
    """Ends a key at once; it stays in the list of the client's keys."""
    ClientKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now)


def find_key(bearer: str, *, now: datetime) -> ClientKey:
    """The key that `bearer` is, with its client, if it may be used now. One query. Raises KeyUnknown."""
    match = BEARER_KEY.fullmatch(bearer)
    if match is None:
        raise KeyUnknown
    try:
        key = ClientKey.objects.select_related("client").get(prefix=match["prefix"])
    except ClientKey.DoesNotExist:
        raise KeyUnknown from None
    right = compare_digest(key.secret_sha256, sha256_hex(match["secret"].encode()))
    if not right or not is_usable(key, now=now):
        raise KeyUnknown
    return key


def is_usable(key: ClientKey, *, now: datetime) -> bool:
    """Neither revoked nor expired, and its client is active."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at) and key.client.active


def key_is_valid(bearer: str, *, client: Client, now: datetime) -> bool:
    """Whether `bearer` is a key of this client that may be used now."""
    try:
        return find_key(bearer, now=now).client_id == client.pk
    except KeyUnknown:
        return False


def note_use(key: ClientKey, *, now: datetime) -> None:
    """Remembers when a key was last used, to the minute."""
    if key.last_used_at is None or now - key.last_used_at >= USE_IS_NOTED_EVERY:
        ClientKey.objects.filter(pk=key.pk).update(last_used_at=now)
        key.last_used_at = now
