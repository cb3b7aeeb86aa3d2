"""The stop: leads and admins pause a workflow, or everything, and lift it again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol, TypeVar, cast

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, PermissionDenied, ValidationError
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from policies.domain.strict_json import SAYS_SOMETHING
from policies.domain.vocabulary import ChangeKind
from policies.models import PolicyChange, Workflow
from policies.permissions import may_pause
from policies.services import AlreadySo, NotAllowed, ReasonMissing, pause, resume

LONGEST_REASON = 10_000
Post = TypeVar("Post", bound=Callable[..., Response])


class Verb(Protocol):
    """Pause or resume."""

    def __call__(self, workflow: Workflow | None, *, actor: User, reason: str, now: datetime) -> PolicyChange: ...


class GivenReason(serializers.Serializer[Any]):
    reason = serializers.RegexField(
        SAYS_SOMETHING,
        min_length=1,
        max_length=LONGEST_REASON,
        trim_whitespace=False,
        help_text="Kept with the change.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: ["The body must be an object."]})
        faults = {name: ["No such field; known are reason."] for name in data if name != "reason"}
        if "reason" in data and not isinstance(data["reason"], str):
            faults["reason"] = ["reason must be a string."]
        if faults:
            raise ValidationError(faults)
        read: dict[str, Any] = super().to_internal_value(data)
        return read


class Stopped(serializers.Serializer[Any]):
    """How it stands now."""

    workflow = serializers.CharField(allow_null=True, help_text="Null: everything.")
    paused = serializers.BooleanField()
    reason = serializers.CharField()
    at = serializers.DateTimeField()


class AlreadyThere(APIException):
    """It is paused, or running, already (409)."""

    status_code = HTTPStatus.CONFLICT
    default_code = "already_so"


@contextmanager
def refusals_told() -> Iterator[None]:
    """What the services refuse, as HTTP tells it."""
    try:
        yield
    except NotAllowed as error:
        raise PermissionDenied(error.detail) from error
    except ReasonMissing as error:
        raise ValidationError({"reason": [error.detail]}) from error
    except AlreadySo as error:
        raise AlreadyThere(error.detail) from error


class MayPause(BasePermission):
    message = "Only leads and admins stop a workflow, or lift a stop."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return may_pause(request.user)


class Stop(APIView):
    """For people; a key is nobody here."""

    permission_classes = [IsAuthenticated, MayPause]

    def throw(self, verb: Verb, request: Request, *, key: str | None = None) -> Response:
        workflow = None if key is None else get_object_or_404(Workflow, key=key)
        reader = GivenReason(data=request.data)
        reader.is_valid(raise_exception=True)
        with refusals_told():
            change = verb(
                workflow, actor=cast(User, request.user), reason=reader.validated_data["reason"], now=timezone.now()
            )
        told = {
            "workflow": key,
            "paused": change.kind == ChangeKind.PAUSED,
            "reason": change.reason,
            "at": change.at,
        }
        return Response(told)


def _schema(operation_id: str, summary: str) -> Callable[[Post], Post]:
    already = OpenApiResponse(description="It stands so already.")
    return extend_schema(
        operation_id=operation_id, summary=summary, request=GivenReason, responses={200: Stopped, 409: already}
    )


class PauseEverything(Stop):
    @_schema("pause_everything", "Pause everything")
    def post(self, request: Request) -> Response:
        """From the answer on nothing runs alone: what would have now waits for a person."""
        return self.throw(pause, request)


class ResumeEverything(Stop):
    @_schema("resume_everything", "Lift the pause of everything")
    def post(self, request: Request) -> Response:
        """What waits for a person goes on waiting for one."""
        return self.throw(resume, request)


class PauseWorkflow(Stop):
    @_schema("pause_workflow", "Pause a workflow")
    def post(self, request: Request, key: str) -> Response:
        """From the answer on nothing of it runs alone."""
        return self.throw(pause, request, key=key)


class ResumeWorkflow(Stop):
    @_schema("resume_workflow", "Lift the pause of a workflow")
    def post(self, request: Request, key: str) -> Response:
        return self.throw(resume, request, key=key)
