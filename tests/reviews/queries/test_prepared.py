from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.forms import model_to_dict
from django.utils import timezone

from reviews.models import Decision, Ticket
from reviews.queries import tickets_with_decisions
from reviews.queries.prepared import ByKey, Values
from tests.factories import ana, gate_of, make_live_policy, submit_one

pytestmark = pytest.mark.django_db


@pytest.fixture
def gate():
    make_live_policy()
    return gate_of(submit_one())


def every_ticket():
    return ByKey(lambda: tickets_with_decisions().select_related("claimed_by"))


def test_it_reads_what_a_plain_query_reads(gate):
    read, plain = every_ticket().get(gate.pk), tickets_with_decisions().get(pk=gate.pk)
    assert read is not None
    for one, other in ((read, plain), (read.decision, plain.decision), (read.workflow, plain.workflow)):
        assert one == other
        assert model_to_dict(one) == model_to_dict(other)
    assert read.decision.payload == plain.decision.payload
    assert read.decision.confidence == plain.decision.confidence
    assert read.created_at == plain.created_at
    assert read.group.name == plain.group.name
    assert read.claimed_by is None


def test_it_asks_nothing_more_for_what_it_read(gate, django_assert_num_queries):
    read = every_ticket().get(gate.pk)
    with django_assert_num_queries(0):
        assert read.decision.action
        assert read.workflow.key
        assert read.group.name


def test_there_may_be_none(gate):
    assert every_ticket().get(uuid4()) is None


def test_each_key_finds_its_own(gate):
    other, tickets = gate_of(submit_one()), every_ticket()
    assert [tickets.get(each.pk).pk for each in (gate, other, gate)] == [gate.pk, other.pk, gate.pk]


def test_the_database_plans_it_once(gate):
    tickets = every_ticket()
    for _ in range(3):
        tickets.get(gate.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans + custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE '%auth_user%' AND statement LIKE '%reviews_decision%payload%reviews_ticket%'"
        )
        assert (3,) in cursor.fetchall()


@pytest.mark.django_db(transaction=True)
def test_a_lock_is_refused_outside_a_transaction_whoever_composed_it(gate):
    locked = ByKey(Ticket.objects.select_for_update)
    with transaction.atomic():
        assert locked.get(gate.pk) == gate
    with pytest.raises(TransactionManagementError):
        locked.get(gate.pk)


def of_a_subject():
    """Columns, JSON among them, by values of several types."""
    return Values(
        lambda ticket, version, subject, since: Ticket.objects.filter(
            pk=ticket, version=version, decision__subject_id=subject, created_at__gte=since
        ).values("version", "pk", "decision__payload", "decision__confidence"),
        *(UUID, int, str, type(timezone.now())),
    )


def test_values_are_those_of_a_plain_query(gate):
    subject, since = gate.decision.subject_id, gate.created_at
    found = of_a_subject().get(gate.pk, gate.version, subject, since)
    columns = ("version", "pk", "decision__payload", "decision__confidence")
    assert found == list(Ticket.objects.filter(pk=gate.pk).values(*columns))
    assert isinstance(found[0]["decision__payload"], dict)


def test_each_value_counts(gate):
    rows, given = of_a_subject(), [gate.pk, gate.version, gate.decision.subject_id, gate.created_at]
    others = (uuid4(), gate.version + 1, "another", gate.created_at + timedelta(seconds=1))
    for at, other in enumerate(others):
        assert rows.first(*given) is not None
        assert rows.first(*[*given[:at], other, *given[at + 1 :]]) is None


def test_the_statement_stays_one_whatever_the_numbers(gate):
    people = ByKey(lambda: User.objects.exclude(first_name="one of its own"), int)
    assert people.get(ana().pk) == ana()
    assert people.get(70_000) is None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", ['%FROM "auth_user"%NOT%first_name%']
        )
        assert cursor.fetchone() == (1,)


def test_a_value_that_is_asked_for_nowhere_is_a_mistake():
    with pytest.raises(AssertionError):
        Values(lambda key, text: Decision.objects.filter(pk=key).values("pk"), UUID, str).get(uuid4(), "x")
