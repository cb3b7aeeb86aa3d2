"""Decisions, tickets, verdicts and outcomes, in rows.

A foreign key has `db_index=False` where an index of its own would only be written: where another one begins with it, or
holds every row in which it is set; and where nothing is looked up by it and what it names is never deleted. A decision
is written to some twenty indexes with its ticket and its event, and every submission pays for each.
"""

from reviews.models.client import Allowance, Client, ClientKey
from reviews.models.decision import BudgetUse, Decision, ShadowAssessment, new_id
from reviews.models.delivery import Attempt, Channel, Delivery, Endpoint, Receiver
from reviews.models.desk import Heartbeat, Presence, ReviewerProfile, SavedFilter
from reviews.models.event import Checkpoint, Event, KeptNode, Leaf, Restore
from reviews.models.intake import Intake, IntakeLine
from reviews.models.outcome import Execution, Outcome, Permit, Redemption, Truth
from reviews.models.ticket import Question, Skip, Ticket
from reviews.models.verdict import Estimate, Verdict

__all__ = [
    "Allowance",
    "Attempt",
    "BudgetUse",
    "Channel",
    "Checkpoint",
    "Client",
    "ClientKey",
    "Decision",
    "Delivery",
    "Endpoint",
    "Estimate",
    "Event",
    "Execution",
    "Heartbeat",
    "Intake",
    "IntakeLine",
    "KeptNode",
    "Leaf",
    "Outcome",
    "Permit",
    "Presence",
    "Question",
    "Receiver",
    "Redemption",
    "Restore",
    "ReviewerProfile",
    "SavedFilter",
    "ShadowAssessment",
    "Skip",
    "Ticket",
    "Truth",
    "Verdict",
    "new_id",
]
