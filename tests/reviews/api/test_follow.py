"""GET /api/v1/decisions/{id}."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from reviews.api import waiting
from reviews.models import Outcome
from reviews.services.ask import ask_upstream
from reviews.services.claim import claim_ticket
from reviews.services.settle import cancel_decision
from tests.factories import ana, gate_of, make_client, proposal_body, submit_one
from tests.reviewing import decide
from tests.reviews.api.calling import Caller, problem

NEVER = "018f0000-0000-7000-8000-000000000000"


def test_a_decision_is_read_as_it_was_answered(agent):
    submitted = agent.post("decisions", proposal_body()).json()

    response = agent.get(f"decisions/{submitted['id']}")

    assert response.status_code == 200
    assert response.json() == submitted
    assert response["Cache-Control"] == "private, no-cache"


def test_what_is_known_already_is_not_sent_again(agent):
    path = f"decisions/{agent.post('decisions', proposal_body()).json()['id']}"
    tag = agent.get(path)["ETag"]

    unchanged = agent.get(path, If_None_Match=tag)
    among_others = agent.get(path, If_None_Match=f'"other", W/{tag}')
    agent.post(f"{path}/cancel")
    changed = agent.get(path, If_None_Match=tag)

    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", tag)
    assert among_others.status_code == 304
    assert changed.status_code == 200
    assert changed["ETag"] != tag


def test_a_claim_is_the_houses_own_business_and_changes_nothing(agent, agents_client):
    decision = submit_one(client=agents_client, now=timezone.now())
    tag = agent.get(f"decisions/{decision.id}")["ETag"]

    claim_ticket(gate_of(decision).pk, reviewer=ana(), now=timezone.now())

    assert agent.get(f"decisions/{decision.id}", If_None_Match=tag).status_code == 304


def test_a_reviewers_question_is_told_while_it_waits(agent, agents_client):
    decision, now = submit_one(client=agents_client, now=timezone.now()), timezone.now()
    ticket = claim_ticket(gate_of(decision).pk, reviewer=ana(), now=now)
    ask_upstream(ticket.pk, reviewer=ana(), epoch=ticket.claim_epoch, text="Which plan are they on?", now=now)

    answer = agent.get(f"decisions/{decision.id}").json()

    assert answer["status"] == "asked"
    assert answer["question"]["text"] == "Which plan are they on?"


def test_a_verdict_within_its_hold_is_told_as_decided(agent, agents_client):
    decision = submit_one(client=agents_client, now=timezone.now())
    decide(gate_of(decision), ana(), now=timezone.now())

    answer = agent.get(f"decisions/{decision.id}").json()

    assert (answer["status"], answer["outcome"]) == ("decided", None)


def test_a_hold_that_is_over_is_settled_by_the_reading(agent, agents_client):
    decision = submit_one(client=agents_client, now=timezone.now())
    decide(gate_of(decision), ana(), now=timezone.now() - timedelta(minutes=1))
    assert not Outcome.objects.exists()

    answer = agent.get(f"decisions/{decision.id}").json()

    assert (answer["status"], answer["outcome"]["method"]) == ("approved", "human")
    assert Outcome.objects.get().decision_id == decision.id


def test_a_decision_of_another_client_is_not_there(other_agent, agents_client):
    decision = submit_one(client=agents_client, now=timezone.now())

    theirs = problem(other_agent.get(f"decisions/{decision.id}"), 404)
    nobodys = problem(other_agent.get(f"decisions/{NEVER}"), 404)

    assert theirs["detail"] == nobodys["detail"]


@pytest.mark.parametrize("not_an_id", ["1", "018f0000", NEVER.replace("f", "F"), f"{NEVER}%00", "%ff%fe", "..%2f"])
def test_what_is_no_id_is_not_there(agent, not_an_id):
    problem(agent.get(f"decisions/{not_an_id}"), 404)


@pytest.mark.parametrize("wait", ["-1", "61", "ten", "1e3", "", "9" * 5000, "%00"])
def test_a_wait_that_is_none_is_refused_by_its_name(agent, wait):
    body = problem(agent.get(f"decisions/{NEVER}?wait={wait}"), 422)

    assert body["errors"][0]["parameter"] == "wait"


def test_a_parameter_that_is_not_known_is_refused(agent):
    assert problem(agent.get(f"decisions/{NEVER}?wiat=3"), 422)["errors"][0]["parameter"] == "wiat"


# ---- Waiting --------------------------------------------------------------------------------------------------------


def test_what_is_settled_is_answered_at_once(agent):
    submitted = agent.post("decisions", proposal_body(confidence=0.95)).json()
    began = time.monotonic()

    answer = agent.get(f"decisions/{submitted['id']}?wait=30").json()

    assert answer["status"] == "approved"
    assert time.monotonic() - began < 2


def test_what_is_newer_than_is_known_is_answered_at_once(agent):
    path = f"decisions/{agent.post('decisions', proposal_body()).json()['id']}"
    began = time.monotonic()

    assert agent.get(f"{path}?wait=30", If_None_Match='"older"').status_code == 200
    assert time.monotonic() - began < 2


def test_a_wait_ends_with_the_time(agent):
    path = f"decisions/{agent.post('decisions', proposal_body()).json()['id']}"
    began = time.monotonic()

    answer = agent.get(f"{path}?wait=1").json()

    assert answer["status"] == "pending_review"
    assert 1 <= time.monotonic() - began < 4


def test_without_a_free_place_it_is_answered_at_once(agent, monkeypatch):
    monkeypatch.setattr(waiting, "_places", threading.BoundedSemaphore(1))
    path = f"decisions/{agent.post('decisions', proposal_body()).json()['id']}"
    began = time.monotonic()

    with waiting._places:
        assert agent.get(f"{path}?wait=30").json()["status"] == "pending_review"

    assert time.monotonic() - began < 2


@pytest.mark.django_db(transaction=True)
def test_a_wait_ends_early_and_meanwhile_holds_no_connection(support, monkeypatch):
    client, key = make_client(now=timezone.now())
    decision = submit_one(client=client, now=timezone.now())
    slept: list[bool] = []

    def sleep(seconds: float) -> None:
        slept.append(connection.connection is None)
        if len(slept) == 3:
            cancel_decision(decision.id, client=client, reason="", now=timezone.now())

    monkeypatch.setattr(waiting.time, "sleep", sleep)
    from_here = time.monotonic()
    answer = Caller(key=key).get(f"decisions/{decision.id}?wait=60").json()

    assert answer["status"] == "cancelled"
    assert slept == [True, True, True]
    assert time.monotonic() - from_here < 5
