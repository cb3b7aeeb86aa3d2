"""What every path under /api shares: errors as RFC 9457 problems, strict JSON in, fast JSON out.

Nobody imports this module; the settings name its parts by dotted path. An API view says more about an error through
attributes of the exception it raises: `errors`, a list of {"pointer", "detail"}, and `extensions`, members that are
added to the problem.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import IO, Any

import orjson
import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
    UnreadablePostError,
)
from django.utils.functional import Promise
from django.views import defaults
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from policies.domain.strict_json import InputError, NotJson, parse_strict

logger = structlog.get_logger(__name__)
PROBLEM = "application/problem+json"
LENGTH = re.compile("[0-9]{1,12}")
KEPT_HEADERS = ("Allow", "WWW-Authenticate", "Retry-After", "Vary", "Set-Cookie", "Cache-Control")


class TooLarge(exceptions.APIException):
    """The body is longer than this endpoint takes."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class Encoded(exceptions.APIException):
    """The body comes with a content encoding, which would hide its size."""

    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported_media_type"
    default_detail = "Send the body without a Content-Encoding."


# --- Problems ------------------------------------------------------------------------------------------------------


def problem(
    request: HttpRequest,
    status: int,
    *,
    detail: str = "",
    code: str = "",
    errors: list[dict[str, str]] | None = None,
    extensions: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """An answer of the problem type; `code` names the kind of problem where the status alone doesn't."""
    phrase = HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": f"urn:countersign:problem:{code}" if code else "about:blank",
        "title": phrase,
        "status": status,
        "detail": detail or HTTPStatus(status).description or phrase,
        "instance": request.path,
    }
    if errors:
        body["errors"] = errors
    body.update(extensions or {})
    return HttpResponse(dump(body), status=status, content_type=PROBLEM, headers=dict(headers or {}))


def problem_for(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's exception handler. An error that nobody foresaw is left to Django, which logs it and answers 500."""
    request: HttpRequest = context["request"]
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        error = TooLarge(str(error))
    elif isinstance(error, UnreadablePostError):
        error = exceptions.ParseError("The body broke off before its end.")
    if isinstance(error, InputError):
        return refusal(request, error)
    if isinstance(error, OperationalError | InterfaceError):
        return unavailable(request)
    if isinstance(error, DataError):
        # Every value is checked before; what slips through is still the sender's to put right, and ours to look at.
        logger.error("unchecked input", error=str(error), path=request.path)
        return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, code="invalid", detail="A value can't be stored.")
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    headers.update(getattr(error, "headers", None) or {})
    status, detail = int(error.status_code), str(error.detail)
    errors = list(getattr(error, "errors", None) or [])
    if isinstance(error, exceptions.ValidationError):
        # JSON that is not what was asked for: 422, since 400 is kept for what is no JSON at all.
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        # What a GET asks stands in its query, where a place is a parameter's name.
        errors = [_of_query(one) if request.method == "GET" else one for one in _flattened(error.detail, "")]
        detail = "; ".join(": ".join(part for part in one.values() if part) for one in errors[:3])
    code = error.get_codes()
    return problem(
        request,
        status,
        detail=detail,
        code=code if isinstance(code, str) else "invalid",
        errors=errors,
        extensions=getattr(error, "extensions", None),
        headers=headers,
    )


def refusal(request: HttpRequest, error: InputError) -> HttpResponse:
    status = HTTPStatus.BAD_REQUEST if isinstance(error, NotJson) else HTTPStatus.UNPROCESSABLE_ENTITY
    errors = getattr(error, "errors", None) or ((error.pointer, error.detail),)
    return problem(
        request,
        status,
        detail=error.detail,
        code="not_json" if isinstance(error, NotJson) else "invalid",
        errors=[{"pointer": pointer, "detail": detail} for pointer, detail in errors],
    )


def unavailable(request: HttpRequest) -> HttpResponse:
    return problem(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        code="unavailable",
        detail="The database can't answer now. Nothing was recorded; send the same request again.",
        headers={"Retry-After": "1"},
    )


def _flattened(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    """DRF's nested error lists as JSON Pointers."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            token = str(key).replace("~", "~0").replace("/", "~1")
            yield from _flattened(inner, pointer if key == "non_field_errors" else f"{pointer}/{token}")
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            deeper = isinstance(inner, Mapping | list)
            yield from _flattened(inner, f"{pointer}/{index}" if deeper else pointer)
    else:
        yield {"pointer": pointer, "detail": str(detail)}


def _of_query(one: dict[str, str]) -> dict[str, str]:
    return {"parameter": one["pointer"].split("/")[-1], "detail": one["detail"]}


def is_api(request: HttpRequest) -> bool:
    return request.path == "/api" or request.path.startswith("/api/")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django's handler500: a database that is away or overloaded is 503, so that callers know to try again."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    if is_api(request):
        return unavailable(request) if away else problem(request, HTTPStatus.INTERNAL_SERVER_ERROR)
    if away:
        page = defaults.server_error(request, template_name="503.html")
        page.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        page["Retry-After"] = "1"
        return page
    return defaults.server_error(request)


class ProblemMiddleware:
    """Gives the errors that Django itself answers under /api (404, 405, CSRF, 500) the problem type as well.

    Also refuses a body that is too long before anything else looks at the request. A view that takes more than
    API_MAX_BODY_BYTES says so in its attribute `max_body_bytes`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not is_api(request):
            return response
        # What stands here is somebody's business: no cache on the way keeps it, unless the view says how.
        response.headers.setdefault("Cache-Control", "no-store")
        if response.status_code < 400:
            return response
        if isinstance(response, StreamingHttpResponse) or response.get("Content-Type", "").startswith(PROBLEM):
            return response
        replaced = problem(request, response.status_code)
        for name in KEPT_HEADERS:
            if name in response:
                replaced[name] = response[name]
        replaced.cookies = response.cookies
        replaced["Content-Length"] = str(len(replaced.content))
        return replaced

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        if not is_api(request):
            return None
        for holder in (view, getattr(view, "cls", None)):
            limit = getattr(holder, "max_body_bytes", None)
            if limit is not None:
                break
        else:
            limit = settings.API_MAX_BODY_BYTES
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not LENGTH.fullmatch(length) or "HTTP_TRANSFER_ENCODING" in request.META:
            return problem(
                request,
                HTTPStatus.LENGTH_REQUIRED,
                code="length_required",
                detail="Send the length of the body in Content-Length; a body in chunks is not taken.",
            )
        if int(length) > limit:
            return problem(
                request,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                code="too_large",
                detail=f"The body is longer than {limit} bytes, the most that this address takes.",
            )
        return None


# --- In and out ----------------------------------------------------------------------------------------------------


class StrictJSONParser(BaseParser):
    """The one way to read JSON; policies.domain.strict_json says what it refuses."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        request = (parser_context or {}).get("request")
        if request is not None and request.headers.get("Content-Encoding", "identity") != "identity":
            raise Encoded
        return parse_strict(stream.read())


def dump(data: Any) -> bytes:
    try:
        return orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # Integers past 64 bits, which stored payloads may hold nowhere but other documents might.
        return json.dumps(data, default=_plain, separators=(",", ":"), ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


class JSONOnly(BaseContentNegotiation):
    """There is one form of answer, so what a caller would rather accept is no reason to refuse (RFC 9110, 12.4.1)."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        sent = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == sent), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else dump(data)
