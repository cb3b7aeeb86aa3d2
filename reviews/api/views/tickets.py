"""What a reviewer does, in a browser session of their own: the same services as the pages."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response
from rest_framework.views import APIView

from reviews.api import requests, responses
from reviews.api.access import ByPerson, PersonRequest
from reviews.api.headers import version_of
from reviews.api.problems import refusals_told
from reviews.api.rendering import etag_of, ticket_json, verdict_json
from reviews.api.strict import read_body
from reviews.domain.answer import moment
from reviews.models import Ticket
from reviews.permissions import is_reviewer, may_see_personal_fields, may_see_ticket
from reviews.queries import Dossier, QueueFilters, dossier
from reviews.queries.personal import without_personal_fields
from reviews.services.ask import ask_upstream
from reviews.services.claim import claim_next, claim_ticket, release_claim, skip_ticket
from reviews.services.decide import Answer, escalate_ticket, give_verdict, undo_verdict
from reviews.services.estimate import give_estimate
from reviews.services.settle import settle_if_over
from reviews.services.tickets import NotVisible

ETAG: Final = OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=["200"], description="Its version.")
IF_MATCH: Final = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": '^"[0-9]{1,9}"$'},
    OpenApiParameter.HEADER,
    required=True,
    description="The version of the ticket that was shown, in quotes.",
)
NOT_YOURS: Final = OpenApiResponse(description="Held by somebody else, decided already, or no claim of yours.")
DONE: Final = OpenApiResponse(description="Done.")


class OfReviewers(APIView):
    """For people in a session; which tickets they see is reviews.permissions' to say."""

    permission_classes = [ByPerson]


def shown(ticket_id: UUID, *, request: PersonRequest, now: datetime) -> Dossier:
    """The ticket as its reader may see it, settled first if its hold is over. Raises NotVisible."""
    try:
        found = dossier(ticket_id, user=request.user, now=now)
    except Ticket.DoesNotExist as error:
        raise NotVisible from error
    if not may_see_ticket(request.user, found.ticket):
        raise NotVisible
    if settle_if_over(found.ticket, now=now):
        found = dossier(ticket_id, user=request.user, now=now)
    if found.held or may_see_personal_fields(request.user, found.decision, ticket=found.ticket):
        return found
    return without_personal_fields(found)


def ticket_response(ticket_id: UUID, *, request: PersonRequest, now: datetime) -> Response:
    found = shown(ticket_id, request=request, now=now)
    return Response(ticket_json(found), headers={"ETag": etag_of(found.ticket)})


class Next(OfReviewers):
    @extend_schema(
        operation_id="claim_next_ticket",
        summary="Take the next ticket",
        request=requests.NextTicket,
        parameters=[ETAG],
        responses={200: responses.Ticket, 204: OpenApiResponse(description="Nothing waits for you.")},
    )
    def post(self, request: PersonRequest) -> Response:
        """In the order of the queue, of what your groups are asked and you haven't skipped or answered.

        Of what is equally urgent, first what is like the ticket that you decided just before.
        """
        filters = QueueFilters(**read_body(request, requests.NextTicket))
        if not is_reviewer(request.user):
            raise PermissionDenied("Only reviewers take tickets; you are in no group that a workflow asks.")
        now = timezone.now()
        taken = claim_next(reviewer=request.user, now=now, filters=filters)
        if taken is None:
            return Response(status=HTTPStatus.NO_CONTENT)
        with refusals_told():
            return ticket_response(taken.pk, request=request, now=now)


class OneTicket(OfReviewers):
    @extend_schema(
        operation_id="get_ticket", summary="See a ticket", parameters=[ETAG], responses={200: responses.Ticket}
    )
    def get(self, request: PersonRequest, ticket_id: UUID) -> Response:
        """Everything needed to judge, and what a verdict must send back."""
        with refusals_told():
            return ticket_response(ticket_id, request=request, now=timezone.now())


class Claim(OfReviewers):
    @extend_schema(
        operation_id="claim_ticket",
        summary="Take this ticket",
        request=requests.Nothing,
        parameters=[ETAG],
        responses={200: responses.Ticket, 409: NOT_YOURS},
    )
    def post(self, request: PersonRequest, ticket_id: UUID) -> Response:
        """Or keep it for longer, where it is yours already."""
        read_body(request, requests.Nothing)
        now = timezone.now()
        with refusals_told():
            claim_ticket(ticket_id, reviewer=request.user, now=now)
            return ticket_response(ticket_id, request=request, now=now)


