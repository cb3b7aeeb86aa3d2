"""What pages and API read: frozen rows, each by a fixed number of queries. Nothing here asks who may read it.

Callers ask reviews.permissions first: `may_see_ticket` for a dossier, the client of a key for its feed.
"""

from reviews.queries.decisions import (
    AnswerPage,
    LogFilters,
    LogPage,
    LogRow,
    answers_page,
    decision_answer,
    decision_answers,
    decision_status,
    decisions_of,
    log_decisions,
    log_page,
    log_rows,
)
from reviews.queries.dossier import Dossier, Table, Weighed, dossier, last_verdict, tickets_with_decisions
from reviews.queries.feed import BadCursor, FeedItem, FeedPage, feed_page
from reviews.queries.intakes import IntakePage, decision_id_of, intake_page
from reviews.queries.precedents import Precedent, Precedents, precedents
from reviews.queries.queue import QueueCounts, QueueFilters, QueuePage, QueueRow, name_of, queue_for
from reviews.queries.recent import RecentVerdict, latest_verdict, recent_verdicts
from reviews.queries.story import Moment, story

__all__ = [
    "AnswerPage",
    "BadCursor",
    "Dossier",
    "FeedItem",
    "FeedPage",
    "IntakePage",
    "LogFilters",
    "LogPage",
    "LogRow",
    "Moment",
    "Precedent",
    "Precedents",
    "QueueCounts",
    "QueueFilters",
    "QueuePage",
    "QueueRow",
    "RecentVerdict",
    "Table",
    "Weighed",
    "answers_page",
    "decision_answer",
    "decision_answers",
    "decision_id_of",
    "decision_status",
    "decisions_of",
    "dossier",
    "feed_page",
    "intake_page",
    "last_verdict",
    "latest_verdict",
    "log_decisions",
    "log_page",
    "log_rows",
    "name_of",
    "precedents",
    "queue_for",
    "recent_verdicts",
    "story",
    "tickets_with_decisions",
]
