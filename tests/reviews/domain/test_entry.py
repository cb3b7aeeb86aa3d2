"""What is hashed of an event: all of its row, in one form that every language makes alike."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.canonical import canonical_bytes
from reviews.domain.entry import EventRow, entry_of

ROW = EventRow(
    id=7,
    xid=745,
    epoch=1,
    kind="verdict.given",
    at=datetime(2026, 3, 2, 9, 0, 0, 5, tzinfo=UTC),
    user=3,
    client=1,
    workflow=2,
    decision=UUID("0190aaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa"),
    ticket=None,
    policy_change=None,
    body='{"kind":"approve"}',
)


def test_an_entry_is_the_whole_row():
    assert entry_of(ROW) == (
        b'{"at":"2026-03-02T09:00:00.000005Z","body":"{\\"kind\\":\\"approve\\"}","client":1,'
        b'"decision":"0190aaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa","epoch":1,"id":7,"kind":"verdict.given",'
        b'"policy_change":null,"ticket":null,"user":3,"workflow":2,"xid":745}'
    )


@pytest.mark.parametrize("field", EventRow._fields)
def test_a_change_of_any_column_is_another_entry(field):
    value = getattr(ROW, field)
    changes = {int: 8, str: "other", datetime: datetime(2026, 3, 2, 9, 0, tzinfo=UTC), UUID: UUID(int=1)}
    changed = changes.get(type(value), 9 if field == "policy_change" else UUID(int=2))
    assert entry_of(ROW._replace(**{field: changed})) != entry_of(ROW)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2**53 - 1))
def test_an_entry_is_canonical_json(text, number):
    entry = entry_of(ROW._replace(body=text, xid=number))
    assert entry == canonical_bytes(json.loads(entry))


def test_a_moment_is_written_in_utc():
    elsewhere = ROW.at.astimezone(timezone(timedelta(hours=-5)))
    assert entry_of(ROW._replace(at=elsewhere)) == entry_of(ROW)
