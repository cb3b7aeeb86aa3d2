"""Everything on the ticket page, in a fixed number of queries, and what a verdict on it binds to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from policies.domain.spec import ActionSpec, Alternative, Policy, Proposal, Reason
from policies.domain.vocabulary import VerdictKind
from policies.queries import live_versions, policy_of_version
from reviews.domain.judgement import Choice, index_on_the_table, is_disputed, outcome_kind, shown_sha256
from reviews.domain.vocabulary import FINAL, UNDECIDED, OutcomeKind, OutcomeMethod, TicketKind, TicketState
from reviews.models import Decision, Outcome, Question, Ticket, Verdict
from reviews.models.ticket import TicketQuerySet
from reviews.models.verdict import VerdictQuerySet
from reviews.queries.prepared import ByKey, Values
from reviews.queries.queue import name_of

# What a person may still say of an action that no policy knows: it can't be approved before it is registered.
OF_UNKNOWN_ACTIONS = (VerdictKind.OVERRIDE, VerdictKind.REJECT)
HOLD_OF_UNKNOWN_ACTIONS = 5


@dataclass(frozen=True, slots=True)
class Table:
    """The proposal on the table: what an approval would let run. `changed_by` is whose edit or override it is."""

    action: str
    payload: Mapping[str, Any]
    payload_sha256: str
    changed_by: Verdict | None


@dataclass(frozen=True, slots=True)
class Weighed:
    """An alternative as the AI gave it."""

    action: str
    title: str  # in plain words; the key where it is unknown
    confidence: str  # its decimal as it was sent; "" when there was none


@dataclass(frozen=True, slots=True)
class Dossier:
    """What a reviewer needs to judge, and what the form must send back."""

    ticket: Ticket  # with workflow, group, claimed_by
    decision: Decision
    outcome: Outcome | None
    action: ActionSpec | None  # of the proposal on the table; None where the policy doesn't know it
    overrides: tuple[ActionSpec, ...]  # what it could be overridden to
    reasons: tuple[Reason, ...]
    alternatives: tuple[Weighed, ...]
    questions: tuple[Question, ...]  # in order, with asked_by
    table: Table
    earlier: tuple[Verdict, ...]  # what this stage is shown of earlier ones: changes to confirm, or a dispute's sides
    given: tuple[Verdict, ...]  # every standing verdict, for those who look and don't decide
    disputed: bool  # this stage's answer is final
    policy_number: int | None
    policy_digest: str
    live_policy_number: int | None  # another one than policy_number: the policy changed meanwhile
    shown_sha256: str
    allowed_verdicts: tuple[str, ...]
    editable: tuple[str, ...]  # JSON Pointers into the payload
    deliberate_acts: int
    hold_seconds: int
    awaits_estimate: bool  # the AI's view is not for the reader yet: an own answer comes first
    held: bool  # the reader holds a live claim on it
    holder: str  # who holds a live claim; "" when nobody does


# Read with the ticket, since a statement of its own would take longer than all that it finds.
_BESIDE = {
    "has_questions": Exists(Question.objects.filter(ticket=OuterRef("pk"))),
    "live_version": live_versions(OuterRef("workflow")),
}
_READ = ByKey(lambda: tickets_with_decisions().select_related("claimed_by").annotate(**_BESIDE))


@dataclass(frozen=True, slots=True)
class Beside:
    """What a verdict rests on besides the ticket and its decision."""

    live: Policy | None  # the one in force
    questions: tuple[Question, ...]  # in order
    stored: Verdict | None  # the reviewer's verdict under the same request key


def beside(ticket: Ticket, *, reviewer: User, request_key: str) -> Beside:
    """As it is now: asked once the ticket is locked. One prepared query, and one for each of what is seldom there."""
    found = _BESIDE_VERDICT.first(ticket.pk, reviewer.pk, request_key)
    assert found is not None, "the ticket is locked"
    version = found["live_version"]
    return Beside(
        live=None if version is None else policy_of_version(version),
        questions=tuple(ticket.questions.order_by("id")) if found["has_questions"] else (),
        stored=Verdict.objects.get(pk=found["stored"]) if found["stored"] else None,
    )


def _beside_verdict(ticket: UUID, reviewer: int, request_key: str) -> QuerySet[Any, Any]:
    stored = Verdict.objects.filter(reviewer=reviewer, request_key=request_key).values("pk")
    annotated = Ticket.objects.filter(pk=ticket).annotate(stored=Subquery(stored), **_BESIDE)
    return annotated.values("stored", "has_questions", "live_version")


_BESIDE_VERDICT = Values(_beside_verdict, UUID, int, str)


def dossier(ticket_id: UUID, *, user: User, now: datetime) -> Dossier:
    """What there is to know of a ticket, once a process knows the policy: one prepared query for a gate that nobody has
    answered or asked about, and at most four queries.

    Asks nothing of who may see it: that is `permissions.may_see_ticket(user, dossier.ticket)`, before anything is
    shown. Raises Ticket.DoesNotExist.
    """
    ticket = _READ.get(ticket_id)
    if ticket is None:
        raise Ticket.DoesNotExist
    decision, read_with = ticket.decision, vars(ticket)
    decision.workflow = ticket.workflow  # the same row
    verdicts = list(standing_verdicts(ticket).select_related("reviewer"))
    asked = ticket.questions.order_by("id").select_related("asked_by")
    questions = tuple(asked) if read_with["has_questions"] else ()
    version = read_with["live_version"]
    live = None if version is None else policy_of_version(version)
    policy = policy_for(decision, live=live)
    table = on_the_table(decision, verdicts)
    actions = policy.actions if policy else {}
    action = known_action(policy, table.action) or known_action(live, table.action)
    disputed = is_disputed(choices_of(verdicts))
    holder = ticket.claimed_by if ticket.claimed_until and ticket.claimed_until >= now else None
    digest = digest_for(decision, live=live)
    overrides = tuple(spec for spec in actions.values() if spec.active and spec.key != table.action)
    return Dossier(
        ticket=ticket,
        decision=decision,
        outcome=_outcome_shown(ticket, verdicts),
        action=action,
        overrides=overrides,
        reasons=tuple(Reason.from_json(reason) for reason in decision.reasons),
        alternatives=tuple(_weighed(decision.alternatives or (), actions=actions)),
        questions=questions,
        table=table,
        earlier=tuple(verdicts) if disputed else (table.changed_by,) if table.changed_by else (),
        given=tuple(verdicts),
        disputed=disputed,
        policy_number=policy.number if policy else None,
        policy_digest=digest,
        live_policy_number=live.number if live else None,
        shown_sha256=shown_of(decision, table=table, questions=questions, digest=digest),
        allowed_verdicts=allowed_verdicts(action, overrides=bool(overrides)),
        editable=action.editable if action else (),
        deliberate_acts=ticket.deliberate_acts,
        hold_seconds=action.hold_seconds if action else HOLD_OF_UNKNOWN_ACTIONS,
        awaits_estimate=ticket.estimate_first
        and ticket.state in UNDECIDED
        and estimate_of(ticket, reviewer=user) is None,
        held=bool(holder and holder.pk == user.pk and ticket.state == TicketState.CLAIMED),
        holder=name_of(holder),
    )


def _outcome_shown(ticket: Ticket, verdicts: Sequence[Verdict]) -> Outcome | None:
    """The binding answer, as far as whoever looks at the ticket may know it.

    A second opinion is given blind to the first, whose answer it would be. A known answer has none; once it is over it
    shows what a gate with these verdicts would.
    """
    decision = ticket.decision
    if ticket.kind == TicketKind.SECOND_OPINION and ticket.state in UNDECIDED:
        return None
    if ticket.kind == TicketKind.GATE and ticket.state not in FINAL:
        return None  # It is written when its gate ends.
    if ticket.kind != TicketKind.KNOWN_ANSWER:
        return Outcome.objects.filter(pk=decision.pk).first()
    if ticket.state != TicketState.SETTLED or not verdicts:
        return None
    assert ticket.settled_at is not None, "the ticket is settled"
    (choice,) = choices_of(verdicts[-1:])
    kind = outcome_kind(choice, action=decision.action, payload_sha256=decision.payload_sha256)
    runs = None if kind == OutcomeKind.REJECTED else verdicts[-1]
    return Outcome(
        decision=decision,
        kind=kind,
        method=OutcomeMethod.HUMAN,
        action=runs.action if runs else decision.action,
        payload=runs.payload if runs else None,
        payload_sha256=runs.payload_sha256 if runs else decision.payload_sha256,
        verdict=verdicts[-1],
        settled_at=ticket.settled_at,
    )


def tickets_with_decisions() -> TicketQuerySet:
    """Tickets with what judging and showing them needs, in one query.

    Of four tables and no more: PostgreSQL plans each time, and each table that is joined doubles what that takes.
    """
    return Ticket.objects.select_related("workflow", "group", "decision")


def standing_verdicts(ticket: Ticket) -> VerdictQuerySet:
    """The verdicts on a ticket that count, in the order of their stages; not asked for where none has been given."""
    if ticket.stage == 1 and ticket.state in UNDECIDED:
        return Verdict.objects.none()
    return Verdict.objects.standing().filter(ticket=ticket).order_by("stage")


def estimate_of(ticket: Ticket, *, reviewer: User) -> str | None:
    """What the reviewer would do, as they said before they saw the AI's view; None where they have not, or needn't."""
    if not ticket.estimate_first:
        return None
    return ticket.estimates.filter(reviewer=reviewer).values_list("action", flat=True).first()


def last_verdict(ticket: Ticket) -> Verdict | None:
    """The latest verdict that counts, with its reviewer."""
    return standing_verdicts(ticket).select_related("reviewer").order_by("-stage").first()


def choices_of(verdicts: Iterable[Verdict]) -> list[Choice]:
    return [Choice(kind=each.kind, action=each.action, payload_sha256=each.payload_sha256) for each in verdicts]


def on_the_table(decision: Decision, verdicts: Sequence[Verdict]) -> Table:
    """What an approval would let run now: the AI's recommendation, or a change that waits to be confirmed."""
    index = index_on_the_table(choices_of(verdicts))
    if index is None:
        return Table(decision.action, decision.payload or {}, decision.payload_sha256, None)
    change = verdicts[index]
    return Table(change.action, change.payload or {}, change.payload_sha256, change)


