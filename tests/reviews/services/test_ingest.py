"""Batches: kept as they came, then taken in line by line."""

import json

import pytest

from reviews.models import Decision, Event, IntakeLine, Outcome, Ticket
from reviews.services.ingest import ingest_intake, receive_batch
from tests.factories import NOW, make_client, make_live_policy, proposal_body

pytestmark = pytest.mark.django_db


def line(**changes):
    return json.dumps(proposal_body(**changes)).encode()


def ingested(client, *lines, key=None, now=NOW):
    """The lines of a batch after it was taken in: (state, result) each."""
    intake = receive_batch(client=client, lines=lines, key=key, now=now)
    ingest_intake(intake.pk, now=now)
    intake.refresh_from_db()
    assert intake.finished_at == now
    assert intake.lines_done == intake.lines_total
    return list(intake.lines.order_by("number").values_list("state", "result"))


@pytest.fixture
def upstream(db):
    make_live_policy()
    return make_client()[0]


def test_each_line_becomes_a_decision_with_what_belongs_to_it(upstream):
    found = ingested(upstream, line(confidence=0.95), line(confidence=0.62))
    assert [state for state, _ in found] == ["created", "created"]
    assert [result["status"] for _, result in found] == ["approved", "pending_review"]
    auto, review = (Decision.objects.get(pk=result["id"]) for _, result in found)
    assert Outcome.objects.get(decision=auto).method == "auto"
    assert Ticket.objects.get(decision=review).group.name == "Support"
    assert [event.kind for event in Event.objects.filter(decision=auto).order_by("id")] == [
        "decision.submitted",
        "outcome.settled",
    ]
    assert IntakeLine.objects.filter(raw=b"").count() == 2
