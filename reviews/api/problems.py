"""What the services refuse, as HTTP tells it: config.rest makes a problem of each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from rest_framework.exceptions import APIException

from reviews.domain.answer import moment
from reviews.queries import BadCursor
from reviews.services.ask import NothingToAnswer, UnknownDecision
from reviews.services.decide import (
    AlreadyDecided,
    Asked,
    ClaimLost,
    Held,
    HoldOver,
    InvalidAnswer,
    NotAllowed,
    NotVisible,
    Stale,
    TooSoon,
)
from reviews.services.follow import LineRefused
from reviews.services.ingest import IntakeConflict
from reviews.services.report import NothingMayRun, TruthStands
from reviews.services.settle import AlreadySettled
from reviews.services.submit import Conflict, KeyEnded, TwinInFlight


class Problem(APIException):
    """A refusal. `code` names its kind, `extensions` are members of their own, `headers` go with the answer."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        code: str,
        errors: list[dict[str, str]] | None = None,
        extensions: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.errors = errors
        self.extensions = dict(extensions or {})
        self.headers = dict(headers or {})


class Unprocessable(Problem):
    """One thing that can't be taken, and where it stands: a header, say, or a place in the body."""

    def __init__(self, detail: str, **place: str) -> None:
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="invalid", errors=[{**place, "detail": detail}])


class VersionMissing(Problem):
    """A verdict must say which version of the ticket it is about (428)."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.PRECONDITION_REQUIRED,
            "Send the ticket's version as If-Match, in quotes.",
            code="version_missing",
            errors=[{"header": "If-Match", "detail": "It is required."}],
        )


_PLAIN: Final[dict[type[Any], tuple[HTTPStatus, str]]] = {
    UnknownDecision: (HTTPStatus.NOT_FOUND, "not_found"),
    NotVisible: (HTTPStatus.NOT_FOUND, "not_found"),
    NotAllowed: (HTTPStatus.FORBIDDEN, "permission_denied"),
    ClaimLost: (HTTPStatus.CONFLICT, "claim_lost"),
    Asked: (HTTPStatus.CONFLICT, "asked"),
    TooSoon: (HTTPStatus.CONFLICT, "too_soon"),
    HoldOver: (HTTPStatus.CONFLICT, "hold_over"),
    NothingToAnswer: (HTTPStatus.CONFLICT, "nothing_to_answer"),
    NothingMayRun: (HTTPStatus.CONFLICT, "nothing_may_run"),
    TruthStands: (HTTPStatus.CONFLICT, "truth_stands"),
    Stale: (HTTPStatus.PRECONDITION_FAILED, "stale"),
    LineRefused: (HTTPStatus.NOT_FOUND, "refused"),
    KeyEnded: (HTTPStatus.UNAUTHORIZED, "authentication_failed"),
}


PLAIN: Final = tuple(_PLAIN)
CODES: Final = frozenset(
    {code for _, code in _PLAIN.values()}
    | {"invalid", "version_missing", "conflict", "twin_in_flight", "held", "already_decided", "already_settled"}
)
"""What the refusals below are called, behind `urn:countersign:problem:`."""


@contextmanager
def refusals_told() -> Iterator[None]:
    """Turns what a service raises into a Problem."""
    try:
        yield
    except Conflict as error:
        about = {"decision": str(error.decision_id), "which": error.which}
        raise Problem(HTTPStatus.CONFLICT, error.detail, code="conflict", extensions=about) from error
    except IntakeConflict as error:
        standing = {"intake": str(error.intake_id)}
        raise Problem(HTTPStatus.CONFLICT, error.detail, code="conflict", extensions=standing) from error
    except TwinInFlight as error:
        again = {"Retry-After": "1"}
        raise Problem(HTTPStatus.CONFLICT, error.detail, code="twin_in_flight", headers=again) from error
    except Held as error:
        held = {"by": error.by, "until": error.until and moment(error.until)}
        raise Problem(HTTPStatus.CONFLICT, error.detail, code="held", extensions=held) from error
    except AlreadyDecided as error:
        over = {"by": error.by, "at": error.at and moment(error.at)}
        raise Problem(HTTPStatus.CONFLICT, error.detail, code="already_decided", extensions=over) from error
    except AlreadySettled as error:
        outcome = {"outcome": {"kind": error.outcome.kind, "method": error.outcome.method}}
        raise Problem(HTTPStatus.CONFLICT, error.detail, code="already_settled", extensions=outcome) from error
    except InvalidAnswer as error:
        faults = [{"pointer": pointer, "detail": detail} for pointer, detail in error.errors]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.detail, code="invalid", errors=faults) from error
    except BadCursor as error:
        raise Unprocessable(error.detail, parameter="after") from error
    except PLAIN as error:
        status, code = _PLAIN[type(error)]
        raise Problem(status, error.detail, code=code) from error
