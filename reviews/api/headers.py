"""Headers that mean something to an address, each read strictly.

Those of a submission are read as WSGI has them: Django's `headers` goes through all of a request's for the first one.
"""

import re
from typing import Final

from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from reviews.api.problems import Unprocessable, VersionMissing

_KEY: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_VERSION: Final = re.compile(r'"([0-9]{1,9})"')


def check_content(request: Request, media_type: str) -> None:
    """Raises UnsupportedMediaType (415) for another content type, or for a content encoding."""
    sent = request.content_type or ""
    if sent.partition(";")[0].strip().lower() != media_type:
        raise UnsupportedMediaType(sent, f"Send {media_type}, not {sent or 'a body without Content-Type'}.")
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedMediaType(sent, "Send the body without a Content-Encoding.")


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key, if there is one."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not _KEY.fullmatch(key):
        raise Unprocessable("Idempotency-Key is 1 to 255 printable ASCII characters.", header="Idempotency-Key")
    return key


def prefers_async(request: Request) -> bool:
    """Whether Prefer (RFC 7240) asks for `respond-async`."""
    sent = request.META.get("HTTP_PREFER")
    return sent is not None and "respond-async" in {each.strip() for each in re.split(r"[,;]", sent.lower())}


def version_of(request: Request) -> int:
    """The ticket's version from If-Match. Raises VersionMissing (428)."""
    tag = request.headers.get("If-Match")
    if tag is None or tag.strip() == "*":  # "Any version" is what it is there to rule out.
        raise VersionMissing
    match = _VERSION.fullmatch(tag.strip())
    if match is None:
        raise Unprocessable('If-Match is the ticket\'s version in quotes, such as "3".', header="If-Match")
    return int(match[1])
