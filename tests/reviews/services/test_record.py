"""The log and the outbox."""

import json
from decimal import Decimal

import pytest

from reviews.domain.vocabulary import EventKind, WebhookType
from reviews.models import Client, Delivery
from reviews.services.record import announce, record
from tests.factories import NOW, ana, gate_of, make_client, make_live_policy, make_workflow, submit_one

pytestmark = pytest.mark.django_db


@pytest.fixture
def upstream():
    make_live_policy()
    return make_client()[0]


def endpoint_of(client, name="hook", **fields):
    return client.endpoints.create(url=f"https://{name}.example/{client.pk}", secret="whsec_x", **fields)


def test_an_event_of_a_ticket_tells_whose_decision_it_is(upstream):
    gate = gate_of(submit_one(client=upstream))
    event = record(EventKind.TICKET_CLAIMED, now=NOW, user=ana(), ticket=gate, body={"b": 1, "a": "x"})
    event.refresh_from_db()
    assert (event.client, event.workflow, event.decision, event.ticket) == (
        upstream,
        gate.workflow,
        gate.decision,
        gate,
    )
    assert (event.user, event.at, event.body) == (ana(), NOW, '{"a":"x","b":1}')
    assert event.xid > 0


def test_a_body_that_has_no_canonical_form_is_not_recorded(upstream):
    with pytest.raises(ValueError):
        record(EventKind.EXPORTED, now=NOW, body={"share": Decimal("0.1")})


def test_what_concerns_a_decision_is_told_to_its_client_alone(upstream):
    decision = submit_one(client=upstream)
    mine, _off, _other = (
        endpoint_of(upstream),
        endpoint_of(upstream, "off", active=False),
        endpoint_of(make_client("Another")[0]),
    )
    event = record(EventKind.OUTCOME_SETTLED, now=NOW, decision=decision, body={})
    announce(event, WebhookType.DECISION_SETTLED, body={"decision": str(decision.pk)})
    delivery = Delivery.objects.get()
    assert (delivery.endpoint, delivery.event, delivery.decision) == (mine, event, decision)
    assert (delivery.next_attempt_at, delivery.created_at) == (NOW, NOW)
    assert json.loads(delivery.body) == {
        "type": "decision.settled",
        "timestamp": "2026-03-02T09:00:00Z",
        "data": {"decision": str(decision.pk), "sequence": event.pk},
    }


def test_what_concerns_a_workflow_is_told_to_all_its_clients_once_each(upstream):
    elsewhere = make_client("Elsewhere", workflows=[make_workflow("credit")])[0]
    beside = make_client("Beside", workflows=[make_workflow(), make_workflow("credit")])[0]
    told = {endpoint_of(upstream), endpoint_of(beside)}
    endpoint_of(elsewhere)
    event = record(EventKind.POLICY_CHANGED, now=NOW, workflow=make_workflow(), body={})
    announce(event, WebhookType.POLICY_PUBLISHED, body={})
    assert [delivery.endpoint for delivery in Delivery.objects.order_by("endpoint")] == sorted(
        told, key=lambda endpoint: endpoint.pk
    )


def test_what_concerns_everything_is_told_to_everybody_who_is_still_there(upstream):
    endpoint_of(upstream)
    gone = make_client("Gone", active=False)[0]
    endpoint_of(gone)
    announce(record(EventKind.ALARM_RAISED, now=NOW, body={}), WebhookType.ALARM_RAISED, body={})
    assert Delivery.objects.get().endpoint.client == upstream


def test_known_answers_are_told_to_nobody(upstream):
    Client.objects.update(internal=True)
    endpoint_of(upstream)
    decision = submit_one(client=upstream)
    announce(
        record(EventKind.OUTCOME_SETTLED, now=NOW, decision=decision, body={}), WebhookType.DECISION_SETTLED, body={}
    )
    assert not Delivery.objects.exists()
