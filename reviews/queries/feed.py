"""What happened to a client's decisions, in the order of commit, without ever skipping a row.

An event's id is drawn before its transaction commits, so that a reader who goes by ids can run past one that commits
late. Rows are therefore read in the order (xid, id), and only of transactions older than the oldest that still runs:
nothing can appear behind such a place any more. A restored database begins a new epoch, since its transaction ids
may start lower than those of the one that was lost.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from reviews.domain.vocabulary import EventKind
from reviews.models import Client

MOST = 1_000
# What concerns those who submitted; who claimed and skipped is the house's own business.
FED = (
    EventKind.DECISION_SUBMITTED,
    EventKind.DECISION_CANCELLED,
    EventKind.QUESTION_ASKED,
    EventKind.QUESTION_ANSWERED,
    EventKind.OUTCOME_SETTLED,
    EventKind.AUDIT_DISAGREED,
    EventKind.TRUTH_REPORTED,
    EventKind.EXECUTION_REPORTED,
    EventKind.PERMIT_ISSUED,
    EventKind.PERMIT_REDEEMED,
)
_CURSOR = re.compile(r"(\d{1,4})\.(\d{1,18})\.(\d{1,18})", re.ASCII)


class BadCursor(ValueError):
    """The text is no cursor of this feed."""

    def __init__(self) -> None:
        self.detail = "A cursor is the `cursor` of an earlier page, as it was given, or empty for the beginning."
        super().__init__(self.detail)


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One event, and the cursor that goes on behind it."""

    cursor: str
    id: int
    kind: str
    at: datetime
    decision_id: UUID | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events in order. `cursor` goes on behind the last one; with no events it is the one that was given."""

    events: tuple[FeedItem, ...]
    cursor: str
    more: bool  # another page can be read at once


def feed_page(client: Client, *, after: str = "", limit: int = 100) -> FeedPage:
    """The next events of `client` behind a cursor, at most `limit` (1 to 1,000). Raises BadCursor."""
    epoch, xid, event_id = _position(after)
    limit = max(1, min(limit, MOST))
    rows: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT epoch FROM reviews_event ORDER BY id DESC LIMIT 1")
        newest = (cursor.fetchone() or (epoch,))[0]
        while epoch <= newest and len(rows) <= limit:
            cursor.execute(
                _PAGE,
                {
                    "client": client.pk,
                    "kinds": list(FED),
                    "epoch": epoch,
                    "xid": str(xid),
                    "id": event_id,
                    "is_newest": epoch == newest,
                    "limit": limit + 1 - len(rows),
                },
            )
            rows += cursor.fetchall()
            epoch, xid, event_id = epoch + 1, 0, 0
    events = tuple(_item(row) for row in rows[:limit])
    return FeedPage(events=events, cursor=events[-1].cursor if events else after, more=len(rows) > limit)


# A past epoch was restored whole: nothing in it runs any more, and its transaction ids are another counter's.
_PAGE = """
    SELECT e.epoch, e.xid::text, e.id, e.kind, e.at, e.decision_id, e.body
      FROM reviews_event e
     WHERE e.client_id = %(client)s AND e.kind = ANY(%(kinds)s) AND e.epoch = %(epoch)s
       AND (e.xid, e.id) > (%(xid)s::xid8, %(id)s)
       AND (NOT %(is_newest)s OR e.xid < pg_snapshot_xmin(pg_current_snapshot()))
     ORDER BY e.xid, e.id
     LIMIT %(limit)s
"""


def _position(after: str) -> tuple[int, int, int]:
    if not after:
        return 1, 0, 0
    match = _CURSOR.fullmatch(after)
    if match is None:
        raise BadCursor
    epoch, xid, event_id = map(int, match.groups())
    return epoch, xid, event_id


def _item(row: tuple[Any, ...]) -> FeedItem:
    epoch, xid, event_id, kind, at, decision_id, body = row
    return FeedItem(
        cursor=f"{epoch}.{xid}.{event_id}",
        id=event_id,
        kind=kind,
        at=at,
        decision_id=decision_id,
        body=orjson.loads(body),
    )
