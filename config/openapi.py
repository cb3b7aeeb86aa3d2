"""How the API describes itself: what drf-spectacular finds in the views, and the refusals that every path shares."""

from http import HTTPStatus
from typing import Any, Final, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from rest_framework.permissions import IsAuthenticated

from config.rest import PROBLEM
from reviews.api.access import ByPerson

PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "properties": {
        "type": {"type": "string", "description": "`urn:countersign:problem:<code>`, or `about:blank`."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, with the limit that was passed."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "errors": {
            "type": "array",
            "description": "What is wrong, place by place.",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer into the body; empty is the whole."},
                    "parameter": {"type": "string", "description": "The query parameter, where it is one."},
                    "header": {"type": "string", "description": "The header, where it is one."},
                    "detail": {"type": "string"},
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "instance"],
}
FOR_PEOPLE: Final = (ByPerson, IsAuthenticated)
REFUSALS: Final = {
    "400": "Not JSON, or not readable at all.",
    "401": "No key or session, or one that is not valid.",
    "403": "Known, but not allowed to do this.",
    "404": "Nothing here that the caller may see.",
    "411": "The body came without its length.",
    "413": "The body is longer than this takes.",
    "415": "Another content type, or a content encoding.",
    "422": "Readable, but not what is asked for: `errors` says where.",
    "429": "Too many requests of this key; `Retry-After` says when to come again.",
    "503": "The database can't answer now; nothing was recorded.",
}
_DECISION: Final = {"decision_id": "$response.body#/id"}
_OF_A_DECISION: Final = (
    *("get_decision", "cancel_decision", "answer_question", "issue_permit", "report_execution", "report_truth"),
)
_ACTS_ON_A_DECISION: Final = dict.fromkeys(_OF_A_DECISION, _DECISION)
LINKS: Final[dict[tuple[str, str], dict[str, dict[str, str]]]] = {
    ("submit_decision", "200"): _ACTS_ON_A_DECISION,
    ("submit_decision", "201"): _ACTS_ON_A_DECISION,
    ("submit_decision", "202"): {"get_decision": _DECISION, "get_intake": {"intake_id": "$response.body#/intake"}},
    ("submit_batch", "202"): {"get_intake": {"intake_id": "$response.body#/intake"}},
    ("list_decisions", "200"): {"get_decision": {"decision_id": "$response.body#/results/0/id"}},
    ("get_decision", "200"): _ACTS_ON_A_DECISION,
    ("issue_permit", "201"): {"redeem_permit": {"jti": "$response.body#/jti"}},
    ("redeem_permit", "200"): {"report_execution": {"decision_id": "$response.body#/decision"}},
    ("list_events", "200"): {"list_events": {"after": "$response.body#/cursor"}},
    ("get_checkpoint", "200"): {"prove_consistency": {"first": "$response.body#/size"}},
}
"""Of an operation and its answer: what to do next, and what of the answer it takes (OpenAPI's Link Objects)."""


class Schema(AutoSchema):
    """Adds to each operation the problems that it may answer with, and what may follow, so that no view lists them."""

    def get_auth(self) -> list[dict[str, Any]]:
        ways: list[dict[str, Any]] = super().get_auth()
        if any(isinstance(permission, FOR_PEOPLE) for permission in self.view.get_permissions()):
            return [way for way in ways if KeyScheme.name not in way]
        return ways

    def get_tags(self) -> list[str]:
        return [self._tokenize_path()[0]]

    def _map_basic_serializer(self, serializer: Any, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if direction == "request":
            schema["additionalProperties"] = False  # What is sent and not known is refused.
        if "__doc__" not in vars(type(serializer)) or not type(serializer).__doc__:
            schema.pop("description", None)  # That of a base class says nothing of this one.
        return schema

    def _map_serializer_field(self, field: Any, *how: Any, **more: Any) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_serializer_field(field, *how, **more)  # type: ignore[no-untyped-call]
        for inner in (schema, schema.get("items", {})):
            inner.pop("x-spec-enum-id", None)
        if getattr(field, "max_length", None) and "array" in schema.get("type", ""):
            schema["maxItems"] = field.max_length
        return schema

    def _get_request_body(self, direction: Literal["request", "response"] = "request") -> dict[str, Any] | None:
        body: dict[str, Any] | None = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        if body and any(content["schema"].get("type") == "string" for content in body["content"].values()):
            body["required"] = True  # Text has no fields that could say so.
        return body

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for status in self._refusals():
            bodies.setdefault(status, {"description": REFUSALS[status]})
        problem = ResolvedComponent(
            name="Problem", type=ResolvedComponent.SCHEMA, schema=PROBLEM_SCHEMA, object=PROBLEM_SCHEMA["description"]
        )
        self.registry.register_on_missing(problem)
        for status, body in bodies.items():
            following = LINKS.get((self.get_operation_id(), status))
            if following:
                body["links"] = {
                    operation: {"operationId": operation, "parameters": dict(taken)}
                    for operation, taken in following.items()
                }
            if int(status) >= HTTPStatus.BAD_REQUEST and "content" not in body:
                body["content"] = {PROBLEM: {"schema": problem.ref}}
        return dict(sorted(bodies.items()))

    def _refusals(self) -> list[str]:
        statuses = ["401", "403", "429", "503"]
        parameters = self._get_parameters()
        if any(parameter["in"] == "path" for parameter in parameters):
            statuses.append("404")
        # Query parameters that are not documented are refused as well.
        statuses.append("422")
        if self.method != "GET":
            statuses += ["400", "411", "413", "415"]
        return statuses


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "reviews.api.authentication.BearerKey"
    match_subclasses = True
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "`cs_<id>_<secret>`, made in the admin, shown once."}
