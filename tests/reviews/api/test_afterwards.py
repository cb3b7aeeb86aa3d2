"""POST /api/v1/decisions/{id}/cancel, /answer, /execution and /truth, and POST /api/v1/truth."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reviews.domain.vocabulary import Scope
from reviews.models import Execution, Question, Truth
from reviews.services.ask import ask_upstream
from reviews.services.claim import claim_ticket
from tests.factories import ana, gate_of, make_client, make_workflow, submit_one
from tests.reviewing import decide
from tests.reviews.api.calling import Caller, pointers, problem

NEVER = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def waiting(agents_client):
    """A decision that waits for a person."""
    return submit_one(client=agents_client, now=timezone.now())


@pytest.fixture
def asked(waiting):
    """The same, while Ana's question waits for upstream."""
    now = timezone.now()
    ticket = claim_ticket(gate_of(waiting).pk, reviewer=ana(), now=now)
    ask_upstream(ticket.pk, reviewer=ana(), epoch=ticket.claim_epoch, text="Which plan are they on?", now=now)
    return waiting


@pytest.fixture
def approved(agents_client):
    """A decision that ran at once."""
    return submit_one(client=agents_client, now=timezone.now(), confidence=0.95)


@pytest.fixture
def auditor(support) -> Caller:
    """An independent source of truth, in support."""
    made = make_client("Complaints desk", scopes=[Scope.TRUTH_WRITE], independent=True, now=timezone.now())
    return Caller(key=made[1])


# ---- Cancel ---------------------------------------------------------------------------------------------------------


def test_upstream_takes_back_what_nobody_has_decided(agent, waiting):
    answer = agent.post(f"decisions/{waiting.id}/cancel", {"reason": "Paid by hand."})

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["outcome"]["method"]) == ("cancelled", "system")


def test_upstream_takes_back_what_is_decided_within_the_hold(agent, waiting):
    decide(gate_of(waiting), ana(), now=timezone.now())

    assert agent.post(f"decisions/{waiting.id}/cancel").json()["status"] == "cancelled"


def test_what_is_settled_stays_settled(agent, approved):
    body = problem(agent.post(f"decisions/{approved.id}/cancel"), 409, "already_settled")

    assert body["outcome"] == {"kind": "approved", "method": "auto"}


def test_nobody_cancels_for_others(other_agent, waiting):
    problem(other_agent.post(f"decisions/{waiting.id}/cancel"), 404)
    problem(other_agent.post(f"decisions/{NEVER}/cancel"), 404)


# ---- Answer ---------------------------------------------------------------------------------------------------------


def test_an_answer_brings_the_ticket_back(agent, asked):
    answer = agent.post(f"decisions/{asked.id}/answer", {"text": "The free plan.", "context": {"plan": "free"}})

    assert (answer.status_code, answer.json()["status"]) == (200, "pending_review")
    assert "question" not in answer.json()
    question = Question.objects.get()
    assert (question.answer, question.answer_context) == ("The free plan.", {"plan": "free"})


def test_what_was_not_asked_is_not_answered(agent, waiting):
    problem(agent.post(f"decisions/{waiting.id}/answer", {"text": "Hello?"}), 409, "nothing_to_answer")


def test_nobody_answers_for_others(other_agent, asked):
    problem(other_agent.post(f"decisions/{asked.id}/answer", {"text": "Trust me."}), 404)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/text"),
        ({"text": ""}, "/text"),
        ({"text": "   "}, "/text"),
        ({"text": 5}, "/text"),
        ({"text": True}, "/text"),
        ({"text": None}, "/text"),
        ({"text": "x" * 10_001}, "/text"),
        ({"text": "ok", "context": []}, "/context"),
        ({"text": "ok", "context": "x"}, "/context"),
        ({"text": "ok", "payload": {}}, "/payload"),
        ([], ""),
        ("text", ""),
    ],
)
def test_an_answer_that_is_none_is_refused_by_its_place(agent, asked, body, pointer):
    assert pointers(problem(agent.post(f"decisions/{asked.id}/answer", body), 422, "invalid")) == [pointer]


