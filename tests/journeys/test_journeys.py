"""The way of a decision, from end to end: the public API, a real worker, a real sweeper, real people's sessions."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from clients.python.countersign import Refused
from tests.journeys.people import Receiver, Reviewer, manage, proposal, settled, upstream_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def upstream(product):
    return upstream_of(product)


@pytest.fixture(scope="module")
def ana(product):
    return Reviewer(product, "ana")


@pytest.fixture(scope="module")
def ben(product):
    return Reviewer(product, "ben")


def test_a_confident_decision_runs_at_once(upstream):
    decision = upstream.submit(proposal(confidence=0.99))
    assert (decision["status"], decision["route"], decision["reasons"]) == ("approved", "auto", [])
    assert decision["outcome"]["method"] == "auto"
    assert upstream.decision(decision["id"])["outcome"] == decision["outcome"]


def test_an_unsure_decision_waits_until_ana_approves_it(upstream, ana):
    decision = upstream.submit(proposal(confidence=0.62))
    assert (decision["status"], [reason["code"] for reason in decision["reasons"]]) == (
        "pending_review",
        ["low_confidence"],
    )
    ticket = ana.take(decision)
    status, verdict = ana.answer(ticket, "approve")
    assert (status, verdict["kind"]) == (200, "approve")
    assert upstream.decision(decision["id"])["status"] == "decided"  # The hold runs: it can still be undone.
    outcome = settled(upstream, decision["id"])["outcome"]
    assert (outcome["kind"], outcome["method"], outcome["action"]) == ("approved", "human", "refund_fee")


def test_a_large_refund_takes_two_people(upstream, ana, ben):
    payload = {"amount": "940.00", "currency": "EUR", "why": "Sofa arrived in the wrong colour", "order": "order 1"}
    decision = upstream.submit(proposal(workflow="refunds", action="issue_refund", payload=payload, confidence=0.97))
    assert {"high_value", "rule"} <= {reason["code"] for reason in decision["reasons"]}
    assert ana.answer(ana.take(decision), "approve")[0] == 200
    assert upstream.decision(decision["id"])["status"] == "pending_review"
    again, problem = ana.call("POST", f"/tickets/{decision['ticket']['id']}/claim", {})
    assert (again, "somebody else" in problem["detail"]) == (403, True)
    assert ben.answer(ben.take(decision), "approve")[0] == 200
    assert settled(upstream, decision["id"])["outcome"]["kind"] == "approved"


def test_what_runs_after_an_edit_is_the_edited_payload(upstream, ana):
    payload = {"question": "When does my card arrive?", "draft": "Tomorrow, I promise.", "language": "en"}
    decision = upstream.submit(proposal(workflow="answers", action="send_answer", payload=payload, confidence=0.5))
    ticket = ana.take(decision)
    edited = {**payload, "draft": "Within five working days."}
    assert ana.answer(ticket, "edit", payload=edited, material=True)[0] == 200
    outcome = settled(upstream, decision["id"])["outcome"]
    assert (outcome["kind"], outcome["payload"]) == ("edited", edited)
    assert outcome["payload_sha256"] != ticket["proposal"]["payload_sha256"]


def test_an_override_runs_the_other_action(upstream, ana):
    decision = upstream.submit(proposal(alternatives=[{"action": "trace_top_up", "confidence": 0.3}]))
    ticket = ana.take(decision)
    status, said = ana.answer(
        ticket, "override", action="trace_top_up", payload=ticket["proposal"]["payload"], reason_code="wrong_action"
    )
    assert status == 200, said
    outcome = settled(upstream, decision["id"])["outcome"]
    assert (outcome["kind"], outcome["action"]) == ("overridden", "trace_top_up")


def test_a_question_goes_upstream_and_its_answer_comes_back_to_who_asked(upstream, ana, ben):
    decision = upstream.submit(proposal())
    ticket = ana.take(decision)
    status, _ = ana.call(
        "POST", f"/tickets/{ticket['id']}/ask", {"epoch": ticket["claim"]["epoch"], "text": "Which plan is it?"}
    )
    assert status == 201
    assert upstream.decision(decision["id"])["status"] == "asked"
    upstream.answer(decision["id"], "Plan Basic.", context={"plan": "basic"})
    assert upstream.decision(decision["id"])["status"] == "pending_review"
    assert ben.call("POST", f"/tickets/{ticket['id']}/claim", {})[0] == 409  # Kept for Ana first.
    ticket = ana.take(decision)
    assert ticket["questions"][0]["answer"] == "Plan Basic."
    assert ana.answer(ticket, "reject", reason_code="against_policy")[0] == 200
    assert settled(upstream, decision["id"])["outcome"]["kind"] == "rejected"


def test_upstream_takes_a_proposal_back(upstream, ana):
    decision = upstream.submit(proposal())
    ticket = ana.take(decision)
    upstream.cancel(decision["id"], reason="The customer wrote again.")
    outcome = settled(upstream, decision["id"])["outcome"]
    assert (outcome["kind"], outcome["method"]) == ("cancelled", "system")
    assert ana.answer(ticket, "approve")[0] == 409
    upstream.cancel(decision["id"], reason="Sent again after a time-out.")  # The same answer as before.
    ran = upstream.submit(proposal(confidence=0.99))
    with pytest.raises(Refused) as refused:
        upstream.cancel(ran["id"], reason="Too late.")
    assert refused.value.status == 409


def test_what_nobody_decides_in_time_expires_and_is_never_approved(upstream):
    deadline = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    decision = upstream.submit(proposal(deadline=deadline))
    outcome = settled(upstream, decision["id"])["outcome"]
    assert (outcome["kind"], outcome["method"]) == ("expired", "system")


def test_a_webhook_tells_of_an_outcome_and_verifies(product, ana):
    upstream = upstream_of(product, "back-office-agent")
    receiver = Receiver()
    manage(
        product,
        "shell",
        "-c",
        "from reviews.models import Client, Endpoint; Endpoint.objects.create("
        f"client=Client.objects.get(name='back-office-agent'), url='{receiver.url}', secret='{SECRET}')",
    )
    decision = upstream.submit(proposal())
    receiver.wait_for(decision["id"], "decision.pending")
    assert ana.answer(ana.take(decision), "approve")[0] == 200
    headers, body = receiver.wait_for(decision["id"], "decision.settled")
    message = Webhook(SECRET).verify(body, headers)
    assert message["data"]["outcome"]["kind"] == "approved"
    assert "payload" not in message["data"]["outcome"]  # Thin: the rest is fetched with the client's own key.


def test_a_batch_is_ingested_by_the_worker_line_by_line(upstream):
    good, other = proposal(confidence=0.99), proposal()
    kept = upstream.submit_batch([good, {**other, "confidence": 7}, {"nonsense": True}, other])
    deadline = time.monotonic() + 60
    while (done := upstream.intake(kept["intake"]))["finished_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [line["state"] for line in done["lines"]] == ["created", "refused", "refused", "created"]
    assert done["lines"][1]["result"]["errors"][0]["pointer"] == "/confidence"
    assert upstream.submit(good)["replayed"]
