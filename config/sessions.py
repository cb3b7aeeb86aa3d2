"""How long a log-in lasts: so long without a request, and so long at most."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

# Writing the session on each request would cost a row update a click.
WRITE_EVERY_SECONDS = 60
# A page that refreshes itself says so with this header: nobody need sit before it.
UNATTENDED = "X-Unattended"


class SessionLimits:
    """Ends a session that idled for SESSION_IDLE_SECONDS or is past SESSION_COOKIE_AGE, whatever its cookie says."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and "_auth_user_id" in request.session:
            now = int(time.time())
            began = request.session.setdefault("began_at", now)
            seen = request.session.setdefault("seen_at", now)
            if now - seen > settings.SESSION_IDLE_SECONDS or now - began > settings.SESSION_COOKIE_AGE:
                logout(request)
            elif now - seen >= WRITE_EVERY_SECONDS and UNATTENDED not in request.headers:
                request.session["seen_at"] = now
        return self.get_response(request)
