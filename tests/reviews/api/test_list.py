"""GET /api/v1/decisions."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reviews.services.ask import ask_upstream
from reviews.services.claim import claim_ticket
from reviews.services.settle import cancel_decision
from tests.factories import ana, gate_of, make_action, make_client, make_workflow, proposal_body, submit_one
from tests.reviewing import decide
from tests.reviews.api.calling import Caller, problem


@pytest.fixture
def three(agent) -> list[str]:
    """The ids of three decisions, oldest first."""
    return [agent.post("decisions", proposal_body()).json()["id"] for _ in range(3)]


def ids(page) -> list[str]:
    return [answer["id"] for answer in page.json()["results"]]


def test_the_newest_stand_first_as_they_are_answered(agent, three):
    page = agent.get("decisions")

    assert ids(page) == three[::-1]
    assert page.json()["results"][0] == agent.get(f"decisions/{three[-1]}").json()
    assert page.json()["next_cursor"] is None


def test_pages_neither_skip_nor_repeat_while_others_are_written(agent, three):
    first = agent.get("decisions?limit=2")
    agent.post("decisions", proposal_body())
    second = agent.get(f"decisions?limit=2&cursor={first.json()['next_cursor']}")

    assert ids(first) + ids(second) == three[::-1]
    assert second.json()["next_cursor"] is None


def test_nobody_elses_decisions_are_listed(agent, other_agent, three):
    assert ids(other_agent.get("decisions")) == []


def test_filters_hold_all_at_once(agent, agents_client, support):
    make_action(support, "close_account")
    now = timezone.now()
    wanted = submit_one(client=agents_client, now=now, external_id="close-1", action="close_account")
    submit_one(client=agents_client, now=now, action="close_account")
    submit_one(client=agents_client, now=now, external_id="refund-x")

    assert ids(agent.get("decisions?action=close_account&external_id=close-1")) == [str(wanted.id)]
    assert ids(agent.get("decisions?action=refund_fee&external_id=close-1")) == []
    assert len(ids(agent.get("decisions?workflow=support"))) == 3
    assert ids(agent.get("decisions?workflow=elsewhere")) == []


def test_a_client_of_two_workflows_can_list_one(support):
    refunds = make_workflow("refunds")
    client, key = make_client("Both", workflows=[support, refunds], now=timezone.now())
    one = submit_one(client=client, now=timezone.now(), workflow="refunds")
    submit_one(client=client, now=timezone.now())
    agent = Caller(key=key)

    assert ids(agent.get("decisions?workflow=refunds")) == [str(one.id)]


def test_each_status_finds_what_stands_so(agent, agents_client):
    now = timezone.now()
    made = {name: submit_one(client=agents_client, now=now) for name in ("pending_review", "asked", "decided")}
    made["cancelled"] = submit_one(client=agents_client, now=now)
    made["approved"] = submit_one(client=agents_client, now=now, confidence=0.95)
    cancel_decision(made["cancelled"].id, client=agents_client, reason="", now=now)
    decide(gate_of(made["decided"]), ana(), now=now)
    ticket = claim_ticket(gate_of(made["asked"]).pk, reviewer=ana(), now=now)
    ask_upstream(ticket.pk, reviewer=ana(), epoch=ticket.claim_epoch, text="Which plan?", now=now)

    for status, decision in made.items():
        found = agent.get(f"decisions?status={status}")
        assert ids(found) == [str(decision.id)]
        assert found.json()["results"][0]["status"] == status
    assert ids(agent.get("decisions?status=rejected")) == []
    assert ids(agent.get("decisions?status=received")) == []


def test_since_is_when_they_were_received(agent, agents_client):
    now = timezone.now()
    submit_one(client=agents_client, now=now - timedelta(hours=2))
    late = submit_one(client=agents_client, now=now)

    since = (now - timedelta(hours=1)).isoformat().replace("+00:00", "Z")

    assert ids(agent.get(f"decisions?since={since}")) == [str(late.id)]


def test_a_page_takes_the_same_few_queries_whatever_its_length(agent, agents_client, django_assert_num_queries):
    for _ in range(7):
        submit_one(client=agents_client, now=timezone.now())
    agent.get("decisions")  # The key's use is noted.

    with django_assert_num_queries(4):  # The key, the decisions, their gates, their outcomes.
        assert len(ids(agent.get("decisions"))) == 7


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=nowhere", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=" + "9" * 400, "cursor"),
        ("status=done", "status"),
        ("since=yesterday", "since"),
        ("since=2026-13-01T00:00:00Z", "since"),
        ("since=0001-01-01T00:00:00%2B14:00", "since"),
        ("since=2026-03-02", "since"),
        ("since=2026-03-02T09:00:00", "since"),
        ("external_id=%00", "external_id"),
        ("external_id=" + "x" * 256, "external_id"),
        ("workflow=" + "x" * 51, "workflow"),
        ("action=%00", "action"),
        ("colour=red", "colour"),
        ("%00=1", "\x00"),
    ],
)
def test_a_parameter_that_is_none_is_refused_by_its_name(agent, query, parameter):
    body = problem(agent.get(f"decisions?{query}"), 422, "invalid")

    assert [error["parameter"] for error in body["errors"]] == [parameter]
