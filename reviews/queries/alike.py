"""Which of the tickets that wait is near-identical to the one that its reviewer decided just before.

What they have in common is reckoned here from a few payloads at the head of the queue and stored nowhere: a stored
digest would cost each submission, want an index of its own, and tell of payloads that have been purged.
"""
# ruff: noqa: S608 - the text of the query is made of constants; every value is a parameter.

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from reviews.domain.likeness import Case, in_common
from reviews.queries.candidates import unanswered_sql

JUST_DECIDED: Final = timedelta(minutes=10)
"""So long a verdict is the one before."""
# How far into each group's queue is looked, how many payloads are compared, and their most bytes as they are stored.
LOOKED_AT, COMPARED, LONGEST = 200, 40, 4096
# Their most bytes as text: what is stored is compressed, and 300 KB of one letter are stored as 4.
LONGEST_TEXT: Final = 2 * LONGEST


def before_and_waiting_sql(asked: Collection[str]) -> str:
    """A query of (id, workflow_id, action, subject_id, subject_label, payload as text): what the reviewer decided last,
    with no id, and the tickets of the same action at the head of their queue.

    Its parameters are those of `candidates_sql`, and `just`, before which a verdict is no longer the one before. Audits
    that ask for the reviewer's own answer first are left out: their place would tell the AI's.
    """
    columns = "d.workflow_id, d.action, d.subject_id, d.subject_label"
    return f"""
        WITH latest AS MATERIALIZED (
            SELECT {columns}, d.payload
              FROM (SELECT ticket_id FROM reviews_verdict
                     WHERE reviewer_id = %(user)s AND voided_at IS NULL AND decided_at > %(just)s
                     ORDER BY decided_at DESC, id DESC LIMIT 1) v
              JOIN reviews_ticket t ON t.id = v.ticket_id JOIN reviews_decision d ON d.id = t.decision_id
             WHERE CASE WHEN pg_column_size(d.payload) <= {LONGEST}
                        THEN octet_length(d.payload::text) <= {LONGEST_TEXT} END
        ), waiting AS (
            SELECT n.id, n.priority, n.created_at, {columns}, d.payload::text
              FROM latest
             CROSS JOIN ({unanswered_sql(asked, depth=LOOKED_AT)}) n
              JOIN reviews_decision d ON d.id = n.decision_id
             WHERE n.workflow_id = latest.workflow_id AND d.action = latest.action AND NOT n.estimate_first
               AND pg_column_size(d.payload) <= {LONGEST}
             ORDER BY n.priority, n.created_at, n.id LIMIT {COMPARED}
        )
        SELECT NULL::uuid AS id, NULL::smallint AS priority, NULL::timestamptz AS created_at, {columns}, d.payload::text
          FROM latest d
        UNION ALL SELECT * FROM waiting WHERE octet_length(waiting.payload) <= {LONGEST_TEXT}
         ORDER BY priority NULLS FIRST, created_at, id"""


def first_alike(rows: Collection[tuple[Any, ...]]) -> UUID | None:
    """The first ticket that is like the one before, of the rows of that query."""
    before, *waiting = [(ticket_id, in_common(_case(*case))) for ticket_id, _, _, *case in rows] or [(None, None)]
    return next((ticket_id for ticket_id, common in waiting if common == before[1]), None)


def _case(workflow_id: int, action: str, subject_id: str, subject_label: str | None, payload: str) -> Case:
    read: Mapping[str, Any] = orjson.loads(payload)
    return Case(workflow_id, action, subject_id=subject_id, subject_label=subject_label or "", payload=read)
