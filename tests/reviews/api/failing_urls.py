"""Addresses below /api that fail as no address should, for tests of what a caller is told then."""

from collections.abc import Callable
from typing import NoReturn

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, UnreadablePostError
from django.urls import path
from rest_framework.request import Request
from rest_framework.views import APIView

from config.urls import handler500

__all__ = ["handler500", "urlpatterns"]

ERRORS: dict[str, Exception] = {
    "bug": RuntimeError("nobody foresaw this"),
    "away": OperationalError("the connection is gone"),
    "closed": InterfaceError("the connection is closed"),
    "unfit": DataError("integer out of range"),
    "suspicious": SuspiciousOperation("far too many fields"),
    "forbidden": PermissionDenied("not you"),
    "broken": UnreadablePostError("the caller hung up"),
}


def plainly(error: Exception) -> Callable[[HttpRequest], NoReturn]:
    def view(request: HttpRequest) -> NoReturn:
        raise error

    return view


def by_rest(error: Exception) -> Callable[..., object]:
    class Failing(APIView):
        authentication_classes = permission_classes = ()

        def get(self, request: Request) -> NoReturn:
            raise error

    return Failing.as_view()


urlpatterns = [path(f"api/v1/plain/{name}", plainly(error)) for name, error in ERRORS.items()]
urlpatterns += [path(f"api/v1/rest/{name}", by_rest(error)) for name, error in ERRORS.items()]
urlpatterns += [path(f"pages/{name}", plainly(error)) for name, error in ERRORS.items()]
