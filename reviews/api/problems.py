"""What the services refuse, as HTTP tells it: config.rest makes a problem of each."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import structlog
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
from reviews.services.lead import GroupRefused, NotHeld, NotMovable
from reviews.services.permit import (
    AlreadyRedeemed,
    AnotherPayload,
    NoExecutor,
    NotSettled,
    Paused,
    PermitOver,
    UnknownPermit,
)
from reviews.services.report import NothingMayRun, TruthStands
from reviews.services.settle import AlreadySettled
from reviews.services.signing import KeyFileError
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


logger = structlog.get_logger(__name__)
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
    UnknownPermit: (HTTPStatus.NOT_FOUND, "not_found"),
    Paused: (HTTPStatus.CONFLICT, "paused"),
    NotSettled: (HTTPStatus.CONFLICT, "not_settled"),
    PermitOver: (HTTPStatus.CONFLICT, "permit_over"),
    NotHeld: (HTTPStatus.CONFLICT, "not_held"),
    NotMovable: (HTTPStatus.CONFLICT, "not_movable"),
    AnotherPayload: (HTTPStatus.CONFLICT, "another_payload"),
    Stale: (HTTPStatus.PRECONDITION_FAILED, "stale"),
    LineRefused: (HTTPStatus.NOT_FOUND, "refused"),
    KeyEnded: (HTTPStatus.UNAUTHORIZED, "authentication_failed"),
}


_CONFLICTS: Final[dict[type[Any], tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    Conflict: ("conflict", lambda error: {"decision": str(error.decision_id), "which": error.which}),
    IntakeConflict: ("conflict", lambda error: {"intake": str(error.intake_id)}),
    Held: ("held", lambda error: {"by": error.by, "until": error.until and moment(error.until)}),
    AlreadyDecided: ("already_decided", lambda error: {"by": error.by, "at": error.at and moment(error.at)}),
    AlreadySettled: (
        "already_settled",
        lambda error: {"outcome": {"kind": error.outcome.kind, "method": error.outcome.method}},
    ),
    AlreadyRedeemed: (
        "already_redeemed",
        lambda error: {"permit": str(error.permit), "redeemed_at": moment(error.redeemed_at)},
    ),
}
"""With what the problem says beyond its members."""

PLAIN: Final = tuple(_PLAIN)
CONFLICTS: Final = tuple(_CONFLICTS)
CODES: Final = frozenset(
    {code for _, code in _PLAIN.values()}
    | {code for code, _ in _CONFLICTS.values()}
    | {"invalid", "version_missing", "twin_in_flight", "no_signing_key", "not_sealed", "tree_broken"}
)
"""What refusals are called, behind `urn:countersign:problem:`."""


@contextmanager
def refusals_told() -> Iterator[None]:
    """Turns what a service raises into a Problem."""
    try:
        yield
    except CONFLICTS as error:
        code, more = _CONFLICTS[type(error)]
        raise Problem(HTTPStatus.CONFLICT, error.detail, code=code, extensions=more(error)) from error
    except TwinInFlight as error:
        again = {"Retry-After": "1"}
        raise Problem(HTTPStatus.CONFLICT, error.detail, code="twin_in_flight", headers=again) from error
    except GroupRefused as error:
        raise Unprocessable(error.detail, pointer="/group") from error
    except NoExecutor as error:
        raise Unprocessable(error.detail, pointer="/audience") from error
    except KeyFileError as error:
        logger.exception("permits can't be signed")
        detail = "Permits can't be signed now, since there is no key that can be used. Nothing was recorded."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, code="no_signing_key") from error
    except InvalidAnswer as error:
        faults = [{"pointer": pointer, "detail": detail} for pointer, detail in error.errors]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.detail, code="invalid", errors=faults) from error
    except BadCursor as error:
        raise Unprocessable(error.detail, parameter="after") from error
    except PLAIN as error:
        status, code = _PLAIN[type(error)]
        raise Problem(status, error.detail, code=code) from error
