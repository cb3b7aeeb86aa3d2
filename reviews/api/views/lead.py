"""What leads do, in a browser session of their own: the same services as the pages."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response

from reviews.api import requests
from reviews.api.access import PersonRequest
from reviews.api.problems import refusals_told
from reviews.api.strict import read_body
from reviews.api.views.tickets import DONE, OfReviewers
from reviews.domain.vocabulary import LeadReason
from reviews.services.lead import end_claim, move_ticket

OVER: Final = OpenApiResponse(description="Decided, or it stands otherwise than this takes.")


class EndClaim(OfReviewers):
    @extend_schema(
        operation_id="end_claim",
        summary="End a colleague's claim",
        request=requests.EndClaim,
        responses={204: DONE, 409: OVER},
    )
    def post(self, request: PersonRequest, ticket_id: UUID) -> Response:
        """For leads. The ticket goes back to where it came from; the holder's page says who took it back, and why."""
        body = read_body(request, requests.EndClaim)
        with refusals_told():
            end_claim(ticket_id, lead=request.user, reason=LeadReason(body["reason"]), now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


class Move(OfReviewers):
    @extend_schema(
        operation_id="move_ticket",
        summary="Put a ticket before another group",
        request=requests.MoveTicket,
        responses={204: DONE, 409: OVER, 422: OpenApiResponse(description="It can't go to that group.")},
    )
    def post(self, request: PersonRequest, ticket_id: UUID) -> Response:
        """For leads, and an open ticket. What is asked of people, and who may not answer, stays as it is."""
        body = read_body(request, requests.MoveTicket)
        with refusals_told():
            move_ticket(
                ticket_id,
                lead=request.user,
                group=body["group"],
                reason=LeadReason(body["reason"]),
                now=timezone.now(),
            )
        return Response(status=HTTPStatus.NO_CONTENT)
