"""Decisions, tickets, verdicts and outcomes, in rows."""

from reviews.models.client import Client, ClientKey
from reviews.models.decision import BudgetUse, Decision, ShadowAssessment, new_id
from reviews.models.delivery import Attempt, Delivery, Endpoint
from reviews.models.desk import Heartbeat, ReviewerProfile, SavedFilter
from reviews.models.event import Checkpoint, Event, Leaf
from reviews.models.intake import Intake, IntakeLine
from reviews.models.outcome import Execution, Outcome, Redemption, Truth
from reviews.models.ticket import Question, Skip, Ticket
from reviews.models.verdict import Verdict

__all__ = [
    "Attempt",
    "BudgetUse",
    "Checkpoint",
    "Client",
    "ClientKey",
    "Decision",
    "Delivery",
    "Endpoint",
    "Event",
    "Execution",
    "Heartbeat",
    "Intake",
    "IntakeLine",
    "Leaf",
    "Outcome",
    "Question",
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
