"""Puts a case whose truth is known before people, as a gate like any other.

It is submitted by a client of our own, judged by the policy in force, and goes to people by the way that everything
goes. Nothing of it runs, nobody upstream hears of it, and `Decision.objects` gives none.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from django.conf import settings
from django.contrib.auth.models import User

from policies.domain.evaluate import audit_draw
from policies.models import Workflow
from reviews.domain.disguise import disguised
from reviews.domain.submission import InvalidSubmission, parse_submission
from reviews.domain.vocabulary import EventKind, Scope, TicketKind, TicketState
from reviews.models import Client, Decision, Event, Question, Skip, Ticket, new_id
from reviews.services.ask import NothingToAnswer, answer_question
from reviews.services.compose import is_sound
from reviews.services.judge import NOBODY, forget, judge, remembered
from reviews.services.submit import Conflict, submit_decision

NAME: Final = "Countersign"
NAMES_TRIED: Final = 50
FOR_EVER: Final = timedelta(days=36_500)
# Upstream takes its time to answer a question; so does this.
SOONEST, LATEST = timedelta(minutes=4), timedelta(minutes=40)
ANSWERS: Final = ("There is nothing to add.", "No more is known than what was sent.", "We have nothing beyond that.")


class NoSeed(Exception):
    """This can't be put before people again; `detail` says why."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


def body_of(decision: Decision) -> dict[str, Any]:
    """A decision as upstream would send it again. Raises NoSeed for what was purged, or had a deadline."""
    if decision.purged_at is not None:
        raise NoSeed("Its content was purged.")
    if decision.deadline is not None:
        raise NoSeed("It had a deadline; a copy would stay open past its own, and be known by it.")
    subject = {
        "type": decision.subject_type,
        "id": decision.subject_id,
        "label": decision.subject_label,
        "url": decision.subject_url,
    }
    body = {
        "external_id": decision.external_id,
        "workflow": decision.workflow.key,
        "action": decision.action,
        "subject": {name: value for name, value in subject.items() if value},
        "payload": decision.payload,
        "confidence": None if decision.confidence is None else float(decision.confidence),
        "alternatives": [
            {name: float(value) if name == "confidence" else value for name, value in each.items() if value is not None}
            for each in decision.alternatives or ()
        ],
        "reasoning": decision.reasoning,
        "context": decision.context,
        "model": {
            name: value
            for name, value in (
                ("name", decision.model_name),
                ("version", decision.model_version),
                ("prompt", decision.prompt_digest),
            )
            if value
        },
        "requested_by": decision.requested_by,
    }
    return {name: value for name, value in body.items() if value}


def submit_known_answer(
    body: Mapping[str, Any], *, workflow: Workflow, key: str, since: datetime, now: datetime
) -> Decision | None:
    """Submit a seed's body in disguise; once under one `key`. Days in it are moved on by those since `since`.

    None where the policy in force lets it run alone, or another goes by its new name: then nothing is written. Writes
    what submit_decision writes, with a ticket that only its kind tells from a gate. Raises NoSeed.
    """
    client = _ourselves(workflow)
    stands = Decision.everything.filter(client=client, idempotency_key=key).first()
    if stands is not None:
        return stands
    raw = orjson.dumps(_under_a_free_name(body, client=client, lot=f"{key} {now.isoformat()}", days=(now - since).days))
    try:
        submission = parse_submission(raw)
    except InvalidSubmission as error:
        raise NoSeed(f"{error.pointer} {error.detail}".strip()) from error
    decision_id = new_id()
    # What this process remembers may be old, and what would run alone must not be submitted.
    forget(workflow.key)
    known = remembered(workflow.key)
    if known is None:
        return None
    draw = audit_draw(decision_id, settings.COUNTERSIGN_AUDIT_KEY.encode())
    judged = judge(submission.proposal, known=known, requester=NOBODY, budget_spent=(), now=now, draw=draw)
    if is_sound(judged.assessment, submission.proposal):
        return None
    try:
        submit_decision(client=client, submission=submission, key=key, now=now, decision_id=decision_id)
    except Conflict:
        return None
    return Decision.everything.get(pk=decision_id)


def keep_from(decision: Decision, users: Iterable[int], *, now: datetime) -> None:
    """Let its ticket stay away from these users for ever, as what they skipped does for a while."""
    ticket = Ticket.objects.get(decision=decision)
    Skip.objects.bulk_create(
        (Skip(ticket=ticket, reviewer_id=user, until=now + FOR_EVER) for user in users), ignore_conflicts=True
    )


def saw(decisions: Iterable[Any]) -> set[int]:
    """The ids of those who have had a ticket of one of these decisions before them."""
    claims = Event.objects.filter(kind=EventKind.TICKET_CLAIMED, decision__in=list(decisions), user__isnull=False)
    return set(claims.values_list("user_id", flat=True))


def others_in_group(workflow: Workflow, *, than: Iterable[int]) -> bool:
    """Whether the workflow's review group has anybody else."""
    return User.objects.filter(groups=workflow.review_group_id, is_active=True).exclude(pk__in=list(than)).exists()


def answer_what_was_asked(*, now: datetime) -> int:
    """Answer the questions about known answers, after as long as upstream might take; how many."""
    asked = Question.objects.filter(
        answered_at__isnull=True,
        asked_at__lte=now - SOONEST,
        ticket__kind=TicketKind.KNOWN_ANSWER,
        ticket__state=TicketState.WAITING,
    ).select_related("ticket__decision__client")
    done = 0
    for question in asked:
        decision = question.ticket.decision
        if now - question.asked_at < SOONEST + (LATEST - SOONEST) * ((question.ticket_id.int & 0xFFFF) / 0x10000):
            continue
        text = ANSWERS[question.ticket_id.int % len(ANSWERS)]
        try:
            answer_question(decision.pk, client=decision.client, text=text, context=None, now=now)
        except NothingToAnswer:
            continue  # Another worker was first.
        done += 1
    return done


def _under_a_free_name(body: Mapping[str, Any], *, client: Client, lot: str, days: int) -> dict[str, Any]:
    """In disguise, under an external id that no other copy has; there are few of them where ids are short."""
    for number in range(NAMES_TRIED):
        made = disguised(body, lot=f"{lot} {number}".encode(), days=days)
        if not Decision.everything.filter(client=client, external_id=made["external_id"]).exists():
            break
    return made


def _ourselves(workflow: Workflow) -> Client:
    client = Client.objects.filter(internal=True).order_by("pk").first()
    if client is None:
        client = Client.objects.create(
            name=NAME, internal=True, active=True, rate_limit=0, scopes=[Scope.DECISIONS_WRITE]
        )
    client.workflows.add(workflow)
    return client
