"""A person's answer to a ticket they hold, and taking it back while the hold lasts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

from policies.domain.evaluate import assess_stakes
from policies.domain.spec import Assessment
from policies.domain.vocabulary import VerdictKind
from reviews.domain.judgement import Choice, event_of
from reviews.domain.vocabulary import EventKind, TicketEvent, TicketKind, TicketState
from reviews.models import Ticket, Verdict
from reviews.permissions import groups_of, may_decide, may_see_ticket, reviewable_groups
from reviews.queries import last_verdict, name_of
from reviews.queries.dossier import (
    HOLD_OF_UNKNOWN_ACTIONS,
    Beside,
    beside,
    choices_of,
    digest_for,
    estimate_of,
    on_the_table,
    policy_for,
    proposal_of,
    shown_of,
    standing_verdicts,
)
from reviews.services.answers import Answer, Checked, InvalidAnswer, check_answer, check_text
from reviews.services.ask import NothingToAnswer, answer_question, ask_upstream
from reviews.services.claim import retaken
from reviews.services.record import record
from reviews.services.settle import settle
from reviews.services.tickets import (
    AlreadyDecided,
    Asked,
    ClaimError,
    ClaimLost,
    DecideError,
    Held,
    NotAllowed,
    NotVisible,
    check_claim,
    lock_ticket,
    lock_visible_ticket,
    move,
)

__all__ = [
    "AlreadyDecided",
    "Answer",
    "Asked",
    "ClaimError",
    "ClaimLost",
    "DecideError",
    "Held",
    "HoldOver",
    "InvalidAnswer",
    "NotAllowed",
    "NotVisible",
    "NothingToAnswer",
    "Stale",
    "TooSoon",
    "answer_question",
    "ask_upstream",
    "escalate_ticket",
    "give_verdict",
    "undo_verdict",
]


class Stale(DecideError):
    """The ticket, or what was shown of it, has changed since (412)."""

    def __init__(self) -> None:
        super().__init__("This ticket has changed since it was shown. Look again.")


class TooSoon(DecideError):
    """Nobody can have read it in that time."""

    def __init__(self) -> None:
        super().__init__("That was too quick to have been read. Look again.")


class HoldOver(DecideError):
    """The verdict can't be taken back any more."""


def give_verdict(ticket_id: UUID, *, reviewer: User, answer: Answer, now: datetime) -> Verdict:
    """Take a reviewer's answer to the ticket that they hold.

    Writes the Verdict, the ticket's next state and an event; where nothing is left to wait for, the outcome and its
    deliveries too. The same request key again gives the stored verdict. Raises, in this order: NotVisible;
    AlreadyDecided or Held, with who and when; ClaimLost; NotAllowed; Stale; TooSoon; InvalidAnswer.
    """
    with transaction.atomic():
        ticket = lock_ticket(ticket_id)
        groups = groups_of(reviewer)  # as they are now that it is locked
        if not may_see_ticket(reviewer, ticket, groups=groups):
            raise NotVisible
        found = beside(ticket, reviewer=reviewer, request_key=answer.request_key)
        stored = found.stored
        if stored is not None and stored.ticket_id == ticket.pk:
            return stored
        check_claim(ticket, reviewer=reviewer, epoch=answer.epoch, now=now)
        if not may_decide(reviewer, ticket, groups=groups):
            raise NotAllowed("This ticket is for another group, or about something that you asked for.")
        if stored is not None:
            raise InvalidAnswer(("/request_key", "This key was used for another ticket; each answer has its own."))
        return _give(ticket, found, reviewer=reviewer, answer=answer, now=now)


