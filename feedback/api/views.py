"""The figures of the insights pages, for those who read them by machine."""

from datetime import datetime, time
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback.api.rendering import plain
from feedback.domain.thresholds import DELTA
from feedback.permissions import may_read_insights
from feedback.queries.evidence import evidence_of
from feedback.queries.figures import ALPHAS, agreement_of, audits_of, calibration_of, risk_of, thresholds_of
from feedback.queries.labels import Scope
from feedback.queries.overrides import Window, overrides_of, queue_health_of, window_from
from policies.models import Workflow
from policies.queries import live_policy
from reviews.domain.vocabulary import Scope as KeyScope
from reviews.models import ClientKey


class ReadsInsights(BasePermission):
    """A key with the scope insights:read, or the session of a lead, an auditor or an admin."""

    message = "Insights are for leads, auditors and admins, and for keys with the scope insights:read."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.auth, ClientKey):
            return KeyScope.INSIGHTS_READ in request.auth.client.scopes
        return may_read_insights(request.user)


class Asked(serializers.Serializer):
    """Which decisions the figures are of."""

    workflow = serializers.SlugField(help_text="The key of a workflow.")
    action = serializers.CharField(max_length=80, required=False, default="", help_text="Any, where left out.")
    model = serializers.CharField(max_length=120, required=False, default="", help_text="Its name; any where left out.")
    version = serializers.CharField(max_length=120, required=False, default="", help_text="Of the model.")
    since = serializers.DateField(required=False, help_text="Received on this day (UTC) or later.")

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        unknown = set(self.initial_data) - set(self.fields)
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(unknown, "There is no such parameter."))
        if values["version"] and not values["model"]:
            raise serializers.ValidationError({"version": "A version is a model's: name the model too."})
        return values


class AskedOfThresholds(Asked):
    alpha = serializers.FloatField(
        required=False, min_value=0.0001, max_value=0.5, help_text="The error rate to promise; four usual ones if none."
    )
    delta = serializers.FloatField(
        required=False, default=DELTA, min_value=0.0001, max_value=0.5, help_text="How often the promise may fail."
    )


class Figures(APIView):
    """One kind of figure."""

    permission_classes = [ReadsInsights]
    asks: ClassVar[type[Asked]] = Asked

    def get(self, request: Request) -> Response:
        twice = [name for name, values in request.query_params.lists() if len(values) > 1]
        if twice:
            raise serializers.ValidationError(dict.fromkeys(twice, "Once is taken."))
        asked = self.asks(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        workflow = self._workflow(request, values["workflow"])
        since = values.get("since")
        scope = Scope(
            workflow=workflow,
            action=values["action"],
            model_name=values["model"],
            model_version=values["version"],
            since=datetime.combine(since, time(), tzinfo=timezone.get_default_timezone()) if since else None,
        )
        figures = self.figures(request, scope, values, now=timezone.now())
        told = {name: values[name] for name in ("workflow", "action", "model", "version")}
        return Response({**told, "since": since, **plain(figures)})

    def _workflow(self, request: Request, key: str) -> Workflow:
        """A key reads of its client's workflows only, and is told the same of others as of those that don't exist."""
        workflows = Workflow.objects.all()
        if isinstance(request.auth, ClientKey):
            workflows = workflows.filter(clients=request.auth.client)
        workflow = workflows.filter(key=key).first()
        if workflow is None:
            raise serializers.ValidationError({"workflow": "There is no such workflow."})
        return workflow

    def figures(self, request: Request, scope: Scope, values: dict[str, Any], *, now: datetime) -> Any:
        raise NotImplementedError


def _described(name: str, summary: str, asks: type[Asked] = Asked) -> Any:
    return extend_schema_view(
        get=extend_schema(
            operation_id=f"insights_{name}",
            summary=summary,
            parameters=[asks],
            responses={200: OpenApiTypes.OBJECT},
            tags=["insights"],
        )
    )


@_described("overrides", "Override rates with Wilson intervals, and the queue's health")
class Overrides(Figures):
    """How often people changed what the AI proposed: from tallies, of the last 90 days unless `since` says more."""

    def figures(self, request: Request, scope: Scope, values: dict[str, Any], *, now: datetime) -> Any:
        window = Window(
            workflow=scope.workflow,
            since=values.get("since") or window_from(now),
            action=scope.action,
            model_name=scope.model_name,
            model_version=scope.model_version,
        )
        found = plain(overrides_of(window))
        if isinstance(request.auth, ClientKey):
            del found["by_reviewer"]  # Who decided what is the house's own business.
        return {**found, "queue": queue_health_of(window), "method": "Wilson, 95 %; hidden below n = 10"}


@_described("calibration", "Whether confidences mean what they say")
class Calibration(Figures):
    def figures(self, request: Request, scope: Scope, values: dict[str, Any], *, now: datetime) -> Any:
        return calibration_of(scope)


@_described("risk", "Risk against coverage, and what each threshold would let run alone")
class Risk(Figures):
    def figures(self, request: Request, scope: Scope, values: dict[str, Any], *, now: datetime) -> Any:
        return risk_of(scope)


@_described("thresholds", "Recommended thresholds with a guarantee", AskedOfThresholds)
class Thresholds(Figures):
    asks = AskedOfThresholds

    def figures(self, request: Request, scope: Scope, values: dict[str, Any], *, now: datetime) -> Any:
        alphas = (values["alpha"],) if "alpha" in values else ALPHAS
        return thresholds_of(scope, now=now, alphas=alphas, delta=values["delta"])


@_described("audits", "What audits bound among everything that ran alone")
class Audits(Figures):
    def figures(self, request: Request, scope: Scope, values: dict[str, Any], *, now: datetime) -> Any:
        return audits_of(scope, now=now)


@_described("agreement", "How far people agree with each other")
class Agreement(Figures):
    def figures(self, request: Request, scope: Scope, values: dict[str, Any], *, now: datetime) -> Any:
        return agreement_of(scope)


@_described("drift", "The watch over each row that lets something run alone")
class Drift(Figures):
    """Of each row of the live policy that lets something run alone; action and model choose among them."""

    def figures(self, request: Request, scope: Scope, values: dict[str, Any], *, now: datetime) -> Any:
        policy = live_policy(scope.workflow.pk)
        rows = evidence_of(scope.workflow, policy=policy) if policy else ()
        wanted = {"action": scope.action, "model_name": scope.model_name, "model_version": scope.model_version}
        return {
            "rows": [
                _row(one) for one in rows if all(getattr(one.row, name) == it for name, it in wanted.items() if it)
            ],
            "method": "Shiryaev–Roberts, alarm at 50,000; p0 the 95 % upper bound of the first 1,000 labels, p1 = 2 p0",
        }


def _row(evidence: Any) -> dict[str, Any]:
    row, watch = evidence.row, evidence.watch
    return {
        "action": row.action,
        "model": row.model_name,
        "version": row.model_version,
        "since": evidence.since,
        "n": evidence.labels,
        "claim": plain(evidence.claim),
        "p0": watch.p0,
        "p1": watch.p1,
        "statistic": watch.last,
        "alarm_at": watch.alarm_at,
        "labels_missing": watch.labels_missing,
    }
