"""What upstream systems do with decisions: submit them, one or many, and follow them."""

import hashlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.response import Response

from reviews.api import requests, responses
from reviews.api.access import KeyRequest, ScopedView
from reviews.api.authentication import RECENT_KEYS, BearerKey
from reviews.api.headers import check_content, idempotency_key, prefers_async
from reviews.api.problems import refusals_told
from reviews.api.strict import read_query
from reviews.api.submission import Submission
from reviews.api.waiting import waited_for
from reviews.domain.submission import parse_submission
from reviews.domain.vocabulary import DecisionStatus, OutcomeKind, Scope
from reviews.models import Client, Intake
from reviews.queries import answers_page, decision_id_of, decisions_of
from reviews.services.follow import follow_decision
from reviews.services.ingest import MAX_LINES, receive_batch, receive_one
from reviews.services.submit import submit_decision

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
LONGEST_LINE: Final = settings.API_MAX_BODY_BYTES
BLOCK: Final = 64 * 1024
IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    OpenApiParameter.HEADER,
    description="The same request under the same key is answered with the same decision, for ever.",
)
PREFER: Final = OpenApiParameter(
    "Prefer", str, OpenApiParameter.HEADER, description="`respond-async`: answered at once with an intake."
)
REPLAYED: Final = OpenApiParameter(
    "Idempotent-Replayed", bool, OpenApiParameter.HEADER, response=["200"], description="It was there already."
)


class Decisions(ScopedView):
    scopes = {
        "GET": (Scope.DECISIONS_READ,),
        "POST": (Scope.DECISIONS_WRITE,),
    }

    def get_authenticators(self) -> list[BaseAuthentication]:
        submits = self.request is not None and self.request.method == "POST"
        return [BearerKey(recent=RECENT_KEYS if submits else None)]

    @extend_schema(
        operation_id="submit_decision",
        summary="Submit a decision",
        parameters=[IDEMPOTENCY_KEY, PREFER, REPLAYED],
        request=Submission,
        responses={
            200: OpenApiResponse(responses.Decision, "The decision that stands already for this request, as of now."),
            201: OpenApiResponse(responses.Decision, "Recorded and routed."),
            202: OpenApiResponse(responses.Received, "Kept, to be judged by a worker."),
            409: OpenApiResponse(description="Another request stands under this id or key, or a twin is in flight."),
        },
    )
    def post(self, request: KeyRequest) -> HttpResponseBase:
        """The answer comes after the commit: run at once, or wait for a person, and why."""
        check_content(request, JSON)
        key, raw, now = idempotency_key(request), request.body, timezone.now()
        if prefers_async(request):
            with refusals_told():
                intake = receive_one(client=request.auth.client, raw=raw, key=key, now=now)
            return accepted(intake, {"id": decision_id_of(intake), "status": DecisionStatus.RECEIVED})
        submission = parse_submission(raw)
        with refusals_told():
            submitted = submit_decision(
                client=request.auth.client, submission=submission, key=key, now=now, client_key=request.auth
            )
        # Past DRF's renderer: on this path it would cost a tenth of the whole.
        answer = HttpResponse(orjson.dumps(submitted.answer), status=HTTPStatus.CREATED, content_type=JSON)
        if submitted.replayed:
            answer.status_code = HTTPStatus.OK
            answer["Idempotent-Replayed"] = "true"
        return answer

    @extend_schema(
        operation_id="list_decisions",
        summary="List your decisions",
        parameters=[requests.ListedDecisions],
        responses=responses.DecisionPage,
    )
    def get(self, request: KeyRequest) -> Response:
        """Newest first; the filters hold all at once. Pages neither skip nor repeat while others are written."""
        query = read_query(request, requests.ListedDecisions)
        limit, after = query.pop("limit"), query.pop("cursor", None)
        page = answers_page(decisions_of(request.auth.client, **query), after=after, limit=limit)
        return Response({"results": page.answers, "next_cursor": page.next_after})


