"""The outcome signed for an executor, and its use. The keys it is checked with are public."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response

from reviews.api import requests, responses
from reviews.api.access import KeyRequest, ScopedView
from reviews.api.problems import refusals_told
from reviews.api.strict import read_body
from reviews.domain.answer import moment
from reviews.domain.vocabulary import Scope
from reviews.services.permit import issue_permit, published_keys, redeem_permit


class Permit(ScopedView):
    scopes = {"POST": (Scope.PERMITS_ISSUE,)}

    @extend_schema(
        operation_id="issue_permit",
        summary="Fetch a permit",
        request=requests.ForExecutor,
        responses={
            201: responses.Permit,
            409: OpenApiResponse(
                description="Not settled yet, nothing may run, redeemed already, or paused: do not act."
            ),
        },
    )
    def post(self, request: KeyRequest, decision_id: UUID) -> Response:
        """The outcome, signed for the executor that is to act on it. It holds for two minutes."""
        body = read_body(request, requests.ForExecutor)
        with refusals_told():
            permit, token = issue_permit(
                decision_id, client=request.auth.client, audience=body["audience"], now=timezone.now()
            )
        told: dict[str, Any] = {
            "permit": token,
            "jti": permit.jti,
            "audience": body["audience"],
            "redeem": permit.must_redeem,
            "expires_at": moment(permit.expires_at),
        }
        return Response(told, status=HTTPStatus.CREATED)


class Redeem(ScopedView):
    scopes = {"POST": (Scope.PERMITS_REDEEM,)}

    @extend_schema(
        operation_id="redeem_permit",
        summary="Redeem a permit",
        request=requests.Redeem,
        responses={
            200: responses.Redeemed,
            409: OpenApiResponse(description="Redeemed already, over, for another payload, or paused: do not act."),
        },
    )
    def post(self, request: KeyRequest, jti: UUID) -> Response:
        """Once per decision, by the executor that it names. Only after 200 may it act."""
        body = read_body(request, requests.Redeem)
        with refusals_told():
            redemption = redeem_permit(
                jti, client=request.auth.client, act_sha256=body["act_sha256"], now=timezone.now()
            )
        told: dict[str, Any] = {
            "jti": jti,
            "decision": redemption.decision_id,
            "redeemed_at": moment(redemption.redeemed_at),
        }
        return Response(told)


@require_GET
def jwks(request: HttpRequest) -> JsonResponse:
    """The public keys of permits (RFC 7517), for anybody; one that was just replaced among them."""
    answer = JsonResponse({"keys": published_keys(now=timezone.now())}, content_type="application/jwk-set+json")
    answer.headers["Cache-Control"] = "public, max-age=60"
    return answer