def policy_for(decision: Decision, *, live: Policy | None) -> Policy | None:
    """The policy that judged, as it was pinned; the live one where none judged."""
    return live if decision.policy_version_id is None else policy_of_version(decision.policy_version_id)


def digest_for(decision: Decision, *, live: Policy | None) -> str:
    """The digest of the policy by which this is decided; "" where there is none."""
    policy = policy_for(decision, live=live)
    return policy.digest if policy else ""


def proposal_of(decision: Decision, *, action: str | None = None, payload: Mapping[str, Any] | None = None) -> Proposal:
    """A decision as judging reads it; with another action or payload, where a person changed them."""
    return Proposal(
        workflow=decision.workflow.key,
        action=decision.action if action is None else action,
        payload=(decision.payload or {}) if payload is None else payload,
        subject={
            name: value
            for name, value in (
                ("type", decision.subject_type),
                ("id", decision.subject_id),
                ("label", decision.subject_label),
                ("url", decision.subject_url),
            )
            if value
        },
        confidence=decision.confidence,
        alternatives=tuple(
            Alternative(each["action"], None if each["confidence"] is None else Decimal(str(each["confidence"])))
            for each in decision.alternatives or ()
        ),
        context=decision.context or {},
        model_name=decision.model_name,
        model_version=decision.model_version,
        prompt_digest=decision.prompt_digest,
        requested_by=decision.requested_by or "",
    )


