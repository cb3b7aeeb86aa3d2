"""Decisions, tickets, verdicts and outcomes, in rows."""

from reviews.models.client import Allowance, Client, ClientKey
from reviews.models.decision import BudgetUse, Decision, ShadowAssessment, new_id
from reviews.models.delivery import Attempt, Channel, Delivery, Endpoint, Receiver
from reviews.models.desk import Heartbeat, ReviewerProfile, SavedFilter
from reviews.models.event import Checkpoint, Event, Leaf
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
    "Leaf",
    "Outcome",
    "Permit",
    "Question",
    "Receiver",
    "Redemption",
    "ReviewerProfile",
    "SavedFilter",
    "ShadowAssessment",
    "Skip",
    "Ticket",
    "Truth",
    "Verdict",
    "new_id",
]
