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
from reviews.domain.answer import decision_answer, outcome_answer, status_of, ticket_answer
from reviews.domain.submission import InvalidSubmission, Submission
from reviews.models import Client, ClientKey, Decision, Ticket, new_id
from reviews.services.compose import Composed, answer_to, compose
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
    replayed: bool


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
    """There is no such workflow (422)."""


class WorkflowNotYours(UnknownWorkflow):
    """The client may not submit there; it is told the same as of one that doesn't exist (422)."""


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
    BudgetUse and ShadowAssessment. Raises InvalidSubmission (UnknownWorkflow, WorkflowNotYours), Conflict,
    TwinInFlight, KeyEnded; and OperationalError when the database can't answer, and then nothing was recorded.
    """
    _refuse_nesting()
    if submission.deadline is not None and submission.deadline <= now:
        return _past_its_deadline(client, submission, key=key)
    proposal = submission.proposal
    known = _known(proposal.workflow)
    requester = remembered_requester(proposal.requested_by)
    decision_id = decision_id or new_id()
    draw = audit_draw(decision_id, settings.COUNTERSIGN_AUDIT_KEY.encode())
    budget_spent: tuple[str, ...] = ()
    doubt = ""
    for attempt in range(TRIES + 1):
        judged = judge(proposal, known=known, requester=requester, budget_spent=budget_spent, now=now, draw=draw)
        insist = attempt == TRIES
        if insist or doubt:
            judged = sent_to_a_person(judged, why=doubt or "What the policy rests on changed again and again")
        composed = compose(submission, judged=judged, decision_id=decision_id, client_id=client.pk, now=now)
        try:
            said = _call(composed, judged, client=client, client_key=client_key, key=key, insist=insist, now=now)
        except (DataError, IntegrityError) as error:
            # The database refuses what was judged: whatever the cause, it is not to run on its own.
            if doubt:
                raise
            doubt = f"The database refused the assessment ({type(error).__name__})"
            continue
        if said.said == "written":
            if said.deliveries:
                _ring_dispatcher()
            answer = answer_to(
                submission, judged=judged, composed=composed, group=said.group_name, due_at=said.due_at, now=now
            )
            return Submitted(answer, replayed=False)
        if said.said == "stale":
            known = Known(
                known.workflow_id,
                known.workflow,
                said.version_id,
                said.live_versions,
                said.shadow_id,
                said.paused,
                said.evidence_at,
            )
            remember(known)
            requester = Requester(said.requester_id, said.requester_matched)
            remember_requester(proposal.requested_by, requester)
        elif said.said == "spent":
            budget_spent = tuple(said.spent)
        elif said.said == "twin":
            return _replayed(submission, twin_id=said.twin_id, by=said.twin_by, fingerprint=said.twin_fingerprint)
        elif said.said == "unknown_workflow":
            forget(proposal.workflow)
            known = _known(proposal.workflow)
        else:
            _refuse(said.said, proposal.workflow)
    raise AssertionError("the last try is written whatever has changed")


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
    """What the database says, with the names of submit.sql's answer."""

    said: str
    twin_id: UUID | None
    twin_by: Literal["external_id", "idempotency_key"] | None
    twin_fingerprint: str | None
    version_id: int | None
    live_versions: int
    shadow_id: int | None
    paused: str
    evidence_at: datetime | None
    requester_id: int | None
    requester_matched: bool
    spent: list[str] | None
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
        # A raw cursor leaves the statement as it is; the others would take it apart again at each call.
        with connection.wrap_database_errors, psycopg.RawCursor(connection.connection) as cursor:
            cursor.execute(_CALL, [_text(arguments[name]) for name in _ARGUMENTS], prepare=True)
            return _Said(*cursor.fetchone())
    except OperationalError as error:
        _raise_if_twin(error)
        raise


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
    error = WorkflowNotYours if said == "not_yours" else UnknownWorkflow
    raise error((("/workflow", f"There is no workflow {workflow!r} for this client."),))


def _past_its_deadline(client: Client, submission: Submission, *, key: str | None) -> Submitted:
    """A request whose time is over is recorded no more, but may have been before."""
    same = Decision.everything.of_client(client)
    for which, twin in (
        ("idempotency_key", same.filter(idempotency_key=key).first() if key else None),
        ("external_id", same.filter(external_id=submission.external_id).first()),
    ):
        if twin is not None:
            return _replayed(submission, twin_id=twin.pk, by=which, fingerprint=twin.fingerprint)
    raise InvalidSubmission(
        (("/deadline", f"deadline has passed: it was {submission.deadline:%Y-%m-%d %H:%M:%S} UTC."),)
    )


def _replayed(submission: Submission, *, twin_id: UUID, by: Any, fingerprint: str) -> Submitted:
    if fingerprint != submission.fingerprint:
        raise Conflict(decision_id=twin_id, which=by)
    return Submitted(standing_answer(twin_id), replayed=True)


def standing_answer(decision_id: UUID) -> dict[str, Any]:
    """The answer for a decision as of now. Raises Decision.DoesNotExist."""
    decision = Decision.everything.select_related("policy_version", "outcome").get(pk=decision_id)
    gate = Ticket.objects.gates().select_related("group").filter(decision=decision).first()
    outcome = getattr(decision, "outcome", None)
    version = decision.policy_version
    return decision_answer(
        decision_id=decision.pk,
        external_id=decision.external_id,
        status=status_of(outcome_kind=outcome and outcome.kind, gate_state=gate and gate.state),
        route=decision.route,
        reasons=decision.reasons,
        policy_number=version and version.number,
        policy_digest=version.digest if version else "",
        ticket=gate and ticket_answer(ticket_id=gate.pk, group=gate.group.name, due_at=gate.due_at),
        outcome=outcome
        and outcome_answer(
            kind=outcome.kind,
            method=outcome.method,
            action=outcome.action,
            payload=outcome.payload,
            payload_sha256=outcome.payload_sha256,
            settled_at=outcome.settled_at,
        ),
    )
