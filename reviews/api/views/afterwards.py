"""What upstream adds to a decision it submitted: cancel it, answer a question, report what came of it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response

from reviews.api import requests, responses
from reviews.api.access import KeyRequest, ScopedView
from reviews.api.problems import refusals_told
from reviews.api.strict import read_body
from reviews.domain.answer import moment
from reviews.domain.vocabulary import Scope
from reviews.models import Truth
from reviews.services.ask import answer_question
from reviews.services.follow import follow_decision
from reviews.services.report import report_execution, report_truth
from reviews.services.settle import cancel_decision


class OfUpstream(ScopedView):
    """For the client that submitted the decision."""

    scopes = {"POST": (Scope.DECISIONS_WRITE,)}


class Cancel(OfUpstream):
    @extend_schema(
        operation_id="cancel_decision",
        summary="Cancel a decision",
        request=requests.Cancel,
        responses={
            200: responses.Decision,
            409: OpenApiResponse(description="It is settled already; `outcome` says how."),
        },
    )
    def post(self, request: KeyRequest, decision_id: UUID) -> Response:
        """Takes it back before it is settled, also from within the hold: it must not run then."""
        body, now = read_body(request, requests.Cancel), timezone.now()
        with refusals_told():
            cancel_decision(decision_id, client=request.auth.client, reason=body.get("reason", ""), now=now)
            return Response(follow_decision(decision_id, client=request.auth.client, now=now))


class Answer(OfUpstream):
    @extend_schema(
        operation_id="answer_question",
        summary="Answer a reviewer's question",
        request=requests.AnswerToQuestion,
        responses={200: responses.Decision, 409: OpenApiResponse(description="No question waits.")},
    )
    def post(self, request: KeyRequest, decision_id: UUID) -> Response:
        """Adds context to what the reviewer sees; the proposal never changes."""
        body, now = read_body(request, requests.AnswerToQuestion), timezone.now()
        with refusals_told():
            answer_question(
                decision_id, client=request.auth.client, text=body["text"], context=body.get("context"), now=now
            )
            return Response(follow_decision(decision_id, client=request.auth.client, now=now))


class Execution(OfUpstream):
    scopes = {"POST": (Scope.DECISIONS_WRITE, Scope.PERMITS_REDEEM)}

    @extend_schema(
        operation_id="report_execution",
        summary="Report what came of the action",
        request=requests.ExecutionReport,
        responses={
            201: responses.ExecutionReported,
            409: OpenApiResponse(description="The decision has no outcome that lets anything run."),
        },
    )
    def post(self, request: KeyRequest, decision_id: UUID) -> Response:
        body = read_body(request, requests.ExecutionReport)
        with refusals_told():
            execution = report_execution(
                decision_id,
                client=request.auth.client,
                status=body["status"],
                detail=body.get("detail", ""),
                now=timezone.now(),
            )
        told = {
            "decision": execution.decision_id,
            "status": execution.status,
            "reported_at": moment(execution.reported_at),
        }
        return Response(told, status=HTTPStatus.CREATED)


class TruthOfOne(OfUpstream):
    scopes = {"POST": (Scope.TRUTH_WRITE,)}

    @extend_schema(
        operation_id="report_truth",
        summary="Report what turned out to be right",
        request=requests.TruthOfOne,
        responses={
            201: responses.Truth,
            409: OpenApiResponse(description="You have reported another truth of it before."),
        },
    )
    def post(self, request: KeyRequest, decision_id: UUID) -> Response:
        """Of a decision of your own; an independent client, of any in its workflows."""
        body = read_body(request, requests.TruthOfOne)
        return reported(request, decision_id, body)


class TruthElsewhere(OfUpstream):
    scopes = {"POST": (Scope.TRUTH_WRITE,)}

    @extend_schema(
        operation_id="report_truth_by_external_id",
        summary="Report what turned out to be right, by external id",
        request=requests.TruthElsewhere,
        responses={
            201: responses.Truth,
            404: OpenApiResponse(description="No such decision that you may report on."),
            409: OpenApiResponse(description="You have reported another truth of it before."),
        },
    )
    def post(self, request: KeyRequest) -> Response:
        """The same for those who know a decision by the client that submitted it and its external id."""
        body = read_body(request, requests.TruthElsewhere)
        return reported(request, (body.get("client") or request.auth.client.name, body["external_id"]), body)


def reported(request: KeyRequest, which: UUID | tuple[str, str], body: Mapping[str, Any]) -> Response:
    with refusals_told():
        truth: Truth = report_truth(
            which,
            client=request.auth.client,
            right_action=body["right_action"],
            detail=body.get("detail", ""),
            now=timezone.now(),
        )
    told = {
        "decision": truth.decision_id,
        "right_action": truth.right_action,
        "independent": truth.independent,
        "reported_at": moment(truth.reported_at),
    }
    return Response(told, status=HTTPStatus.CREATED)