class Batch(ScopedView):
    scopes = {"POST": (Scope.DECISIONS_WRITE,)}
    max_body_bytes = settings.BATCH_MAX_BODY_BYTES

    @extend_schema(
        operation_id="submit_batch",
        summary="Submit many decisions",
        parameters=[IDEMPOTENCY_KEY],
        request={
            NDJSON: {
                "type": "string",
                "pattern": r"\S",
                "description": f"A submission a line, at most {MAX_LINES:,} lines.",
            }
        },
        responses={
            202: OpenApiResponse(responses.BatchReceived, "Kept, to be judged by a worker."),
            409: OpenApiResponse(description="Another batch stands under this key."),
        },
    )
    def post(self, request: KeyRequest) -> Response:
        """A bad line hurts no other; the same batch again creates nothing twice."""
        check_content(request, NDJSON)
        key, now = idempotency_key(request), timezone.now()
        with refusals_told():
            intake = receive_batch(client=request.auth.client, lines=lines_of(request), key=key, now=now)
        return accepted(intake, {"lines_total": intake.lines_total})


def lines_of(request: KeyRequest) -> Iterator[bytes]:
    """The body line by line, as it arrives. Of a line that is too long comes as much as shows that it is.

    Read in blocks: the `readline` of granian's body drops the ends of lines, and with a size the lines after it.
    """
    begun = b""
    while block := request.read(BLOCK):
        *lines, begun = (begun + block).split(b"\n")
        begun = begun[: LONGEST_LINE + 1]
        yield from (line.removesuffix(b"\r") for line in lines)
    if begun:
        yield begun.removesuffix(b"\r")


def accepted(intake: Intake, about: Mapping[str, Any]) -> Response:
    return Response(
        {"intake": intake.id, **about},
        status=HTTPStatus.ACCEPTED,
        headers={"Location": reverse("api-intake", args=[intake.id]), "Preference-Applied": "respond-async"},
    )


class OneDecision(ScopedView):
    scopes = {"GET": (Scope.DECISIONS_READ,)}

    @extend_schema(
        operation_id="get_decision",
        summary="Follow a decision",
        parameters=[
            requests.OneDecision,
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="The ETag that you know."),
            OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=["200", "304"]),
        ],
        responses={
            200: PolymorphicProxySerializer(
                "DecisionOrReceived", [responses.Decision, responses.Received], resource_type_field_name=None
            ),
            304: OpenApiResponse(description="As you know it."),
        },
    )
    def get(self, request: KeyRequest, decision_id: UUID) -> HttpResponseBase:
        """With `wait` it answers early when the decision is settled, or else changes."""
        query = read_query(request, requests.OneDecision)
        client: Client = request.auth.client
        known = etags_known(request)
        seen: list[str] = []

        def look() -> tuple[dict[str, Any], str]:
            with refusals_told():
                answer = follow_decision(decision_id, client=client, now=timezone.now())
            tag = etag_of(answer)
            seen.append(tag)
            return answer, tag

        def has_news(found: tuple[dict[str, Any], str]) -> bool:
            answer, tag = found
            return answer["status"] in OutcomeKind.values or tag not in (known or {seen[0]})

        answer, tag = waited_for(look, until=has_news, seconds=query.get("wait", 0))
        if tag in known or "*" in known:
            response = HttpResponse(status=HTTPStatus.NOT_MODIFIED)
        else:
            response = HttpResponse(orjson.dumps(answer), content_type=JSON)
        response["ETag"] = tag
        response["Cache-Control"] = "private, no-cache"
        return response


def etags_known(request: KeyRequest) -> set[str]:
    """The tags of If-None-Match; a weak one is as good as its strong one there (RFC 9110, 13.1.2)."""
    return {tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))}


def etag_of(answer: Mapping[str, Any]) -> str:
    return f'"{hashlib.sha256(orjson.dumps(answer, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]}"'
