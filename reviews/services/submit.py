"""Takes a decision in: judged, routed and recorded in one call of the database."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, NoReturn
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import DataError, IntegrityError, OperationalError, connection

from policies.domain.evaluate import audit_draw
from reviews.domain.submission import InvalidSubmission, Submission
from reviews.models import Client, ClientKey, Decision, new_id
from reviews.services.compose import Composed, answer_to, compose
from reviews.services.follow import follow_decision
from reviews.services.judge import (
    Judged,
    Known,
    Requester,
    forget,
    judge,
    remember,
    remember_requester,
    remembered,
    remembered_requester,
    sent_to_a_person,
)
from reviews.services.ring import ring

# The facts may change while a decision is judged; when they have so often, a person decides.
TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer (see reviews.domain.answer), and whether the decision was there already."""

    answer: dict[str, Any]
    replayed: bool = False


class SubmitError(Exception):
    """The decision was not recorded; `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Conflict(SubmitError):
    """Another request stands under this external id or idempotency key, as `decision_id` (409)."""

    def __init__(self, *, decision_id: UUID, which: Literal["external_id", "idempotency_key"]) -> None:
        words = which.replace("_", " ")
        super().__init__(f"Another decision stands under this {words}: {decision_id}.")
        self.decision_id, self.which = decision_id, which


class UnknownWorkflow(InvalidSubmission):
    """There is no such workflow, or it isn't the client's: which of the two is not told (422)."""


class DeadlinePassed(InvalidSubmission):
    """Nothing would come of it: its time was over before it was sent (422)."""


class TwinInFlight(SubmitError):
    """The same request is being taken in at this moment (409, to be tried again after a second)."""


class KeyEnded(SubmitError):
    """The key or its client was ended while the request was under way (401)."""


def submit_decision(
    *,
    client: Client,
    submission: Submission,
    key: str | None,
    now: datetime,
    decision_id: UUID | None = None,
    client_key: ClientKey | None = None,
) -> Submitted:
    """Judge, route and record a decision, committed when this returns; or find the one that stands for this request.

    `key` is the caller's idempotency key. `client_key` is looked at again in the transaction, with the client.
    Writes a Decision with its Events, a gate Ticket or an Outcome (and an audit Ticket where drawn), Deliveries,
    BudgetUse and ShadowAssessment. Raises UnknownWorkflow, DeadlinePassed, Conflict, TwinInFlight, KeyEnded; and
    OperationalError when the database can't answer, and then nothing was recorded.
    """
    _refuse_nesting()
    if submission.deadline is not None and submission.deadline <= now:
        return _past_its_deadline(client, submission, submission.deadline, key=key, now=now)
    proposal = submission.proposal
    known = _known(proposal.workflow)
    requester = remembered_requester(proposal.requested_by)
    decision_id = decision_id or new_id()
    draw = audit_draw(decision_id, settings.COUNTERSIGN_AUDIT_KEY.encode())
    budget_spent: tuple[str, ...] = ()
    doubt = ""
    for tries_left in reversed(range(TRIES)):
        judged = judge(proposal, known=known, requester=requester, budget_spent=budget_spent, now=now, draw=draw)
        if doubt or not tries_left:
            judged = sent_to_a_person(judged, why=doubt or "What the policy rests on changed again and again")
        composed = compose(submission, judged=judged, decision_id=decision_id, client_id=client.pk, now=now)
        try:
            said = _call(
                composed, judged, client=client, client_key=client_key, key=key, insist=not tries_left, now=now
            )
        except (DataError, IntegrityError) as error:
            if doubt or not tries_left:
                raise
            # The database refuses what was judged: whatever the cause, it is not to run on its own.
            doubt = f"The database refused the assessment ({type(error).__name__})"
            continue
        if said.said == "written":
            if said.deliveries:
                _ring_dispatcher()
            return Submitted(answer_to(submission, judged, composed, to=said.group_name, due_at=said.due_at, now=now))
        if said.said == "twin":
            return _replayed(client, submission, twin=_Twin(said.twin_id, said.twin_by, said.twin_fingerprint), now=now)
        if said.said == "spent":
            budget_spent = tuple(said.spent)
        elif said.said == "stale":
            known, requester = _learn(known, proposal.requested_by, said)
        elif said.said == "unknown_workflow":
            forget(proposal.workflow)
            known = _known(proposal.workflow)
        else:
            _refuse(said.said, proposal.workflow)
    raise AssertionError("the last try is written, whatever has changed")


def _learn(known: Known, requested_by: str, said: "_Said") -> tuple[Known, Requester]:
    """What is true instead of what was remembered."""
    known = Known(
        workflow_id=known.workflow_id,
        workflow=known.workflow,
        version_id=said.version_id,
        live_versions=said.live_versions,
        shadow_id=said.shadow_id,
        paused=said.paused,
        evidence_at=said.evidence_at,
    )
    requester = Requester(said.requester_id, said.requester_matched)
    remember(known)
    remember_requester(requested_by, requester)
    return known, requester


# --- The call ---------------------------------------------------------------------------------------------------------

# Each argument goes as text, so that there is one prepared statement whichever of them are null.
_ARGUMENTS: Final = (
    *("client", "client_key", "workflow", "now"),
    *("version", "live_versions", "shadow", "paused", "evidence_at", "requester", "requester_matched", "insist"),
    *("id", "external_id", "idempotency_key", "fingerprint", "action"),
    *("subject_type", "subject_id", "subject_label", "subject_url"),
    *("payload", "payload_sha256", "amount", "currency", "confidence", "alternatives", "reasoning", "context"),
    *("model_name", "model_version", "prompt_digest", "requested_by", "run", "deadline", "salt"),
    *("threshold", "facts", "route", "reasons", "flagged", "flag_probability"),
    *("ticket", "ticket_kind", "group", "priority", "verdicts_needed", "deliberate_acts"),
    *("submitted", "opened", "settled", "message_type", "message", "shadow_route", "shadow_reasons", "budgets"),
)
_CALL: Final = "SELECT * FROM submit_decision({})".format(  # noqa: S608  the names are those above
    ", ".join(f"p_{name} => ${place}" for place, name in enumerate(_ARGUMENTS, 1))
)


class _Said(NamedTuple):
    """What the database says, with the names of submit.sql's answer, which tells when each is null."""

    said: str
    twin_id: UUID
    twin_by: Literal["external_id", "idempotency_key"]
    twin_fingerprint: str
    version_id: int | None
    live_versions: int
    shadow_id: int | None
    paused: str
    evidence_at: datetime | None
    requester_id: int | None
    requester_matched: bool
    spent: list[str]
    group_name: str | None
    due_at: datetime | None
    deliveries: int | None