class Estimate(OfReviewers):
    @extend_schema(
        operation_id="give_estimate",
        summary="Say what you would do",
        request=requests.GiveEstimate,
        parameters=[ETAG],
        responses={200: responses.Ticket, 409: NOT_YOURS},
    )
    def post(self, request: PersonRequest, ticket_id: UUID) -> Response:
        """Of a ticket with `awaits_estimate`: recorded once, and answered with the AI's view."""
        body = read_body(request, requests.GiveEstimate)
        now = timezone.now()
        with refusals_told():
            give_estimate(ticket_id, reviewer=request.user, now=now, **body)
            return ticket_response(ticket_id, request=request, now=now)


class Verdict(OfReviewers):
    @extend_schema(
        operation_id="give_verdict",
        summary="Answer",
        parameters=[IF_MATCH],
        request=requests.GiveVerdict,
        responses={
            200: responses.Verdict,
            409: NOT_YOURS,
            412: OpenApiResponse(description="The ticket changed since it was shown."),
            428: OpenApiResponse(description="If-Match is missing."),
        },
    )
    def post(self, request: PersonRequest, ticket_id: UUID) -> Response:
        """First answer wins. The same request key again gives the verdict that is stored under it."""
        now = timezone.now()
        with refusals_told():
            shown(ticket_id, request=request, now=now)
        version = version_of(request)
        body = read_body(request, requests.GiveVerdict)
        given = {name: value for name, value in body.items() if value is not None}
        with refusals_told():
            verdict = give_verdict(ticket_id, reviewer=request.user, answer=Answer(version=version, **given), now=now)
        return Response(verdict_json(verdict))


class Ask(OfReviewers):
    @extend_schema(
        operation_id="ask_upstream",
        summary="Ask upstream",
        request=requests.Ask,
        responses={201: responses.QuestionAsked, 409: NOT_YOURS},
    )
    def post(self, request: PersonRequest, ticket_id: UUID) -> Response:
        """The ticket waits, and its clock with it; the answer brings it back to you first."""
        body = read_body(request, requests.Ask)
        with refusals_told():
            question = ask_upstream(ticket_id, reviewer=request.user, now=timezone.now(), **body)
        told: dict[str, Any] = {
            "ticket": question.ticket_id,
            "text": question.text,
            "asked_at": moment(question.asked_at),
        }
        return Response(told, status=HTTPStatus.CREATED)


class Release(OfReviewers):
    @extend_schema(
        operation_id="release_ticket",
        summary="Give a ticket back",
        request=requests.Claimed,
        responses={204: DONE, 409: NOT_YOURS},
    )
    def post(self, request: PersonRequest, ticket_id: UUID) -> Response:
        body = read_body(request, requests.Claimed)
        with refusals_told():
            release_claim(ticket_id, reviewer=request.user, epoch=body["epoch"], now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


class Skip(OfReviewers):
    @extend_schema(
        operation_id="skip_ticket",
        summary="Pass on a ticket",
        request=requests.Claimed,
        responses={204: DONE, 409: NOT_YOURS},
    )
    def post(self, request: PersonRequest, ticket_id: UUID) -> Response:
        """It goes back, and stays away from you for ten minutes."""
        body = read_body(request, requests.Claimed)
        with refusals_told():
            skip_ticket(ticket_id, reviewer=request.user, epoch=body["epoch"], now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


class Escalate(OfReviewers):
    @extend_schema(
        operation_id="escalate_ticket",
        summary="Hand a ticket to the escalation group",
        request=requests.Escalate,
        responses={204: DONE, 409: NOT_YOURS},
    )
    def post(self, request: PersonRequest, ticket_id: UUID) -> Response:
        body = read_body(request, requests.Escalate)
        with refusals_told():
            escalate_ticket(
                ticket_id,
                reviewer=request.user,
                epoch=body["epoch"],
                note=body.get("note", ""),
                now=timezone.now(),
            )
        return Response(status=HTTPStatus.NO_CONTENT)


class Undo(OfReviewers):
    @extend_schema(
        operation_id="undo_verdict",
        summary="Take your verdict back",
        request=requests.Nothing,
        parameters=[ETAG],
        responses={200: responses.Ticket, 409: OpenApiResponse(description="The hold is over.")},
    )
    def post(self, request: PersonRequest, ticket_id: UUID) -> Response:
        """While the hold lasts. The ticket is yours again."""
        read_body(request, requests.Nothing)
        now = timezone.now()
        with refusals_told():
            undo_verdict(ticket_id, reviewer=request.user, now=now)
            return ticket_response(ticket_id, request=request, now=now)
