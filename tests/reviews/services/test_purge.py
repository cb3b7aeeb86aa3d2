"""Retention: what is emptied, what stays, and that nothing goes too early."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from policies.models import Workflow
from reviews.domain.vocabulary import EventKind
from reviews.models import Decision, Event, Heartbeat, IntakeLine, Outcome, Ticket, Verdict
from reviews.services.claim import claim_ticket
from reviews.services.ingest import ingest_chunk, receive_one
from reviews.services.purge import PURGE, purge_due, purge_some
from reviews.services.report import report_execution, report_truth
from reviews.services.settle import settle_due
from tests import factories as make
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def long_ago(now):
    return now - 40 * DAY


@pytest.fixture(autouse=True)
def workflow(long_ago):
    make.make_live_policy(now=long_ago)
    workflow = make.make_workflow()
    Workflow.objects.filter(pk=workflow.pk).update(retention_days=30)
    return workflow


@pytest.fixture
def settled(long_ago):
    """Rejected by Ana with a note, forty days ago, and settled since."""
    decision = make.submit_one(now=long_ago)
    decide(make.gate_of(decision), make.ana(), "reject", now=long_ago, note="Not under this plan.")
    settle_due(now=long_ago + DAY)
    return decision


def test_content_goes_and_hashes_figures_and_log_stay(settled, now):
    events = list(Event.objects.filter(decision=settled).values_list("id", "body"))
    assert purge_due(now=now) == 1
    purged = Decision.everything.get(pk=settled.pk)
    assert purged.purged_at is not None
    emptied = ("payload", "alternatives", "reasoning", "context", "subject_label", "requested_by", "run", "salt")
    assert [getattr(purged, name) for name in emptied] == [None] * len(emptied)
    assert (purged.payload_sha256, purged.confidence) == (settled.payload_sha256, settled.confidence)
    verdict = Verdict.objects.get()
    assert (verdict.note, verdict.payload, verdict.kind) == (None, None, "reject")
    assert Outcome.objects.get().kind == "rejected"
    assert (
        list(Event.objects.filter(decision=settled).exclude(kind=EventKind.DECISION_PURGED).values_list("id", "body"))
        == events
    )
    event = Event.objects.get(kind=EventKind.DECISION_PURGED)
    assert json.loads(event.body) == {"decision": str(settled.pk), "retention_days": 30}
    assert purge_due(now=now) == 0


def test_what_clients_reported_and_what_was_received_goes_with_it(workflow, now, long_ago):
    client, _ = make.make_client(now=long_ago, independent=True)
    body = json.dumps(make.proposal_body(confidence=0.95)).encode()
    intake = receive_one(client=client, raw=body, key=None, now=long_ago)
    ingest_chunk(intake.pk, now=long_ago)
    decision = Decision.objects.get(pk=intake.lines.get().decision_id)
    report_execution(decision.pk, client=client, status="succeeded", detail="Paid to K.", now=long_ago)
    report_truth(decision.pk, client=client, right_action="refund_fee", detail="K. said so.", now=long_ago)
    assert purge_due(now=now) == 1
    line = IntakeLine.objects.get()
    assert (bytes(line.raw), line.result) == (b"", None)
    assert decision.executions.get().detail == ""
    assert decision.truths.get().detail == ""


def test_what_is_younger_or_still_waits_or_is_kept_for_ever_stays(workflow, settled, now, long_ago):
    young = make.submit_one(now=now - DAY, confidence=None)
    waiting = make.gate_of(make.submit_one(now=long_ago))
    claim_ticket(waiting.pk, reviewer=make.ana(), now=now)
    Workflow.objects.filter(pk=workflow.pk).update(retention_days=None)
    assert purge_due(now=now) == 0
    Workflow.objects.filter(pk=workflow.pk).update(retention_days=30)
    assert purge_due(now=now) == 1
    assert Decision.everything.get(pk=young.pk).payload is not None
    assert Ticket.objects.get(pk=waiting.pk).decision.payload is not None


def test_the_sweeper_sees_to_it_once_a_day_and_some_at_a_time(now, long_ago):
    for _ in range(3):
        make.submit_one(now=long_ago, confidence=0.95)
    assert Decision.objects.filter(route="auto").count() == 3
    assert [purge_some(now=now, most=2), purge_some(now=now, most=2), purge_some(now=now, most=2)] == [2, 1, 0]
    assert Heartbeat.objects.get(pk=PURGE).beat_at == now
    make.submit_one(now=long_ago, confidence=0.95)
    assert purge_some(now=now + DAY - timedelta(seconds=1)) == 0
    assert purge_some(now=now + DAY) == 1


def test_the_command_does_it_all_at_once(settled):
    said = StringIO()
    call_command("purge", stdout=said)
    assert said.getvalue() == "Purged: 1\n"


def test_pages_answers_and_files_cope_with_what_was_purged(client, settled, now):
    purge_due(now=now)
    client.force_login(make.omar())
    story = client.get(f"/log/{settled.pk}/").content.decode()
    assert "Purged on" in story
    assert "Not under this plan." not in story
    assert client.get("/log/").status_code == 200
    assert "Customer 77" not in b"".join(client.get("/log.jsonl").streaming_content).decode()
    ticket = make.gate_of(settled)
    assert "Purged on" in client.get(f"/tickets/{ticket.pk}/").content.decode()
    assert client.get(f"/api/v1/tickets/{ticket.pk}").status_code == 200