def _call(
    composed: Composed,
    judged: Judged,
    *,
    client: Client,
    client_key: ClientKey | None,
    key: str | None,
    insist: bool,
    now: datetime,
) -> _Said:
    """sql/submit.sql's submit_decision, whose answer is returned: one statement, which is its own transaction.

    Raises TwinInFlight, and what Django makes of the database's errors.
    """
    arguments = composed._asdict() | {
        "client": client.pk,
        "client_key": client_key and client_key.pk,
        "idempotency_key": key,
        "now": now,
        "insist": insist,
        "workflow": judged.known.workflow_id,
        "version": judged.known.version_id,
        "live_versions": judged.known.live_versions,
        "shadow": judged.known.shadow_id,
        "paused": judged.known.paused,
        "evidence_at": judged.known.evidence_at,
        "requester": judged.requester.user_id,
        "requester_matched": judged.requester.matched,
    }
    connection.ensure_connection()
    try:
        with connection.wrap_database_errors:
            cursor = _cursor_of(connection.connection)
            cursor.execute(_CALL, [_text(arguments[name]) for name in _ARGUMENTS], prepare=True)
            row = cursor.fetchone()
            assert row is not None, "a function gives one row"
            return _Said(*row)
    except OperationalError as error:
        _raise_if_twin(error)
        raise


