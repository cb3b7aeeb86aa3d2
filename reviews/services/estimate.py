"""A reviewer's own answer to an audit, before they are shown the AI's."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from policies.queries import live_policy
from reviews.models import Estimate
from reviews.permissions import may_decide
from reviews.queries.dossier import policy_for
from reviews.services.answers import InvalidAnswer
from reviews.services.tickets import NotAllowed, check_claim, lock_visible_ticket


def give_estimate(ticket_id: UUID, *, reviewer: User, epoch: int, action: str, now: datetime) -> Estimate:
    """Record what the holder of a ticket would do; the first stands, whatever is sent later.

    Raises NotVisible, Held, AlreadyDecided, ClaimLost, NotAllowed, or InvalidAnswer where the ticket asks for none or
    there is no such action.
    """
    with transaction.atomic():
        ticket = lock_visible_ticket(ticket_id, viewer=reviewer)
        check_claim(ticket, reviewer=reviewer, epoch=epoch, now=now)
        if not may_decide(reviewer, ticket):
            raise NotAllowed("This ticket is for another group, or about something that you asked for.")
        if not ticket.estimate_first:
            raise InvalidAnswer(("/action", "This ticket asks for no estimate."))
        policy = policy_for(ticket.decision, live=live_policy(ticket.workflow_id))
        known = {key for key, spec in policy.actions.items() if spec.active} if policy else set()
        if action not in known | {ticket.decision.action}:
            raise InvalidAnswer(("/action", "There is no such action in this workflow."))
        estimate, _ = Estimate.objects.get_or_create(
            ticket=ticket, reviewer=reviewer, defaults={"action": action, "given_at": now}
        )
        return estimate
