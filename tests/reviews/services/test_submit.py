"""Taking decisions in, one at a time."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction

from policies.domain.canonical import canonical_bytes
from policies.domain.evaluate import audit_draw, evaluate
from policies.domain.spec import Alternative, Facts, Proposal, digest_of
from policies.domain.vocabulary import Route, VersionStatus
from policies.models import PolicyVersion, Workflow
from policies.queries import policy_of_version
from policies.services import create_draft, pause, publish, resume
from reviews.domain.submission import parse_submission
from reviews.models import BudgetUse, Client, ClientKey, Decision, Delivery, Event, Outcome, ShadowAssessment, Ticket
from reviews.services import judge as judging
from reviews.services.keys import revoke_key
from reviews.services.submit import Conflict, DeadlinePassed, KeyEnded, UnknownWorkflow, submit_decision
from tests.factories import (
    NOW,
    ada,
    assess_evidence,
    ben,
    gate_of,
    later,
    make_client,
    make_group,
    make_live_policy,
    make_workflow,
    omar,
    proposal_body,
    submit_one,
)

pytestmark = pytest.mark.django_db


def submission(**changes):
    return parse_submission(json.dumps(proposal_body(**changes)).encode())


def submitted(client, *, key=None, now=NOW, client_key=None, **changes):
    return submit_decision(client=client, submission=submission(**changes), key=key, now=now, client_key=client_key)


def codes(decision):
    return [reason["code"] for reason in decision.reasons]


@pytest.fixture
def upstream(db):
    """A client of `support`, where refund_fee runs alone from 0.85 upward."""
    make_live_policy()
    return make_client()[0]


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


# --- Judged on what is true -------------------------------------------------------------------------------------------


def test_what_was_remembered_is_judged_again_when_it_is_not_true_any_more(upstream):
    assert submit_one(client=upstream, confidence=0.95).route == Route.AUTO
    draft = create_draft(workflow=make_workflow(), author=ada(), now=NOW)
    draft.thresholds.update(least_confidence=Decimal("0.99"))
    published = publish(draft, publisher=ada(), reason="Too many mistakes.", now=NOW)
    decision = submit_one(client=upstream, confidence=0.95)
    assert (decision.route, codes(decision)) == (Route.REVIEW, ["low_confidence"])
    assert decision.policy_version == published


def test_nothing_runs_alone_once_a_stop_is_thrown_and_again_once_it_is_lifted(upstream):
    assert submit_one(client=upstream, confidence=0.95).route == Route.AUTO
    for workflow in (make_workflow(), None):
        pause(workflow, actor=omar(), reason="Something is wrong.", now=NOW)
        decision = submit_one(client=upstream, confidence=0.95)
        assert (decision.route, codes(decision)) == (Route.REVIEW, ["paused"])
        assert decision.facts["paused"] == ("everything" if workflow is None else "workflow")
        resume(workflow, actor=omar(), reason="It is right again.", now=NOW)
        assert submit_one(client=upstream, confidence=0.95).route == Route.AUTO


def test_nothing_runs_alone_on_evidence_that_nobody_has_looked_at(upstream):
    assert submit_one(client=upstream, confidence=0.95).route == Route.AUTO
    late = later(minutes=11)
    assert codes(submit_one(client=upstream, confidence=0.95, now=late)) == ["unmonitored"]
    assess_evidence(make_workflow(), now=late)
    decision = submit_one(client=upstream, confidence=0.95, now=late)
    assert decision.route == Route.AUTO
    assert Facts.from_json(decision.facts).evidence_assessed_at == late


def test_facts_that_change_each_time_end_with_a_person(upstream, monkeypatch):
    real = judging.judge

    def judged_before_a_change(proposal, **given):
        result = real(proposal, **given)
        paused = Workflow.objects.get().paused
        Workflow.objects.update(paused=not paused)
        return result

    monkeypatch.setattr("reviews.services.submit.judge", judged_before_a_change)
    decision = submit_one(client=upstream, confidence=0.95)
    assert decision.route == Route.REVIEW
    assert codes(decision)[-1] == "policy_error"


def test_the_requester_is_matched_to_a_user_whatever_the_case(upstream):
    decision = submit_one(client=upstream, requested_by=ben().email.upper())
    assert decision.requester == ben()
    assert gate_of(decision).requester == ben()
    assert decision.facts["requester_matched"] is True


def test_of_two_users_with_one_address_none_counts_as_matched(upstream):
    User.objects.filter(pk=omar().pk).update(email=ben().email)
    decision = submit_one(client=upstream, requested_by="ben@example.org")
    assert decision.facts["requester_matched"] is False
    assert decision.requester in (ben(), omar())


def test_a_requester_that_nobody_knows_needs_two_verdicts_where_separation_is_wanted(upstream):
    make_live_policy(separation=True)
    assert gate_of(submit_one(client=upstream, requested_by="who@example.org")).verdicts_needed == 2
    assert gate_of(submit_one(client=upstream, requested_by=ben().email)).verdicts_needed == 1


@pytest.mark.parametrize(
    "amount", [None, "", "NaN", "Infinity", "1e999999", "-1", " 1", "9" * 400, 0, 9007199254740991, 1e-7, True, [], {}]
)
@pytest.mark.parametrize("currency", [None, "EUR", "E" * 400, 7])
def test_whatever_stands_in_the_place_of_an_amount_a_decision_comes_of_it(upstream, amount, currency):
    make_live_policy(largest_amount=Decimal(100), daily_amount=Decimal(1000), currency="EUR")
    decision = submit_one(client=upstream, confidence=0.95, payload={"amount": amount, "currency": currency})
    known = currency == "EUR" and amount in (0, 1e-7)
    assert decision.route == ("auto" if known else "review")


# --- Replaying -------------------------------------------------------------------------------------------------------


def replayed(decision):
    """What evaluate says of a stored decision, from its row alone."""
    proposal = Proposal(
        workflow=decision.workflow.key,
        action=decision.action,
        payload=decision.payload,
        subject={"type": decision.subject_type, "id": decision.subject_id},
        confidence=decision.confidence,
        alternatives=tuple(
            Alternative(each["action"], each["confidence"] and Decimal(each["confidence"]))
            for each in decision.alternatives or ()
        ),
        context=decision.context or {},
        model_name=decision.model_name,
        model_version=decision.model_version,
        prompt_digest=decision.prompt_digest,
        requested_by=decision.requested_by or "",
    )
    policy = policy_of_version(decision.policy_version_id) if decision.policy_version_id else None
    draw = audit_draw(decision.pk, settings.COUNTERSIGN_AUDIT_KEY.encode())
    return evaluate(policy, proposal, Facts.from_json(decision.facts), draw=draw)


@pytest.mark.parametrize(
    "changes",
    [
        {"confidence": 0.95},
        {"confidence": 0.62},
        {"confidence": None},
        {"action": "close_account"},
        {"payload": {"amount": "250.00", "currency": "EUR"}, "confidence": 0.95},
        {"payload": {"amount": 12.5, "currency": "USD"}, "confidence": 0.95},
        {"requested_by": "who@example.org", "confidence": 0.95},
    ],
)
def test_judging_a_stored_decision_again_gives_the_same_answer(upstream, changes):
    rule = {"expression": "alternatives.exists(a, a.confidence > 0.5)", "sentence": "Another fits as well."}
    make_live_policy(largest_amount=Decimal(100), currency="EUR", separation=True, daily_count=9, rules=[rule])
    decision = submit_one(client=upstream, **changes)
    assessment = replayed(decision)
    assert assessment.route == decision.route
    assert [reason.to_json() for reason in assessment.reasons] == decision.reasons
    assert (assessment.flagged, assessment.audit_rate) == (decision.flagged, decision.flag_probability)
    assert assessment.threshold == decision.threshold
    assert (assessment.amount, assessment.currency) == (decision.amount, decision.currency)


# --- Budgets ----------------------------------------------------------------------------------------------------------


def test_a_spent_budget_sends_to_a_person_and_writes_nothing_but_that(upstream):
    make_live_policy(daily_count=2)
    decisions = [submit_one(client=upstream, confidence=0.95) for _ in range(3)]
    assert [decision.route for decision in decisions] == ["auto", "auto", "review"]
    assert codes(decisions[-1]) == ["budget_spent"]
    assert decisions[-1].facts["budget_spent"] == ["day"]
    assert BudgetUse.objects.get().count == 2


def test_a_budget_begins_again_each_day(upstream):
    make_live_policy(daily_count=1)
    for day in range(2):
        assess_evidence(make_workflow(), now=later(days=day))
        assert submit_one(client=upstream, confidence=0.95, now=later(days=day)).route == "auto"
    assert BudgetUse.objects.count() == 2


def test_a_budget_of_money_counts_money_and_one_of_a_subject_counts_the_subject(upstream):
    make_live_policy(daily_amount=Decimal(100), subject_daily_amount=Decimal(20), currency="EUR")

    def refund(amount, subject):
        payload = {"amount": amount, "currency": "EUR"}
        return submit_one(
            client=upstream, confidence=0.95, payload=payload, subject={"type": "customer", "id": subject}
        )

    assert refund("15.00", "a").route == "auto"
    assert refund("6.00", "a").facts["budget_spent"] == ["subject"]
    assert refund("5.00", "a").route == "auto"
    for subject in "bcde":
        assert refund("20.00", subject).route == "auto"
    assert refund("1.00", "f").facts["budget_spent"] == ["day"]
    assert sorted(BudgetUse.objects.filter(count__gt=0).values_list("amount", flat=True)) == [20, 20, 20, 20, 20, 100]


def test_a_budget_is_kept_for_the_longest_subject_as_well(upstream):
    make_live_policy(subject_daily_count=1)
    subject = {"type": '"' * 80, "id": "\u20ac" * 255}
    decisions = [submit_one(client=upstream, confidence=0.95, subject=subject) for _ in range(2)]
    assert [decision.route for decision in decisions] == ["auto", "review"]


def test_the_same_request_again_takes_no_budget(upstream):
    make_live_policy(daily_count=5)
    for _ in range(3):
        submitted(upstream, external_id="a", confidence=0.95)
    assert BudgetUse.objects.get().count == 1


# --- The log, the outbox, the shadow ----------------------------------------------------------------------------------


def test_the_log_holds_figures_and_hashes_but_no_free_text(upstream):
    submit_one(
        client=upstream,
        payload={"message": "SECRET-1", "amount": "12.00", "currency": "EUR"},
        reasoning="SECRET-2",
        context={"note": "SECRET-3"},
        subject={"type": "customer", "id": "c", "label": "SECRET-4"},
        requested_by="SECRET-5@example.org",
        run={"state": "SECRET-6"},
    )
    event = Event.objects.get()
    assert "SECRET" not in event.body
    body = json.loads(event.body)
    decision = Decision.objects.get()
    assert body["payload_sha256"] == decision.payload_sha256
    assert body["policy"]["digest"] == decision.policy_version.digest
    assert body["actor"] == {"client": upstream.pk}
    assert body["reasons"] == [
        {"code": "low_confidence", "field": "confidence", "operator": ">=", "limit": "0.85", "observed": "0.62"}
    ]
    assert len(body["content_commitment"]) == 64


def test_endpoints_of_the_client_are_told_and_no_others(upstream):
    make_client("Another agent")[0].endpoints.create(url="https://b.example/hook", secret="whsec_b")
    endpoint = upstream.endpoints.create(url="https://a.example/hook", secret="whsec_a")
    upstream.endpoints.create(url="https://c.example/hook", secret="whsec_c", active=False)
    waiting = submit_one(client=upstream, confidence=0.62)
    settled = submit_one(client=upstream, confidence=0.95)
    told = {delivery.decision_id: delivery for delivery in Delivery.objects.select_related("event")}
    assert {delivery.endpoint for delivery in told.values()} == {endpoint}
    assert (told[waiting.pk].type, told[settled.pk].type) == ("decision.pending", "decision.settled")
    assert told[settled.pk].event.kind == "outcome.settled"
    body = json.loads(told[settled.pk].body)
    assert body["type"] == "decision.settled"
    assert body["data"]["sequence"] == told[settled.pk].event_id
    assert body["data"]["outcome"]["payload_sha256"] == settled.payload_sha256
    assert "message" not in told[settled.pk].body
    assert told[waiting.pk].pk.version == 7


def test_a_shadow_version_is_judged_beside_the_live_one(upstream):
    shadow = make_live_policy(least_confidence=Decimal("0.5"), status=VersionStatus.SHADOW)
    decision = submit_one(client=upstream, confidence=0.62)
    assessment = ShadowAssessment.objects.get(decision=decision)
    assert (decision.route, assessment.route, assessment.policy_version) == ("review", "auto", shadow)
    assert not Outcome.objects.exists()


def test_known_answers_are_told_to_nobody(upstream):
    Client.objects.update(internal=True)
    upstream.endpoints.create(url="https://a.example/hook", secret="whsec_a")
    decision = submit_one(client=upstream)
    assert decision.internal
    assert not Decision.objects.exists()
    assert not Delivery.objects.exists()


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