# ---- Execution ------------------------------------------------------------------------------------------------------


def test_what_came_of_it_is_kept(agent, approved):
    report = {"status": "failed", "detail": "The account is closed."}

    response = agent.post(f"decisions/{approved.id}/execution", report)

    assert (response.status_code, response.json()["status"]) == (201, "failed")
    assert Execution.objects.get().detail == "The account is closed."


def test_what_may_not_run_has_not_run(agent, waiting):
    problem(agent.post(f"decisions/{waiting.id}/execution", {"status": "succeeded"}), 409, "nothing_may_run")


def test_nobody_reports_for_others(other_agent, approved):
    problem(other_agent.post(f"decisions/{approved.id}/execution", {"status": "succeeded"}), 404)


@pytest.mark.parametrize("status", ["done", "", None, 1, True, ["succeeded"], {"a": 1}])
def test_an_execution_succeeded_or_failed(agent, approved, status):
    assert pointers(problem(agent.post(f"decisions/{approved.id}/execution", {"status": status}), 422)) == ["/status"]


# ---- Truth ----------------------------------------------------------------------------------------------------------


def test_upstream_reports_on_its_own_and_is_not_independent(agent, approved):
    response = agent.post(f"decisions/{approved.id}/truth", {"right_action": "trace_top_up"})

    assert response.status_code == 201
    assert response.json()["independent"] is False
    assert Truth.objects.get().right_action == "trace_top_up"


def test_who_is_independent_reports_by_id(auditor, approved):
    response = auditor.post(f"decisions/{approved.id}/truth", {"right_action": "refund_fee", "detail": "No complaint."})

    assert (response.status_code, response.json()["independent"]) == (201, True)


def test_who_is_independent_reports_by_client_and_external_id(auditor, approved):
    told = {"client": "Support agent", "external_id": approved.external_id, "right_action": "refund_fee"}

    response = auditor.post("truth", told)

    assert (response.status_code, response.json()["decision"]) == (201, str(approved.id))


def test_an_own_decision_needs_no_clients_name(agent, approved):
    told = {"external_id": approved.external_id, "right_action": "refund_fee"}

    assert agent.post("truth", told).json()["decision"] == str(approved.id)


def test_who_is_independent_reports_in_their_workflows_only(support, approved):
    elsewhere = [make_workflow("refunds")]
    made = make_client(
        "Refund desk", workflows=elsewhere, scopes=[Scope.TRUTH_WRITE], independent=True, now=timezone.now()
    )
    desk = Caller(key=made[1])

    problem(desk.post(f"decisions/{approved.id}/truth", {"right_action": "refund_fee"}), 404)
    told = {"client": "Support agent", "external_id": approved.external_id, "right_action": "refund_fee"}
    problem(desk.post("truth", told), 404)


def test_who_is_not_independent_reports_on_nobody_elses(other_agent, approved):
    problem(other_agent.post(f"decisions/{approved.id}/truth", {"right_action": "refund_fee"}), 404)


def test_another_truth_from_the_same_client_is_refused(auditor, approved):
    auditor.post(f"decisions/{approved.id}/truth", {"right_action": "refund_fee"})

    problem(auditor.post(f"decisions/{approved.id}/truth", {"right_action": "trace_top_up"}), 409, "truth_stands")


def test_days_later_is_soon_enough(auditor, agents_client):
    old = submit_one(client=agents_client, now=timezone.now() - timedelta(days=40))

    assert auditor.post(f"decisions/{old.id}/truth", {"right_action": "refund_fee"}).status_code == 201


@pytest.mark.parametrize("right_action", ["", None, 7, "x" * 81, "a\u0000b"])
def test_a_right_action_that_is_none_is_refused(auditor, approved, right_action):
    told = {"right_action": right_action}

    assert pointers(problem(auditor.post(f"decisions/{approved.id}/truth", told), 422)) == ["/right_action"]