def _give(ticket: Ticket, found: Beside, *, reviewer: User, answer: Answer, now: datetime) -> Verdict:
    decision = ticket.decision
    earlier = list(standing_verdicts(ticket))
    live = found.live
    policy = policy_for(decision, live=live)
    digest = digest_for(decision, live=live)
    table = on_the_table(decision, earlier)
    shown = shown_of(decision, table=table, questions=found.questions, digest=digest)
    if (answer.version, answer.shown_sha256) != (ticket.version, shown):
        raise Stale
    assert ticket.claimed_at is not None, "a claim has its time"
    if now < ticket.claimed_at + timedelta(seconds=settings.MIN_SECONDS_BEFORE_VERDICT):
        raise TooSoon
    estimate = estimate_of(ticket, reviewer=reviewer)
    if ticket.estimate_first and estimate is None:
        raise InvalidAnswer(("/estimate", "Give your own estimate first; then the AI's view is shown."))
    checked = check_answer(answer, table=table, policy=policy, live=live)
    stakes = _stakes(ticket, checked)
    acts = max(ticket.deliberate_acts, stakes.deliberate_acts if stakes else 1)
    if answer.kind != VerdictKind.REJECT and answer.acts < acts:
        raise InvalidAnswer(("/acts", f"This takes {acts} deliberate acts; {answer.acts} was made."))
    group = _named_group(stakes)
    needed = _verdicts_needed(ticket, stakes, group=group, reviewer=reviewer)
    choice = Choice(kind=answer.kind, action=checked.action, payload_sha256=checked.payload_sha256)
    event = event_of(choice, earlier=choices_of(earlier), needed=needed)
    hold = checked.spec.hold_seconds if checked.spec else HOLD_OF_UNKNOWN_ACTIONS
    verdict = Verdict.objects.create(
        ticket=ticket,
        stage=ticket.stage,
        reviewer=reviewer,
        kind=answer.kind,
        action=checked.action,
        payload=checked.payload,
        payload_sha256=checked.payload_sha256,
        material=answer.material if answer.kind == VerdictKind.EDIT else None,
        reason_code=answer.reason_code,
        note=answer.note or None,
        reasoning_rating=answer.reasoning_rating,
        estimate=estimate or "",
        shown_sha256=shown,
        first_shown_at=ticket.claimed_at,
        decided_at=now,
        # Where others must still answer there is nothing to hold: taking it back would take back what they rest on.
        effective_at=now + timedelta(seconds=hold) if event == TicketEvent.VERDICT_FINAL else now,
        request_key=answer.request_key,
    )
    _advance(ticket, verdict, event=event, needed=needed, acts=acts, group=group)
    body = _recorded(ticket, verdict, event=event, digest=digest, stakes=stakes, earlier=earlier)
    record(EventKind.VERDICT_GIVEN, now=now, user=reviewer, ticket=ticket, body=body)
    if event == TicketEvent.VERDICT_FINAL and hold == 0:
        settle(ticket, now=now)
    return verdict


def _stakes(ticket: Ticket, checked: Checked) -> Assessment | None:
    """What the policy says of what the person wants to run instead. Only a gate's answer runs anything.

    A known answer is judged like the gate that it pretends to be.
    """
    if ticket.kind not in (TicketKind.GATE, TicketKind.KNOWN_ANSWER) or checked.policy is None or not checked.is_new:
        return None
    proposal = proposal_of(ticket.decision, action=checked.action, payload=checked.payload or {})
    return assess_stakes(checked.policy, proposal)


def _named_group(stakes: Assessment | None) -> Group | None:
    """The group that a rule asks for by name; where there is none of that name, whoever is asked anyway."""
    return Group.objects.filter(name=stakes.group).first() if stakes and stakes.group else None


def _verdicts_needed(ticket: Ticket, stakes: Assessment | None, *, group: Group | None, reviewer: User) -> int:
    """The stricter of what was asked so far and what is asked of the change."""
    if stakes is None:
        return ticket.verdicts_needed
    needed = max(ticket.verdicts_needed, stakes.verdicts_needed)
    if stakes.separation and ticket.requester_id is None:
        needed = max(needed, 2)
    if group is not None and group.pk not in reviewable_groups(reviewer):
        needed = max(needed, ticket.stage + 1)
    return needed


def _advance(
    ticket: Ticket, verdict: Verdict, *, event: TicketEvent, needed: int, acts: int, group: Group | None
) -> None:
    if event == TicketEvent.VERDICT_FINAL:
        move(ticket, event, effective_at=verdict.effective_at)
    elif event == TicketEvent.VERDICT_DISAGREES:
        move(
            ticket,
            event,
            stage=ticket.stage + 1,
            group=ticket.workflow.escalation_group,
            priority=0,
            resting_state=TicketState.DISPUTED,
        )
    else:
        move(
            ticket,
            event,
            stage=ticket.stage + 1,
            verdicts_needed=needed,
            deliberate_acts=acts,
            group=group or ticket.group,
            resting_state=TicketState.OPEN,
        )