def _cursor_of(database: Any) -> psycopg.RawCursor[Any]:
    """The connection's own, made once: another for each call would learn anew how each value is read and written.

    A raw cursor leaves the statement as it is; the others would take it apart again at each call.
    """
    cursor: psycopg.RawCursor[Any] | None = getattr(database, _KEPT, None)
    if cursor is None:
        cursor = psycopg.RawCursor(database)
        setattr(database, _KEPT, cursor)
    return cursor


_KEPT: Final = "submit_cursor"


def _text(value: object) -> str | None:
    return value if value is None or type(value) is str else str(value)


def _raise_if_twin(error: OperationalError) -> None:
    """The lock that was not granted in time: of a twin's row, or of a stop, during which nothing is taken in."""
    cause = error.__cause__
    if isinstance(cause, psycopg.errors.LockNotAvailable) and "pg_advisory" not in (cause.diag.context or ""):
        raise TwinInFlight("The same request is being taken in at this moment; send it again in a second.") from error


def _refuse_nesting() -> None:
    """What is answered is committed: never inside a transaction that could still be rolled back, but in a test."""
    if connection.in_atomic_block and not getattr(connection.atomic_blocks[-1], "_from_testcase", False):
        raise RuntimeError("A decision is submitted in a transaction of its own.")


_RING_EVERY_SECONDS: Final = 0.25
_rung_at = 0.0


def _ring_dispatcher() -> None:
    """At most a few times a second: under load one bell serves many, and the sweeper rings for the last of them."""
    global _rung_at
    at = time.monotonic()
    if at - _rung_at >= _RING_EVERY_SECONDS:
        _rung_at = at
        ring("reviews.tasks.deliver")


# --- What isn't recorded ----------------------------------------------------------------------------------------------


def _known(workflow: str) -> Known:
    known = remembered(workflow)
    if known is None:
        _refuse("unknown_workflow", workflow)
    return known


def _refuse(said: str, workflow: str) -> NoReturn:
    if said == "ended":
        raise KeyEnded("This key may not submit decisions any more.")
    raise unknown_workflow(workflow)


def unknown_workflow(workflow: str) -> UnknownWorkflow:
    """The same for one that isn't there and one that isn't theirs."""
    return UnknownWorkflow((("/workflow", f"There is no workflow {workflow!r} for this client."),))


def deadline_passed(deadline: datetime) -> DeadlinePassed:
    return DeadlinePassed((("/deadline", f"deadline was {deadline:%Y-%m-%d %H:%M:%S} UTC and has passed."),))


class _Twin(NamedTuple):
    """A decision that stands under the same external id or idempotency key."""

    id: UUID
    by: Literal["external_id", "idempotency_key"]
    fingerprint: str


def _past_its_deadline(
    client: Client, submission: Submission, deadline: datetime, *, key: str | None, now: datetime
) -> Submitted:
    """A request whose time is over is recorded no more, but may have been before."""
    same = Decision.everything.of_client(client)
    if key and (found := same.filter(idempotency_key=key).first()):
        return _replayed(client, submission, twin=_Twin(found.pk, "idempotency_key", found.fingerprint), now=now)
    if found := same.filter(external_id=submission.external_id).first():
        return _replayed(client, submission, twin=_Twin(found.pk, "external_id", found.fingerprint), now=now)
    raise deadline_passed(deadline)


def _replayed(client: Client, submission: Submission, *, twin: _Twin, now: datetime) -> Submitted:
    """The decision that stands, as of now. Raises Conflict when it is of another request."""
    if twin.fingerprint != submission.fingerprint:
        raise Conflict(decision_id=twin.id, which=twin.by)
    return Submitted(follow_decision(twin.id, client=client, now=now), replayed=True)
