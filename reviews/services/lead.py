"""What leads do to a ticket that they neither hold nor decide: end a colleague's claim, move it to another group.

Neither changes what is asked of people: how many verdicts, which deliberate acts, what earlier stages said. Who asked
for the action, or has answered it, is kept from it in every group by permissions and by the claim.
"""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import Group, User
from django.db import transaction

from policies.domain.evaluate import assess_stakes
from policies.queries import live_policy
from reviews.domain.lifecycle import MoveRefused
from reviews.domain.vocabulary import EventKind, LeadReason, TicketEvent, TicketState
from reviews.models import Ticket
from reviews.permissions import is_lead
from reviews.queries import name_of
from reviews.queries.dossier import on_the_table, policy_for, proposal_of, standing_verdicts
from reviews.queries.leading import groups_of_workflow
from reviews.services.record import record
from reviews.services.tickets import (
    Asked,
    ClaimError,
    Held,
    NotAllowed,
    check_undecided,
    lease_is_over,
    lock_visible_ticket,
    move,
)


class NotHeld(ClaimError):
    """There is no claim to end."""

    def __init__(self) -> None:
        super().__init__("Nobody holds this ticket.")


class NotMovable(ClaimError):
    """It can't go to another group as it stands."""


class GroupRefused(ClaimError):
    """It can't go to that group (422)."""


def end_claim(ticket_id: UUID, *, lead: User, reason: LeadReason, now: datetime) -> None:
    """Put a ticket that somebody holds back to where it came from; their page says who did, and why.

    Writes the ticket and an event. Raises NotVisible, NotAllowed, AlreadyDecided or NotHeld.
    """
    with transaction.atomic():
        ticket = _lock(ticket_id, lead=lead)
        check_undecided(ticket, now=now)
        if ticket.state != TicketState.CLAIMED:
            raise NotHeld
        body = {**_about(ticket), "cause": "lead", "holder": ticket.claimed_by_id, "reason": str(reason)}
        move(ticket, TicketEvent.RELEASE)
        record(EventKind.TICKET_RELEASED, now=now, user=lead, ticket=ticket, body=body)


def move_ticket(ticket_id: UUID, *, lead: User, group: str, reason: LeadReason, now: datetime) -> Ticket:
    """Put an open ticket before another group of its workflow, by the group's name.

    A group that a rule of its policy asks for can't be gone around: such a ticket goes there or is escalated. Writes
    the ticket and an event. Raises NotVisible; NotAllowed, also for who asked for the action; AlreadyDecided; Held;
    Asked; NotMovable; GroupRefused.
    """
    with transaction.atomic():
        ticket = _lock(ticket_id, lead=lead)
        if ticket.requester_id == lead.pk:
            raise NotAllowed("You asked for this yourself: another lead says who decides it.")
        check_undecided(ticket, now=now)
        if ticket.state == TicketState.WAITING:
            raise Asked(at=ticket.asked_at)
        if ticket.state == TicketState.CLAIMED and not lease_is_over(ticket):
            raise Held(by=name_of(ticket.claimed_by), until=ticket.claimed_until)
        if ticket.state == TicketState.CLAIMED:
            move(ticket, TicketEvent.LAPSE)
        target = _group_for(ticket, name=group)
        body = {**_about(ticket), "from": ticket.group_id, "to": target.pk, "reason": str(reason)}
        try:
            move(ticket, TicketEvent.MOVE, group=target, reserved_for=None, reserved_until=None)
        except MoveRefused as error:
            raise NotMovable("People disagree on this: the escalation group's verdict is final.") from error
        record(EventKind.TICKET_MOVED, now=now, user=lead, ticket=ticket, body=body)
        return ticket


def _lock(ticket_id: UUID, *, lead: User) -> Ticket:
    ticket = lock_visible_ticket(ticket_id, viewer=lead)
    if not is_lead(lead):
        raise NotAllowed("Only leads do this.")
    return ticket


def _group_for(ticket: Ticket, *, name: str) -> Group:
    policy = policy_for(ticket.decision, live=live_policy(ticket.workflow_id))
    groups = {group.name: group for group in groups_of_workflow(ticket.workflow, policy=policy)}
    if name not in groups:
        raise GroupRefused(f"{ticket.workflow.title} asks no group of this name.")
    target = groups[name]
    if target.pk == ticket.group_id:
        raise GroupRefused(f"It is with {name} already.")
    table = on_the_table(ticket.decision, list(standing_verdicts(ticket)))
    proposal = proposal_of(ticket.decision, action=table.action, payload=table.payload)
    demanded = assess_stakes(policy, proposal).group
    if demanded in groups and name != demanded and target.pk != ticket.workflow.escalation_group_id:
        raise GroupRefused(f"A rule of its policy asks {demanded}: it goes there, or to the escalation group.")
    return target


def _about(ticket: Ticket) -> dict[str, str | int]:
    return {"ticket": str(ticket.pk), "stage": ticket.stage, "epoch": ticket.claim_epoch}
