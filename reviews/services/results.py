"""What became of one line of an intake, as `GET /intakes/{id}` tells it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from policies.domain.strict_json import InputError, NotJson
from reviews.domain.submission import InvalidSubmission
from reviews.domain.vocabulary import LineState
from reviews.services.submit import Conflict, KeyEnded


class Result(NamedTuple):
    """`body` is JSON: of a decision its id, status and route; of a refusal the problem that POST would answer."""

    state: LineState
    body: str


def created(answer: Mapping[str, Any]) -> Result:
    return Result(LineState.CREATED, _decision(answer))


def replayed(answer: Mapping[str, Any]) -> Result:
    """The line asked for a decision that was there already, under another id than was kept for it."""
    return Result(LineState.REPLAYED, _decision(answer))


def refused(error: Exception) -> Result:
    """A problem (RFC 9457) without an instance."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    extensions: dict[str, Any] = {}
    detail = "Something went wrong here. Send the line again."
    if isinstance(error, InputError):
        status = HTTPStatus.BAD_REQUEST if isinstance(error, NotJson) else HTTPStatus.UNPROCESSABLE_ENTITY
        faults = error.errors if isinstance(error, InvalidSubmission) else ((error.pointer, error.detail),)
        detail = error.detail
        extensions = {"errors": [{"pointer": pointer, "detail": fault} for pointer, fault in faults]}
    elif isinstance(error, Conflict):
        status, detail = HTTPStatus.CONFLICT, error.detail
        extensions = {"decision": str(error.decision_id), "which": error.which}
    elif isinstance(error, KeyEnded):
        status, detail = HTTPStatus.UNAUTHORIZED, error.detail
    problem = {"status": int(status), "title": status.phrase, "detail": detail, **extensions}
    return Result(LineState.REFUSED, orjson.dumps(problem).decode())


def _decision(answer: Mapping[str, Any]) -> str:
    return orjson.dumps({name: answer[name] for name in ("id", "status", "route")}).decode()
