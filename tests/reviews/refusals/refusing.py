"""A decision of support and what comes of it, and how tests see the database refuse something of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connection, models, transaction

from reviews.models import Decision, Outcome, Ticket, Verdict, new_id
from reviews.services.settle import settle_due
from tests.factories import ana, gate_of, later, make_live_policy, submit_one
from tests.reviewing import decide


@contextmanager
def refused(*, by: str) -> Iterator[None]:
    """The database says no, in the name of this constraint, trigger or grant; the transaction goes on."""
    with pytest.raises(DatabaseError) as refusal, transaction.atomic():
        yield
    assert by in str(refusal.value), refusal.value


def run(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def copy_of(row: models.Model, **changes: Any) -> models.Model:
    """The same row again under a new id, unless the changes say otherwise; not saved."""
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    values.pop("xid", None)
    primary = row._meta.pk
    assert primary is not None
    values[primary.attname] = new_id() if isinstance(primary, models.UUIDField) else values[primary.attname]
    return type(row)(**{**values, **changes})


def saved(row: models.Model) -> models.Model:
    row.save(force_insert=True)
    return row


@pytest.fixture
def decision() -> Decision:
    make_live_policy()
    return submit_one(key="k-1")


@pytest.fixture
def gate(decision) -> Ticket:
    return gate_of(decision)


@pytest.fixture
def verdict(gate) -> Verdict:
    return decide(gate, ana())


@pytest.fixture
def outcome(verdict) -> Outcome:
    settle_due(now=later(minutes=1))
    return Outcome.objects.get()
