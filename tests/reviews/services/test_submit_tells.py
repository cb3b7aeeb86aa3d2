"""What a submission tells: the log, the outbox, and what a shadow version would have said."""

import json
from decimal import Decimal

import pytest

from policies.domain.vocabulary import VersionStatus
from reviews.models import Client, Decision, Delivery, Event, Outcome, ShadowAssessment
from tests.factories import make_client, make_live_policy, submit_one

pytestmark = pytest.mark.django_db


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
