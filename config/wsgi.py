"""The console as WSGI: one handler for people, one for requests that bring an API key."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest
from django.urls import ResolverMatch, get_resolver

from config.garbage import spare_what_stands

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

SUBMIT = "/api/v1/decisions"


class KeyedHandler(WSGIHandler):
    """Without sessions, cookies, messages and what else pages need: a third of what a submission costs."""

    _submit: ResolverMatch | None = None

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001  Django's signature
        of_pages = settings.MIDDLEWARE
        settings.MIDDLEWARE = settings.KEYED_MIDDLEWARE
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = of_pages

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Finding its view costs a submission a tenth of its Python, and finds the same each time."""
        if request.path_info != SUBMIT:
            return super().resolve_request(request)
        if self._submit is None:
            self._submit = super().resolve_request(request)
        request.resolver_match = self._submit
        return self._submit


_pages = get_wsgi_application()
_keyed = KeyedHandler()
_ = get_resolver().url_patterns  # now, not at the first request: whatever views import stands as well
spare_what_stands()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A key counts for nothing outside the API, nor does a session beside a key."""
    handler = _keyed if is_keyed(environ) else _pages
    response: Iterable[bytes] = handler(environ, start_response)
    return response


def is_keyed(environ: dict[str, Any]) -> bool:
    authorization: str = environ.get("HTTP_AUTHORIZATION", "")
    path: str = environ["PATH_INFO"]
    return authorization.startswith("Bearer ") and path.startswith("/api/")
