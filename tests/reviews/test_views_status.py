"""The status page: for whom it is, and that each figure on it is the one that stands in the database."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reviews.domain.vocabulary import DeliveryState, EventKind, TicketState
from reviews.models import Checkpoint, Delivery, Endpoint, Event, Heartbeat, Intake, Leaf, Ticket
from reviews.queries.status import status_of
from reviews.services.claim import claim_ticket
from reviews.services.ingest import receive_one
from reviews.services.sweep import sweep_once
from tests import factories as make
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture(autouse=True)
def policy(now):
    return make.make_live_policy(now=now)


def found(now):
    return status_of(evidence_max_age=timedelta(minutes=10), now=now)


@pytest.mark.parametrize(
    ("who", "code"),
    [(make.ana, 403), (make.omar, 200), (make.ada, 200), (make.ines, 403), (make.eve, 403)],
)
def test_it_is_for_leads_and_admins(client, who, code):
    client.force_login(who())
    assert client.get("/status/").status_code == code
    assert ('href="/status/"' in client.get("/").content.decode()) == (code == 200)


def test_whoever_is_not_logged_in_is_sent_to_log_in(client):
    assert client.get("/status/").headers["Location"] == "/login/?next=/status/"


def test_it_can_be_read_where_nothing_has_happened_yet(client):
    Heartbeat.objects.all().delete()
    client.force_login(make.ada())
    page = client.get("/status/").content.decode()
    for said in ("No process has beaten yet.", "Nothing was swept yet.", "nothing runs alone"):
        assert said in page
    assert found(timezone.now()).machine.sealing.checkpoint_at is None


def test_the_backlog_is_counted_by_workflow(now, settings):
    settings.MIN_SECONDS_BEFORE_VERDICT = 0
    tickets = [make.gate_of(make.submit_one(now=now)) for _ in range(5)]
    make.make_workflow("refunds")
    claim_ticket(tickets[0].pk, reviewer=make.ana(), now=now)
    decide(tickets[1], make.ben(), now=now)
    Ticket.objects.filter(pk=tickets[2].pk).update(due_at=now - HOUR, created_at=now - HOUR)
    Ticket.objects.filter(pk=tickets[3].pk).update(stage=2)
    refunds, support = found(now).backlog
    assert (refunds.title, refunds.open, refunds.oldest_at) == ("Refunds", 0, None)
    assert (support.open, support.held, support.in_hold, support.asked, support.overdue) == (3, 1, 1, 0, 1)
    assert support.oldest_at == now - HOUR
    assert not found(now).at_least


def test_a_question_that_waits_upstream_is_counted_as_asked(now):
    ticket = make.gate_of(make.submit_one(now=now))
    Ticket.objects.filter(pk=ticket.pk).update(state=TicketState.WAITING, asked_at=now)
    ticket.questions.create(asked_by=make.ana(), text="Which?", asked_at=now)
    (support,) = found(now).backlog
    assert (support.asked, support.open) == (1, 0)


def test_deliveries_that_wait_or_were_given_up_are_counted(now):
    upstream, _ = make.make_client(now=now)
    Endpoint.objects.create(client=upstream, url="https://hooks.example.org/in", secret="whsec_YQ==")
    make.submit_one(client=upstream, now=now - HOUR)
    make.submit_one(client=upstream, now=now)
    assert (found(now).machine.deliveries.waiting, found(now).machine.deliveries.due_since) == (2, now - HOUR)
    Delivery.objects.filter(created_at=now).update(state=DeliveryState.DEAD)
    outbox = found(now).machine.deliveries
    assert (outbox.waiting, outbox.dead, outbox.dead_at) == (1, 1, now)


def test_the_oldest_unsealed_event_is_the_first_behind_the_last_leaf(now):
    for minutes in (3, 2, 1):
        make.submit_one(now=now - timedelta(minutes=minutes), confidence=None)
    events = list(Event.objects.order_by("epoch", "xid", "id"))
    assert found(now).machine.sealing.unsealed_since == events[0].at
    for index, event in enumerate(events[:-1]):
        Leaf.objects.create(index=index, event=event, hash=b"")
    Checkpoint.objects.create(size=2, root=b"", note="", created_at=now)
    sealing = found(now).machine.sealing
    assert (sealing.unsealed_since, sealing.leaves) == (events[-1].at, len(events) - 1)
    assert (sealing.checkpoint_size, sealing.checkpoint_at) == (2, now)
    Leaf.objects.create(index=len(events) - 1, event=events[-1], hash=b"")
    assert found(now).machine.sealing.unsealed_since is None
    assert events[-1].kind == EventKind.DECISION_SUBMITTED


def test_unfinished_intakes_and_their_lines_are_counted(now):
    upstream, _ = make.make_client(now=now)
    receive_one(client=upstream, raw=b"{}", key=None, now=now)
    Intake.objects.create(client=upstream, kind="batch", fingerprint="", lines_total=9, lines_done=2, received_at=now)
    intakes = found(now).machine.intakes
    assert (intakes.unfinished, intakes.lines_left, intakes.since) == (2, 8, now)


def test_a_process_that_no_longer_beats_is_late_and_old_evidence_is_told(now):
    sweep_once(now=now)
    Heartbeat.objects.create(name="worker", beat_at=now - HOUR)
    make.assess_evidence(make.make_workflow(), now=now - HOUR)
    status = found(now)
    late = {beat.name: beat.late for beat in status.machine.processes}
    assert (late["sweeper"], late["worker"]) == (False, True)
    assert [(beat.name, beat.late) for beat in status.machine.evidence] == [("support", True)]
    assert dict(status.last_round)["settled"] == 0
    assert dict(status.rung)["reviews.tasks.beat"] == now


def test_a_failed_step_is_shown(client, now):
    Heartbeat.objects.create(name="sweeper", beat_at=now, detail={"done": {"failed": 1, "settled": 3}})
    client.force_login(make.omar())
    assert "1 step failed" in client.get("/status/").content.decode()


def test_a_step_that_fails_is_told_with_when_it_last_worked(client, now, monkeypatch):
    sweep_once(now=now - HOUR)

    def fails(*, now):
        raise ValueError

    monkeypatch.setattr("reviews.services.sweep.escalate_due", fails)
    sweep_once(now=now)
    assert found(now).overdue_steps == (("escalated", now - HOUR),)
    client.force_login(make.omar())
    page = client.get("/status/").content.decode()
    assert "Escalated last worked" in page
    assert "1 h 00" in page


def test_the_page_costs_the_same_whatever_waits(client, now, django_assert_max_num_queries):
    for _ in range(8):
        make.submit_one(now=now)
    client.force_login(make.omar())
    client.get("/status/")
    with django_assert_max_num_queries(20):
        client.get("/status/")
