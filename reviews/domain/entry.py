"""What a leaf of the log's tree covers: the whole of an event's row, as canonical JSON (RFC 8785)."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import orjson


class EventRow(NamedTuple):
    """A row of the log, in the order in which it is read."""

    id: int
    xid: int
    epoch: int
    kind: str
    at: datetime
    user: int | None
    client: int | None
    workflow: int | None
    decision: UUID | None
    ticket: UUID | None
    policy_change: int | None
    body: str


def entry_of(row: EventRow) -> bytes:
    """The bytes that are hashed. `body` is a string in it, as it stands in the row: no other text gives these bytes.

    Of strings and whole numbers under ASCII keys, orjson's sorted form is the canonical one.
    """
    return orjson.dumps(
        {
            "id": row.id,
            "xid": row.xid,
            "epoch": row.epoch,
            "kind": row.kind,
            "at": row.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "user": row.user,
            "client": row.client,
            "workflow": row.workflow,
            "decision": None if row.decision is None else str(row.decision),
            "ticket": None if row.ticket is None else str(row.ticket),
            "policy_change": row.policy_change,
            "body": row.body,
        },
        option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER,
    )
