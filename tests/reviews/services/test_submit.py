"""Taking decisions in, one at a time: routes, replays, refusals."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from policies.domain.canonical import canonical_bytes
from policies.domain.spec import digest_of
from policies.domain.vocabulary import Route, VersionStatus
from policies.models import PolicyVersion
from reviews.domain.submission import parse_submission
from reviews.models import Client, ClientKey, Decision, Event, Outcome, Ticket
from reviews.services.keys import revoke_key
from reviews.services.submit import Conflict, DeadlinePassed, KeyEnded, UnknownWorkflow, submit_decision
from tests.factories import (
    NOW,
    gate_of,
    later,
    make_client,
    make_group,
    make_live_policy,
    make_workflow,
    proposal_body,
    submit_one,
)
from tests.reviews.services.submitting import codes, submission, submitted

pytestmark = pytest.mark.django_db


# --- Routes -----------------------------------------------------------------------------------------------------------


def test_a_confident_proposal_runs_alone(upstream):
    answer = submitted(upstream, confidence=0.95).answer
    decision = Decision.objects.get(pk=answer["id"])
    assert (answer["status"], answer["route"], answer["reasons"], answer["ticket"]) == ("approved", "auto", [], None)
    assert answer["outcome"] == {
        "kind": "approved",
        "method": "auto",
        "action": "refund_fee",
        "payload": decision.payload,
        "payload_sha256": decision.payload_sha256,
        "settled_at": "2026-03-02T09:00:00Z",
    }
    assert answer["policy"] == {"version": 1, "digest": decision.policy_version.digest}
    assert Outcome.objects.get(decision=decision).payload == decision.payload
    assert not Ticket.objects.exists()


def test_a_proposal_below_the_threshold_waits_for_a_person(upstream):
    answer = submitted(upstream, confidence=0.62).answer
    gate = Ticket.objects.get(pk=answer["ticket"]["id"])
    assert (answer["status"], answer["outcome"]) == ("pending_review", None)
    assert answer["reasons"][0]["message"] == "Confidence 0.62 is below 0.85, the least for refund_fee."
    assert answer["ticket"]["group"] == gate.group.name == "Support"
    assert gate.due_at == NOW + timedelta(minutes=gate.workflow.sla_minutes)
    assert (gate.kind, gate.state, gate.priority, gate.version) == ("gate", "open", 1, 1)
    assert not Outcome.objects.exists()


def test_the_answer_to_a_submission_is_the_one_that_is_read_later(upstream):
    for confidence in (0.62, 0.95):
        body = proposal_body(confidence=confidence)
        raw = json.dumps(body).encode()
        first = submit_decision(client=upstream, submission=parse_submission(raw), key=None, now=NOW)
        again = submit_decision(client=upstream, submission=parse_submission(raw), key=None, now=NOW)
        assert again.answer == first.answer


def test_a_decision_is_kept_exactly_as_it_was_sent(upstream):
    body = proposal_body(
        confidence=0.9999999,
        run={"id": "r", "call_id": "c", "state": {"step": 3}},
        deadline="2026-03-03T10:00:00+01:00",
        requested_by="Someone@example.org",
    )
    decision = Decision.objects.get(pk=submitted(upstream, **body).answer["id"])
    assert decision.confidence == Decimal("0.9999999")
    assert decision.payload == body["payload"]
    assert decision.alternatives == [{"action": "trace_top_up", "confidence": "0.068271"}]
    assert decision.context == body["context"]
    assert decision.run == body["run"]
    assert decision.reasoning == body["reasoning"]
    assert decision.deadline.isoformat() == "2026-03-03T09:00:00+00:00"
    assert (decision.subject_type, decision.subject_id, decision.subject_label) == ("customer", "c-77", "Customer 77")
    assert (decision.amount, decision.currency) == (Decimal("12.00"), "EUR")
    assert (decision.model_name, decision.model_version) == ("support-router", "1.0")
    assert decision.requested_by == "Someone@example.org"
    assert decision.received_at == NOW


def test_a_missing_confidence_goes_to_a_person(upstream):
    assert codes(submit_one(client=upstream, confidence=None)) == ["missing_confidence"]


def test_an_unknown_action_goes_to_a_person_and_takes_two_acts(upstream):
    decision = submit_one(client=upstream, action="close_account", confidence=0.99)
    assert "unknown_action" in codes(decision)
    assert gate_of(decision).deliberate_acts == 2


def test_without_a_live_policy_a_person_decides():
    make_workflow()
    decision = submit_one(confidence=0.99)
    assert codes(decision) == ["no_policy"]
    assert decision.policy_version is None


def test_high_value_is_asked_of_as_many_people_as_the_policy_wants(upstream):
    make_live_policy(largest_amount=Decimal(100), currency="EUR", verdicts_needed=2)
    decision = submit_one(client=upstream, confidence=0.99, payload={"amount": "250.00", "currency": "EUR"})
    gate = gate_of(decision)
    assert codes(decision) == ["high_value"]
    assert (gate.verdicts_needed, gate.deliberate_acts) == (2, 2)


def test_what_is_drawn_for_the_sample_runs_alone_and_is_audited(upstream):
    make_live_policy(audit_rate=Decimal(1))
    decision = submit_one(client=upstream, confidence=0.95)
    audit = Ticket.objects.get(decision=decision)
    assert (decision.route, decision.flagged, decision.flag_probability) == ("auto", True, 1)
    assert (audit.kind, audit.priority) == ("audit", 2)
    assert audit.due_at == NOW + timedelta(hours=audit.workflow.audit_sla_hours)
    assert Outcome.objects.filter(decision=decision).exists()
    kinds = Event.objects.filter(decision=decision).order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["decision.submitted", "ticket.opened", "outcome.settled"]


def test_what_is_drawn_and_waits_anyway_has_one_ticket(upstream):
    make_live_policy(audit_rate=Decimal(1))
    decision = submit_one(client=upstream, confidence=0.62)
    assert decision.flagged
    assert gate_of(decision) == Ticket.objects.get()


def test_a_rule_sends_the_ticket_to_its_group(upstream):
    fraud = make_group("Fraud")
    make_live_policy(rules=[{"expression": "true", "sentence": "Looks odd.", "group": "Fraud"}])
    assert gate_of(submit_one(client=upstream, confidence=0.95)).group == fraud


def test_a_group_that_is_gone_is_replaced_by_the_review_group(upstream):
    """The database keeps the names of groups in force; were one lost all the same, a person is asked."""
    live = make_live_policy(rules=[{"expression": "true", "sentence": "Looks odd."}])
    document = {**json.loads(live.document), "rules": [{**json.loads(live.document)["rules"][0], "group": "Gone"}]}
    PolicyVersion.objects.update(status=VersionStatus.RETIRED, retired_at=NOW)
    PolicyVersion.objects.create(
        workflow=live.workflow,
        number=live.number + 1,
        status=VersionStatus.LIVE,
        created_at=NOW,
        published_at=NOW,
        document=canonical_bytes(document).decode(),
        digest=digest_of(document),
    )
    assert gate_of(submit_one(client=upstream, confidence=0.95)).group.name == "Support"


# --- The same request again -------------------------------------------------------------------------------------------


def test_the_same_request_again_gives_the_same_decision(upstream):
    first = submitted(upstream, external_id="a")
    again = submitted(upstream, external_id="a")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.answer["id"] == first.answer["id"]
    assert Decision.objects.count() == Event.objects.count() == Ticket.objects.count() == 1


def test_a_replay_tells_the_status_as_of_now(upstream):
    submitted(upstream, external_id="a")
    Ticket.objects.update(state="waiting")
    assert submitted(upstream, external_id="a").answer["status"] == "asked"


def test_another_body_under_the_same_external_id_is_a_conflict(upstream):
    first = submitted(upstream, external_id="a", confidence=0.62)
    with pytest.raises(Conflict) as caught:
        submitted(upstream, external_id="a", confidence=0.63)
    assert (str(caught.value.decision_id), caught.value.which) == (first.answer["id"], "external_id")


def test_another_body_under_the_same_idempotency_key_is_a_conflict(upstream):
    first = submitted(upstream, external_id="a", key="k")
    with pytest.raises(Conflict) as caught:
        submitted(upstream, external_id="b", key="k")
    assert (str(caught.value.decision_id), caught.value.which) == (first.answer["id"], "idempotency_key")


def test_one_confidence_written_in_two_ways_is_one_request(upstream):
    body = json.dumps(proposal_body(external_id="a", confidence=0.5))
    first = submit_decision(client=upstream, submission=parse_submission(body.encode()), key=None, now=NOW)
    other = body.replace('"confidence": 0.5', '"confidence": 5.0e-1')
    assert other != body
    again = submit_decision(client=upstream, submission=parse_submission(other.encode()), key=None, now=NOW)
    assert again.replayed
    assert again.answer["id"] == first.answer["id"]


def test_two_clients_may_use_the_same_ids(upstream):
    other = make_client("Another agent")[0]
    assert (
        submitted(upstream, external_id="a", key="k").answer["id"]
        != submitted(other, external_id="a", key="k").answer["id"]
    )


def test_a_refused_request_burns_nothing(upstream):
    with pytest.raises(UnknownWorkflow):
        submitted(upstream, external_id="a", key="k", workflow="nowhere")
    assert not submitted(upstream, external_id="a", key="k").replayed


# --- Refusals ---------------------------------------------------------------------------------------------------------


def test_an_unknown_workflow_and_one_of_others_are_refused_alike(upstream):
    make_live_policy(make_workflow("credit"))
    for workflow in ("nowhere", "credit"):
        with pytest.raises(UnknownWorkflow) as caught:
            submitted(upstream, workflow=workflow)
        assert caught.value.errors == (("/workflow", f"There is no workflow '{workflow}' for this client."),)
    assert not Decision.objects.exists()


def test_a_key_revoked_since_it_was_looked_up_submits_nothing(upstream):
    key = ClientKey.objects.get(client=upstream)
    assert submitted(upstream, client_key=key)
    revoke_key(key, now=NOW)
    with pytest.raises(KeyEnded):
        submitted(upstream, client_key=key)
    assert Decision.objects.count() == 1


@pytest.mark.parametrize("change", [{"active": False}, {"scopes": ["decisions:read"]}])
def test_a_client_that_may_not_submit_any_more_submits_nothing(upstream, change):
    Client.objects.update(**change)
    with pytest.raises(KeyEnded):
        submitted(upstream)


def test_a_deadline_that_has_passed_is_refused_but_for_what_stands(upstream):
    body = {"external_id": "a", "deadline": "2026-03-02T10:00:00Z"}
    first = submitted(upstream, **body)
    assert gate_of(Decision.objects.get()).deadline == later(hours=1)
    assert submitted(upstream, now=later(hours=2), **body).answer["id"] == first.answer["id"]
    with pytest.raises(DeadlinePassed) as caught:
        submitted(upstream, now=later(hours=2), **{**body, "external_id": "b"})
    assert caught.value.errors == (("/deadline", "deadline was 2026-03-02 10:00:00 UTC and has passed."),)


def test_a_decision_is_not_submitted_inside_a_transaction_that_could_roll_back(upstream):
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction of its own"):
        submitted(upstream)


# --- When something breaks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["reviews.services.judge.evaluate", "reviews.services.judge.policy_of_version"])
def test_a_failure_in_judging_is_a_reason_to_ask_a_person(upstream, monkeypatch, where):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(where, fail)
    decision = submit_one(client=upstream, confidence=0.99)
    assert (decision.route, codes(decision)) == (Route.REVIEW, ["policy_error"])
    assert gate_of(decision).deliberate_acts == 2


def test_one_call_of_the_database_takes_a_decision_in(upstream, tmp_path):
    submit_one(client=upstream)
    taken = submission()
    trace = tmp_path / "trace"
    with trace.open("wb") as file:
        connection.connection.pgconn.trace(file.fileno())
        submit_decision(client=upstream, submission=taken, key="k", now=NOW)
        connection.connection.pgconn.untrace()
    assert trace.read_text().count("ReadyForQuery") == 1
