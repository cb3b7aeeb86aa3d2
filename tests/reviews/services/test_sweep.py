"""What the sweeper does each second, and that it does it alone."""

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection

from policies.domain.vocabulary import ChangeKind
from policies.models import PolicyChange
from reviews.domain.vocabulary import TicketState
from reviews.models import Delivery, Endpoint, Event, Heartbeat, Skip, Ticket
from reviews.services.claim import claim_next, skip_ticket
from reviews.services.ingest import receive_one
from reviews.services.sweep import RUNG, only_sweeper, sweep_once
from tests.factories import NOW, ada, ana, gate_of, later, make_client, make_live_policy, make_workflow, submit_one
from tests.reviewing import decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def bells(monkeypatch) -> list[tuple[str, ...]]:
    """What the broker was asked to take."""
    rung: list[tuple[str, ...]] = []
    broker = SimpleNamespace(send_task=lambda task, *, args, **_: rung.append((task, *args)))
    monkeypatch.setattr("reviews.services.ring.current_app", broker)
    return rung


@pytest.fixture
def sweep_at(bells, django_capture_on_commit_callbacks):
    """One round at a time of the test's choosing, and its bells rung."""

    def sweep(now):
        bells.clear()
        with django_capture_on_commit_callbacks(execute=True):
            return sweep_once(now=now)

    return sweep


def test_one_round_settles_expires_escalates_and_lapses(sweep_at):
    make_live_policy()
    decided, expired, due, lapsed = (
        gate_of(submit_one(deadline=deadline)) for deadline in (None, "2026-03-02T09:30:00Z", None, None)
    )
    decide(decided, ana())
    Ticket.objects.filter(pk=due.pk).update(due_at=later(minutes=30))
    claim_next(reviewer=ana(), now=NOW)
    held = Ticket.objects.get(state=TicketState.CLAIMED)
    Ticket.objects.filter(pk=held.pk).update(claimed_until=NOW - timedelta(days=1))
    done = sweep_at(later(hours=1))
    assert (done["settled"], done["expired"], done["escalated"], done["failed"]) == (1, 1, 1, 0)
    states = {ticket.pk: ticket.state for ticket in Ticket.objects.all()}
    assert states == {
        decided.pk: TicketState.SETTLED,
        expired.pk: TicketState.EXPIRED,
        due.pk: TicketState.OPEN,
        lapsed.pk: TicketState.OPEN,
    }


def test_a_step_that_fails_keeps_none_of_the_others_from_their_work(sweep_at):
    def out_of_order(execute, sql, params, many, context):
        if '"policies_policychange"' in sql:
            raise DatabaseError("out of order")
        return execute(sql, params, many, context)

    make_live_policy()
    decide(gate_of(submit_one()), ana())
    with connection.execute_wrapper(out_of_order):
        done = sweep_at(later(minutes=1))
    assert (done["failed"], done["settled"]) == (1, 1)
    assert Heartbeat.objects.get(pk="sweeper").detail["rung"]


def test_for_an_intake_that_nobody_takes_in_it_rings_less_and_less_often(sweep_at, bells):
    intake = receive_one(client=make_client()[0], raw=b"{}", key=None, now=NOW)
    rung = []
    for second in (0, 1, 2, 3, 5, 6, 7, 13, 14, 15, 29, 30, 31, 59, 60, 61):
        sweep_at(later(minutes=1, seconds=second))
        if ("reviews.tasks.ingest_intake", str(intake.pk)) in bells:
            rung.append(second)
    assert rung == [0, 2, 6, 14, 30, 60]


def test_a_ticket_that_can_not_be_settled_stops_no_other(sweep_at):
    make_live_policy()
    broken, sound = (gate_of(submit_one()) for _ in range(2))
    for gate in (broken, sound):
        decide(gate, ana())
    # As if its verdict had been lost: there is nothing that could count.
    broken.verdicts.update(voided_at=NOW)
    assert sweep_at(later(minutes=1))["settled"] == 1
    assert Ticket.objects.get(pk=sound.pk).state == TicketState.SETTLED
    assert Ticket.objects.get(pk=broken.pk).state == TicketState.DECIDED