def known_action(policy: Policy | None, action: str) -> ActionSpec | None:
    """The action as the policy pins it, if it is registered and active there."""
    spec = policy.actions.get(action) if policy else None
    return spec if spec and spec.active else None


def allowed_verdicts(action: ActionSpec | None, *, overrides: bool) -> tuple[str, ...]:
    """The kinds of verdict that can be given on an action; `overrides` says whether there is another to choose."""
    allowed = action.allowed_verdicts if action else OF_UNKNOWN_ACTIONS
    return tuple(kind for kind in VerdictKind if kind in allowed and (overrides or kind != VerdictKind.OVERRIDE))


def shown_of(decision: Decision, *, table: Table, questions: Iterable[Question], digest: str) -> str:
    """What a verdict on this binds to; domain.judgement says of what it is made."""
    return shown_sha256(
        action=table.action,
        payload_sha256=table.payload_sha256,
        reasons=decision.reasons,
        answers=[(each.answer or "", each.answer_context) for each in questions if each.answered_at],
        policy_digest=digest,
    )


def _weighed(alternatives: Iterable[Mapping[str, Any]], *, actions: Mapping[str, ActionSpec]) -> Iterable[Weighed]:
    for each in alternatives:
        key, confidence = str(each.get("action", "")), each.get("confidence")
        title = actions[key].title if key in actions else key
        yield Weighed(action=key, title=title, confidence="" if confidence is None else str(confidence))
