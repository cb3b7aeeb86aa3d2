"""How long a log-in lasts: so long without a request, so long at most, and no longer than its person's roles."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from config.accounts import roles_of

# Writing the session on each request would cost a row update a click.
WRITE_EVERY_SECONDS = 60
# A page that refreshes itself says so with this header: nobody need sit before it.
UNATTENDED = "X-Unattended"


class SessionLimits:
    """Ends a session that idled for SESSION_IDLE_SECONDS or is past SESSION_COOKIE_AGE, whatever its cookie says.

    And one whose person has got or lost a group, or an office, since: they log in again as what they are now.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and "_auth_user_id" in request.session:
            now = int(time.time())
            began = request.session.setdefault("began_at", now)
            seen = request.session.setdefault("seen_at", now)
            is_over = now - seen > settings.SESSION_IDLE_SECONDS or now - began > settings.SESSION_COOKIE_AGE
            if is_over or self.has_other_roles(request):
                logout(request)
            elif now - seen >= WRITE_EVERY_SECONDS and UNATTENDED not in request.headers:
                request.session["seen_at"] = now
        return self.get_response(request)

    def has_other_roles(self, request: HttpRequest) -> bool:
        if not isinstance(request.user, User):
            return False
        roles = roles_of(request.user)
        return bool(request.session.setdefault("roles", roles) != roles)
