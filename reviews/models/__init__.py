"""Decisions, tickets, verdicts and outcomes, in rows."""

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
