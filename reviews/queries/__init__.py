"""What pages and API read: frozen rows, each by a fixed number of queries. Nothing here asks who may read it.

Callers ask reviews.permissions first: `may_see_ticket` for a dossier, the client of a key for its feed.
"""

from reviews.queries.decisions import (
    LogFilters,
    LogPage,
    LogRow,
    Moment,
    decision_answer,
    decision_answers,
    decision_status,
    decisions_of,
    log_decisions,
    log_page,
    log_rows,
    story,
)
from reviews.queries.dossier import Dossier, Table, Weighed, dossier, last_verdict, tickets_with_decisions
from reviews.queries.feed import BadCursor, FeedItem, FeedPage, feed_page
from reviews.queries.precedents import Precedent, Precedents, precedents
from reviews.queries.queue import QueueCounts, QueueFilters, QueuePage, QueueRow, name_of, queue_for
from reviews.queries.recent import RecentVerdict, recent_verdicts

__all__ = [
    "BadCursor",
    "Dossier",
    "FeedItem",
    "FeedPage",
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
    "decision_answer",
    "decision_answers",
    "decision_status",
    "decisions_of",
    "dossier",
    "feed_page",
    "last_verdict",
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
