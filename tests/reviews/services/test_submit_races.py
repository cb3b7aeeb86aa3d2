"""Taking decisions in while others do the same, publish or pull the stop: real threads on the real database."""

import json
import threading
import time
from collections import Counter
from decimal import Decimal

import pytest
from django.db import OperationalError, connection, transaction

from policies.services import pause
from reviews.domain.submission import parse_submission
from reviews.models import BudgetUse, Decision, Event, Outcome, Ticket
from reviews.services import compose as composing
from reviews.services.submit import Conflict, TwinInFlight, submit_decision
from tests.concurrency import another_session, at_once, insert_copy_of
from tests.factories import NOW, make_client, make_live_policy, make_workflow, omar, proposal_body, submit_one

pytestmark = pytest.mark.django_db(transaction=True)


def submission(**changes):
    return parse_submission(json.dumps(proposal_body(**changes)).encode())


@pytest.fixture
def upstream():
    make_live_policy()
    return make_client()[0]


def test_64_simultaneous_posts_under_one_key_make_one_decision(upstream):
    taken = submission()
    found = at_once(64, lambda _: submit_decision(client=upstream, submission=taken, key="k", now=NOW))
    assert Counter(each.replayed for each in found) == {True: 63, False: 1}
    assert len({each.answer["id"] for each in found}) == 1
    assert Decision.objects.count() == Ticket.objects.count() == Event.objects.count() == 1


def test_of_different_requests_under_one_key_one_stands_and_the_others_are_told(upstream):
    found = at_once(32, lambda index: submit_decision(client=upstream, submission=submission(), key="k", now=NOW))
    (stands,) = [each for each in found if not isinstance(each, Exception)]
    conflicts = [each for each in found if isinstance(each, Conflict)]
    assert len(conflicts) == 31
    assert {str(each.decision_id) for each in conflicts} == {stands.answer["id"]}


def test_a_twin_in_flight_is_waited_for_and_then_told_to_come_again(upstream):
    taken = submission(external_id="a")
    standing = submit_one(client=upstream, external_id="b")
    with another_session() as other:
        insert_copy_of(standing, external_id="a", session=other)
        began = time.monotonic()
        with pytest.raises(TwinInFlight):
            submit_decision(client=upstream, submission=taken, key=None, now=NOW)
        assert 2.5 < time.monotonic() - began < 5
        other.rollback()
    assert not submit_decision(client=upstream, submission=taken, key=None, now=NOW).replayed


def test_what_waits_for_a_stop_too_long_is_not_recorded(upstream):
    with another_session() as other:
        other.execute("SELECT pg_advisory_xact_lock(7002, %s)", [make_workflow().pk])
        with pytest.raises(OperationalError):
            submit_decision(client=upstream, submission=submission(), key=None, now=NOW)
    assert not Decision.objects.exists()


def test_nothing_runs_alone_once_a_stop_has_committed(upstream):
    """A transaction has its id from its first write, which here comes after the lock: a higher id is a later one."""
    stopped, workflow, lead = threading.Event(), make_workflow(), omar()

    def submit_until_stopped():
        after = 0
        while after < 10:
            after += stopped.is_set()
            submit_decision(client=upstream, submission=submission(confidence=0.95), key=None, now=NOW)

    def pull_the_stop():
        while Decision.objects.count() < 40:
            time.sleep(0.005)
        with transaction.atomic(), connection.cursor() as cursor:
            pause(workflow, actor=lead, reason="Something is wrong.", now=NOW)
            cursor.execute("SELECT pg_current_xact_id()::text::bigint")
            (stop,) = cursor.fetchone()
            time.sleep(0.05)
        stopped.set()
        return stop

    stop, *others = at_once(8, lambda index: submit_until_stopped() if index else pull_the_stop())
    assert others == [None] * 7
    automatic = list(Event.objects.filter(kind="outcome.settled").values_list("xid", flat=True))
    assert len(automatic) >= 30
    assert max(automatic) < stop
    assert Decision.objects.filter(route="review", facts__paused="workflow").count() >= 70


def test_a_budget_of_100_lets_exactly_100_run_alone_under_load(upstream):
    make_live_policy(daily_count=100)
    found = at_once(
        160, lambda _: submit_decision(client=upstream, submission=submission(confidence=0.95), key=None, now=NOW)
    )
    assert Counter(each.answer["route"] for each in found) == {"auto": 100, "review": 60}
    assert BudgetUse.objects.get().count == Outcome.objects.count() == 100


def test_an_assessment_that_the_database_refuses_is_for_a_person(upstream, monkeypatch):
    """Judging so broken that it lets a low confidence through meets the table's own check."""
    good = assessment_of_something_confident(upstream)
    monkeypatch.setattr("reviews.services.judge.evaluate", lambda *_, **__: good)
    monkeypatch.setattr(composing, "is_sound", lambda assessment, proposal: assessment.route == "auto")
    decision = submit_one(client=upstream, confidence=0.5)
    assert decision.route == "review"
    assert decision.reasons[-1]["code"] == "policy_error"
    assert not Outcome.objects.filter(decision=decision).exists()


def assessment_of_something_confident(upstream):
    kept = []
    real = composing.is_sound

    def keep(assessment, proposal):
        kept.append(assessment)
        return real(assessment, proposal)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composing, "is_sound", keep)
        submit_one(client=upstream, confidence=0.95)
    assert kept[-1].threshold == Decimal("0.85")
    return kept[-1]
