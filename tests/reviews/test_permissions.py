"""Who may do what to a ticket."""

import pytest
from django.contrib.auth.models import AnonymousUser

from reviews.models import Ticket
from reviews.permissions import (
    is_auditor,
    is_lead,
    is_reviewer,
    may_decide,
    may_read_log,
    may_see_ticket,
    reviewable_groups,
)
from reviews.queries import tickets_with_decisions
from tests.factories import ada, ana, ben, eve, gate_of, ines, make_group, make_live_policy, make_user, omar, submit_one
from tests.statements import statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def gate() -> Ticket:
    make_live_policy()
    return gate_of(submit_one())


@pytest.fixture
def escalated(gate) -> Ticket:
    gate.group = gate.workflow.escalation_group
    return gate


@pytest.mark.parametrize(
    ("person", "sees", "decides", "reads_the_log"),
    [
        (ana, True, True, False),
        (ben, True, True, False),
        (omar, True, False, True),
        (ada, True, False, True),
        (ines, True, False, True),
        (eve, False, False, False),
    ],
)
def test_an_ordinary_ticket(gate, person, sees, decides, reads_the_log):
    assert (may_see_ticket(person(), gate), may_decide(person(), gate)) == (sees, decides)
    assert may_read_log(person()) is reads_the_log


@pytest.mark.parametrize(("person", "decides"), [(ana, False), (ben, True), (omar, True), (ada, False), (eve, False)])
def test_an_escalated_ticket(escalated, person, decides):
    assert may_decide(person(), escalated) is decides
    assert may_see_ticket(ana(), escalated)


def test_who_asked_for_it_neither_sees_nor_decides_it_but_in_office(gate):
    gate.requester = ana()
    assert (may_see_ticket(ana(), gate), may_decide(ana(), gate)) == (False, False)
    gate.requester = omar()
    gate.group = gate.workflow.escalation_group
    assert (may_see_ticket(omar(), gate), may_decide(omar(), gate)) == (True, False)


def test_who_was_shut_out_or_is_nobody_may_nothing(gate):
    gone = make_user("gone", groups=["Support", "Leads"], is_active=False, is_superuser=True)
    for nobody in (gone, AnonymousUser()):
        assert not may_see_ticket(nobody, gate)
        assert not may_decide(nobody, gate)
        assert not may_read_log(nobody)
        assert not is_reviewer(nobody)
        assert reviewable_groups(nobody) == frozenset()


def test_no_office_makes_a_reviewer(gate):
    assert [is_reviewer(person()) for person in (ana, ben, omar, ada, ines, eve)] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert (is_lead(omar()), is_lead(ana()), is_auditor(ines()), is_auditor(omar())) == (True, False, True, False)


def test_a_group_of_a_rule_decides_what_waits_in_it(gate):
    gate.group = make_group("Finance")
    fay = make_user("fay", groups=["Finance"])
    assert (may_see_ticket(fay, gate), may_decide(fay, gate)) == (True, True)
    assert may_decide(ana(), gate) is False
    assert may_see_ticket(ana(), gate)


def test_each_question_takes_one_query(gate):
    person, gate = ana(), tickets_with_decisions().get(pk=gate.pk)
    for question in (may_see_ticket, may_decide):
        with statements() as sent:
            question(person, gate)
        assert len(sent) == 1
