"""What a submission is judged on: what is true at that moment, and kept, so that judging again says the same."""

from decimal import Decimal

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from policies.domain.evaluate import audit_draw, evaluate
from policies.domain.spec import Alternative, Facts, Proposal
from policies.domain.vocabulary import Route
from policies.models import Workflow
from policies.queries import policy_of_version
from policies.services import create_draft, pause, publish, resume
from reviews.services import judge as judging
from tests.factories import (
    NOW,
    ada,
    assess_evidence,
    ben,
    gate_of,
    later,
    make_live_policy,
    make_workflow,
    omar,
    submit_one,
)
from tests.reviews.services.submitting import codes

pytestmark = pytest.mark.django_db


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
