"""What happened since: the feed of events, and how far an intake is."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from reviews.api import requests, responses
from reviews.api.access import KeyRequest, ScopedView
from reviews.api.problems import refusals_told
from reviews.api.strict import read_query
from reviews.domain.answer import moment
from reviews.domain.vocabulary import Scope
from reviews.models import Intake
from reviews.queries import FeedItem, IntakePage, feed_page, intake_page


class Events(ScopedView):
    scopes = {"GET": (Scope.DECISIONS_READ,)}

    @extend_schema(
        operation_id="list_events",
        summary="Follow all your decisions",
        parameters=[requests.Feed],
        responses=responses.EventPage,
    )
    def get(self, request: KeyRequest) -> Response:
        """A feed in the order of commit that never skips an event: keep `cursor`, and ask again after it."""
        query = read_query(request, requests.Feed)
        with refusals_told():
            page = feed_page(request.auth.client, after=query.get("after", ""), limit=query["limit"])
        events = [_event_json(event) for event in page.events]
        return Response({"events": events, "cursor": page.cursor, "more": page.more})


def _event_json(event: FeedItem) -> dict[str, Any]:
    return {
        "cursor": event.cursor,
        "id": event.id,
        "kind": event.kind,
        "at": moment(event.at),
        "decision": event.decision_id,
        "body": event.body,
    }


class OneIntake(ScopedView):
    scopes = {"GET": (Scope.DECISIONS_READ, Scope.DECISIONS_WRITE)}

    @extend_schema(
        operation_id="get_intake",
        summary="See what became of an intake",
        parameters=[requests.IntakeLines],
        responses=responses.Intake,
    )
    def get(self, request: KeyRequest, intake_id: UUID) -> Response:
        """How far it is, and a page of its lines with what became of each."""
        query = read_query(request, requests.IntakeLines)
        try:
            page = intake_page(intake_id, client=request.auth.client, after=query["after"], limit=query["limit"])
        except Intake.DoesNotExist as error:
            raise Http404 from error
        return Response(_intake_json(page))


def _intake_json(page: IntakePage) -> dict[str, Any]:
    intake = page.intake
    return {
        "id": intake.id,
        "kind": intake.kind,
        "lines_total": intake.lines_total,
        "lines_done": intake.lines_done,
        "received_at": moment(intake.received_at),
        "finished_at": intake.finished_at and moment(intake.finished_at),
        "lines": [
            {"number": line.number, "decision": line.decision_id, "state": line.state, "result": line.result}
            for line in page.lines
        ],
        "next_after": page.next_after,
    }
