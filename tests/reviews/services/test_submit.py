"""Taking decisions in."""

import pytest

from policies.domain.vocabulary import Route
from reviews.models import Event, Outcome, Ticket
from tests.factories import gate_of, make_live_policy, submit_one

pytestmark = pytest.mark.django_db


def test_a_confident_proposal_runs_alone():
    make_live_policy()
    decision = submit_one(confidence=0.95)
    assert decision.route == Route.AUTO, decision.reasons
    assert Outcome.objects.get(decision=decision).method == "auto"
    assert not Ticket.objects.exists()


def test_a_proposal_below_the_threshold_waits_for_a_person():
    make_live_policy()
    decision = submit_one(confidence=0.62)
    assert decision.route == Route.REVIEW
    assert [reason["code"] for reason in decision.reasons] == ["low_confidence"]
    gate = gate_of(decision)
    assert (gate.group.name, gate.priority) == ("Support", 2)
    assert Event.objects.get().kind == "decision.submitted"
