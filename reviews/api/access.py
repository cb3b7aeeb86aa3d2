"""Which kind of caller an address is for. What a caller may see there is asked of reviews.permissions."""

from collections.abc import Collection, Mapping
from typing import ClassVar

from django.contrib.auth.models import User
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from reviews.api.authentication import BearerKey
from reviews.domain.vocabulary import Scope
from reviews.models import ClientKey
from reviews.permissions import may_read_log


class KeyRequest(Request):
    """A request that ByKey let through."""

    auth: ClientKey


class PersonRequest(Request):
    """A request that ByPerson let through."""

    user: User
    auth: None


class ByKey(BasePermission):
    """An API key with one of the scopes that the view names for the method."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        key = request.auth
        if not isinstance(key, ClientKey) or not isinstance(view, ScopedView):
            return False
        method = "GET" if request.method == "HEAD" else request.method or ""
        if method not in view.scopes:
            raise MethodNotAllowed(method)
        wanted = view.scopes[method]
        self.message = f"This key has none of the scopes that this takes: {', '.join(sorted(wanted))}."
        return not set(wanted).isdisjoint(key.client.scopes)


class ScopedView(APIView):
    """A view for API keys, and for nobody else. `scopes` says for each method which open it; one is enough."""

    permission_classes = [ByKey]
    authentication_classes = [BearerKey]
    scopes: ClassVar[Mapping[str, Collection[Scope]]]


class ByPerson(BasePermission):
    """Somebody who is logged in. A key never acts as a person, whatever its scopes."""

    message = "A person does this, in a session of their own; an API key can't."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.auth is None and bool(request.user and request.user.is_authenticated)


class ReadsTheLog(BasePermission):
    """A key with the scope log:read, or the session of a lead, an auditor or an admin."""

    message = "The sealed log is for leads, auditors and admins, and for keys with the scope log:read."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.auth, ClientKey):
            return Scope.LOG_READ in request.auth.client.scopes
        return may_read_log(request.user)