def test_what_was_done_to_a_policy_is_told_once(sweep_at):
    workflow = make_workflow()
    client, _ = make_client()
    Endpoint.objects.create(client=client, url="https://hooks.example/x", secret="whsec_eA==")
    for kind in (ChangeKind.PUBLISHED, ChangeKind.WITHDRAWN, ChangeKind.PAUSED):
        PolicyChange.objects.create(kind=kind, workflow=workflow, actor=ada(), reason="Too many errors.", at=NOW)
    assert sweep_at(later(seconds=1))["policy_changes"] == 3
    assert sweep_at(later(seconds=2))["policy_changes"] == 0
    events = Event.objects.filter(kind="policy.changed")
    assert [(event.user, event.workflow) for event in events] == [(ada(), workflow)] * 3
    assert not any("Too many" in event.body for event in events)
    types = list(Delivery.objects.order_by("id").values_list("type", flat=True))
    assert types == ["policy.published", "autonomy.withdrawn"]


def test_a_stop_of_everything_is_told_too(sweep_at):
    PolicyChange.objects.create(kind=ChangeKind.PAUSED, workflow=None, actor=ada(), reason="Fire.", at=NOW)
    sweep_at(NOW)
    assert '"workflow":null' in Event.objects.get(kind="policy.changed").body


def test_it_rings_for_deliveries_that_are_due_and_for_nothing_else(sweep_at, bells):
    client, _ = make_client()
    endpoint = Endpoint.objects.create(client=client, url="https://hooks.example/x", secret="whsec_eA==")
    make_live_policy()
    submit_one(client=client)
    deliver = ("reviews.tasks.deliver",)
    sweep_at(NOW)
    assert deliver in bells
    for changes in ({"next_attempt_at": later(hours=1)}, {"leased_until": later(hours=1)}, {"state": "delivered"}):
        Delivery.objects.update(next_attempt_at=NOW, leased_until=None, state="waiting")
        Delivery.objects.update(**changes)
        sweep_at(NOW)
        assert deliver not in bells
    Delivery.objects.update(next_attempt_at=NOW, leased_until=None, state="waiting")
    Endpoint.objects.filter(pk=endpoint.pk).update(active=False)
    sweep_at(NOW)
    assert deliver not in bells


@pytest.mark.parametrize("task", RUNG)
def test_it_rings_by_the_clock_whoever_swept_before(sweep_at, bells, task):
    sweep_at(NOW)
    assert (task,) in bells
    sweep_at(later(seconds=RUNG[task] - 1))
    assert (task,) not in bells
    sweep_at(later(seconds=RUNG[task]))
    assert (task,) in bells
    assert RUNG[task] <= 60


def test_old_skips_are_forgotten(sweep_at):
    make_live_policy()
    gate = gate_of(submit_one())
    claim_next(reviewer=ana(), now=NOW)
    skip_ticket(gate.pk, reviewer=ana(), epoch=1, now=NOW)
    sweep_at(later(minutes=20))
    assert Skip.objects.exists()
    sweep_at(later(hours=2))
    assert not Skip.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_while_one_sweeps_another_stands_by():
    found: list[bool] = []

    def other() -> None:
        with only_sweeper() as is_ours:
            found.append(is_ours)
        connection.close()

    with only_sweeper() as is_ours:
        assert is_ours
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    other()
    assert found == [False, True]


@pytest.mark.django_db(transaction=True)
def test_the_command_does_one_round(capsys):
    call_command("sweep", once=True)
    assert "'failed': 0" in capsys.readouterr().out
    assert Heartbeat.objects.filter(pk="sweeper").exists()