def _recorded(
    ticket: Ticket,
    verdict: Verdict,
    *,
    event: TicketEvent,
    digest: str,
    stakes: Assessment | None,
    earlier: Sequence[Verdict],
) -> dict[str, Any]:
    """The verdict beside the AI's original recommendation. Free text is bound by salted hashes, not written."""
    decision = ticket.decision
    return {
        "decision": str(decision.pk),
        "external_id": decision.external_id,
        "ticket": str(ticket.pk),
        "ticket_kind": ticket.kind,
        "verdict": str(verdict.pk),
        "stage": verdict.stage,
        "kind": verdict.kind,
        "action": verdict.action,
        "payload_sha256": verdict.payload_sha256,
        "material": verdict.material,
        "reason_code": verdict.reason_code,
        "reasoning_rating": verdict.reasoning_rating,
        "estimate": verdict.estimate,
        "note_commitment": sha256(bytes(decision.salt or b"") + verdict.note.encode()).hexdigest()
        if verdict.note
        else None,
        "shown_sha256": verdict.shown_sha256,
        "epoch": ticket.claim_epoch,
        "policy": digest,
        "recommended": {"action": decision.action, "payload_sha256": decision.payload_sha256},
        "confirms": [str(each.pk) for each in earlier],
        "judged_again": {
            "reasons": [str(reason.code) for reason in stakes.reasons],
            "verdicts_needed": stakes.verdicts_needed,
        }
        if stakes
        else None,
        "then": str(event),
    }


def undo_verdict(ticket_id: UUID, *, reviewer: User, now: datetime) -> Ticket:
    """Take one's own last verdict back within the hold; the ticket is the reviewer's again, under a new epoch.

    Raises NotVisible, NotAllowed for another's verdict, HoldOver when nothing can be taken back.
    """
    with transaction.atomic():
        ticket = lock_visible_ticket(ticket_id, viewer=reviewer)
        verdict = last_verdict(ticket)
        if verdict is None:
            raise HoldOver("There is no verdict to take back.")
        if verdict.reviewer_id != reviewer.pk:
            raise NotAllowed(f"{name_of(verdict.reviewer)} gave this verdict; only they can take it back.")
        if ticket.state in (TicketState.OPEN, TicketState.CLAIMED, TicketState.WAITING, TicketState.DISPUTED):
            raise HoldOver("The next person has it; it can't be taken back any more.")
        if ticket.state != TicketState.DECIDED or verdict.effective_at <= now:
            raise HoldOver("The time to take it back is over.")
        verdict.voided_at = now
        verdict.save(update_fields=["voided_at"])
        retaken(ticket, reviewer=reviewer, event=TicketEvent.UNDO, now=now, effective_at=None)
        body = {"ticket": str(ticket.pk), "verdict": str(verdict.pk), "epoch": ticket.claim_epoch}
        record(EventKind.VERDICT_UNDONE, now=now, user=reviewer, ticket=ticket, body=body)
        return ticket


def escalate_ticket(ticket_id: UUID, *, reviewer: User, epoch: int, note: str, now: datetime) -> Ticket:
    """Pass it on to the escalation group, which finds it at the head of its queue, with a note.

    Raises NotVisible, Held, AlreadyDecided, ClaimLost, InvalidAnswer, or NotAllowed where that group has it already.
    """
    with transaction.atomic():
        ticket = lock_visible_ticket(ticket_id, viewer=reviewer)
        check_claim(ticket, reviewer=reviewer, epoch=epoch, now=now)
        if ticket.group_id == ticket.workflow.escalation_group_id:
            raise NotAllowed("It is with the escalation group already; nobody stands above it.")
        check_text(note, at="/note", required=False)
        move(
            ticket,
            TicketEvent.ESCALATE,
            group=ticket.workflow.escalation_group,
            priority=0,
            escalated_at=now,
            escalation_note=note or None,
            resting_state=TicketState.OPEN,
        )
        body = {"ticket": str(ticket.pk), "cause": "reviewer", "group": ticket.group_id}
        record(EventKind.TICKET_ESCALATED, now=now, user=reviewer, ticket=ticket, body=body)
        return ticket
