"""Leases: who gets which ticket, for how long, and how it comes back."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from psycopg import RawCursor

from policies.domain.canonical import canonical_bytes
from reviews.domain.vocabulary import TicketKind, TicketState
from reviews.models import Decision, Event, Ticket
from reviews.queries import QueueFilters
from reviews.services.claim import (
    AlreadyDecided,
    Asked,
    ClaimLost,
    Held,
    NotAllowed,
    NotVisible,
    _next_statement,
    claim_next,
    claim_ticket,
    release_claim,
    renew_claim,
    skip_ticket,
)
from reviews.services.decide import ask_upstream, escalate_ticket
from tests.factories import (
    NOW,
    ada,
    ana,
    ben,
    eve,
    gate_of,
    ines,
    later,
    make_action,
    make_live_policy,
    make_user,
    make_workflow,
    omar,
    submit_one,
)
from tests.reviewing import decide

pytestmark = pytest.mark.django_db


def open_gates(count: int) -> list[Ticket]:
    """So many gates, a minute apart, the oldest first."""
    make_live_policy()
    return [gate_of(submit_one(now=later(minutes=minute))) for minute in range(count)]


def lapse(ticket: Ticket) -> None:
    """As if its lease had run out by the database's clock."""
    Ticket.objects.filter(pk=ticket.pk).update(claimed_until=NOW - timedelta(days=1))


def reload(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


# --- The next one ----------------------------------------------------------------------------------------------------


def test_the_oldest_of_the_most_urgent_comes_first():
    first, second, escalated, unhurried = open_gates(4)
    Ticket.objects.filter(pk=escalated.pk).update(priority=0)
    Ticket.objects.filter(pk=unhurried.pk).update(priority=2, created_at=later(hours=-1))
    taken = [claim_next(reviewer=ana(), now=later(hours=1)) for _ in range(5)]
    assert taken == [escalated, first, second, unhurried, None]


def test_a_claim_has_a_holder_a_lease_of_five_minutes_an_epoch_and_an_event():
    (gate,) = open_gates(1)
    ticket = claim_next(reviewer=ana(), now=NOW)
    assert ticket is not None
    assert (ticket.state, ticket.claimed_by, ticket.claimed_at, ticket.claim_epoch) == ("claimed", ana(), NOW, 1)
    assert ticket.version == gate.version + 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM claimed_until - statement_timestamp()) FROM reviews_ticket WHERE id = %s",
            [ticket.pk],
        )
        (left,) = cursor.fetchone()
    assert 290 < left <= 300
    event = Event.objects.get(kind="ticket.claimed")
    assert (event.user, event.ticket, event.client) == (ana(), ticket, gate.decision.client)
    body = {"epoch": 1, "from": "open", "lapsed": None, "stage": 1, "ticket": str(gate.pk)}
    assert event.body == canonical_bytes(body).decode()


def test_those_outside_the_group_get_nothing():
    open_gates(1)
    for stranger in (eve(), ines(), ada(), omar()):
        assert claim_next(reviewer=stranger, now=NOW) is None


def test_who_was_shut_out_gets_nothing():
    open_gates(1)
    gone = make_user("gone", groups=["Support"], is_active=False)
    assert claim_next(reviewer=gone, now=NOW) is None


def test_who_asked_for_it_never_sees_it_in_their_queue():
    make_live_policy()
    ana(), ben()
    gate = gate_of(submit_one(requested_by="Ana@Example.org"))
    assert claim_next(reviewer=ana(), now=NOW) is None
    with pytest.raises(NotVisible):
        claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    assert claim_next(reviewer=ben(), now=NOW) == gate


def test_what_ran_out_of_time_is_not_handed_out():
    make_live_policy()
    submit_one(deadline="2026-03-02T09:10:00Z")
    assert claim_next(reviewer=ana(), now=later(minutes=10)) is None


def test_a_lapsed_claim_is_taken_over_without_waiting_for_the_sweep():
    (gate,) = open_gates(1)
    claim_next(reviewer=ana(), now=NOW)
    assert claim_next(reviewer=ben(), now=NOW) is None
    lapse(gate)
    taken = claim_next(reviewer=ben(), now=NOW)
    assert taken == gate
    assert (taken.claimed_by, taken.claim_epoch, taken.resting_state) == (ben(), 2, TicketState.OPEN)


def test_filters_choose_what_comes_next():
    workflow = make_workflow()
    make_action(workflow)
    make_action(workflow, "trace_top_up")
    make_live_policy(workflow)
    submit_one()
    wanted = gate_of(submit_one(action="trace_top_up", subject={"type": "customer", "id": "c-9%"}))
    for filters in (
        QueueFilters(action="trace_top_up"),
        QueueFilters(text="c-9%"),
        QueueFilters(workflow="support", kind="gate", reason="low_confidence", model="support-router", text="C-9"),
    ):
        assert claim_next(reviewer=ana(), now=NOW, filters=filters) == wanted
        release_claim(wanted.pk, reviewer=ana(), epoch=reload(wanted).claim_epoch, now=NOW)
    for filters in (QueueFilters(workflow="nonesuch"), QueueFilters(reason="high_value"), QueueFilters(text="c_9")):
        assert claim_next(reviewer=ana(), now=NOW, filters=filters) is None


def test_a_second_opinion_goes_to_somebody_who_has_not_answered_yet():
    (gate,) = open_gates(1)
    decide(gate, ana())
    opinion = Ticket.objects.create(
        decision=gate.decision,
        kind=TicketKind.SECOND_OPINION,
        workflow=gate.workflow,
        group=gate.group,
        created_at=NOW,
        due_at=later(days=3),
    )
    assert claim_next(reviewer=ana(), now=NOW) is None
    with pytest.raises(NotAllowed):
        claim_ticket(opinion.pk, reviewer=ana(), now=NOW)
    assert claim_next(reviewer=ben(), now=NOW) == opinion


def test_hundreds_of_own_first_verdicts_hide_nothing_behind_them():
    workflow = make_workflow()
    make_live_policy(workflow)
    model = gate_of(submit_one())
    decision = model.decision
    with connection.cursor() as cursor:
        # 400 tickets that Ana has answered once, all before the one that she can take.
        cursor.execute(
            """
            WITH made AS (
                INSERT INTO reviews_decision (id, client_id, external_id, fingerprint, workflow_id, action,
                    subject_type, subject_id, payload_sha256, currency, model_name, model_version, prompt_digest,
                    facts, route, reasons, flagged, flag_probability, internal, received_at)
                SELECT gen_random_uuid(), client_id, 'x' || n, fingerprint, workflow_id, action, '', '',
                       payload_sha256, '', '', '', '', facts, route, reasons, flagged, flag_probability, false,
                       received_at
                  FROM reviews_decision, generate_series(1, 400) n WHERE id = %(decision)s
                RETURNING id
            ), tickets AS (
                INSERT INTO reviews_ticket (id, decision_id, kind, state, resting_state, workflow_id, group_id,
                    priority, created_at, due_at, claim_epoch, stage, verdicts_needed, deliberate_acts, estimate_first,
                    reminders_sent, version)
                SELECT gen_random_uuid(), made.id, 'gate', 'open', 'open', t.workflow_id, t.group_id, 1,
                       t.created_at - interval '1 day', t.due_at, 1, 2, 2, 1, false, 0, 2
                  FROM made, reviews_ticket t WHERE t.id = %(ticket)s
                RETURNING id
            )
            INSERT INTO reviews_verdict (id, ticket_id, stage, reviewer_id, kind, action, payload_sha256, reason_code,
                estimate, shown_sha256, first_shown_at, decided_at, effective_at, request_key)
            SELECT gen_random_uuid(), id, 1, %(ana)s, 'approve', '', '', '', '', '', now(), now(), now(), id::text
              FROM tickets
            """,
            {"decision": decision.pk, "ticket": model.pk, "ana": ana().pk},
        )
    assert claim_next(reviewer=ana(), now=NOW) == model
    last = gate_of(submit_one())
    Ticket.objects.filter(pk=last.pk).update(stage=2)  # somebody else's second stage, behind all of Ana's own
    assert claim_next(reviewer=ana(), now=NOW) == last
    assert claim_next(reviewer=ana(), now=NOW) is None
    assert Decision.objects.count() == 402


# --- A named one -----------------------------------------------------------------------------------------------------


def test_a_held_ticket_says_who_has_it_and_until_when():
    (gate,) = open_gates(1)
    held = claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    with pytest.raises(Held) as refusal:
        claim_ticket(gate.pk, reviewer=ben(), now=NOW)
    assert (refusal.value.by, refusal.value.until) == ("Ana", held.claimed_until)


def test_opening_ones_own_ticket_again_keeps_the_claim():
    (gate,) = open_gates(1)
    first = claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    again = claim_ticket(gate.pk, reviewer=ana(), now=later(minutes=1))
    assert (again.claim_epoch, again.version, again.claimed_at) == (first.claim_epoch, first.version, NOW)


def test_no_such_ticket_is_not_visible():
    make_live_policy()
    with pytest.raises(NotVisible):
        claim_ticket(uuid4(), reviewer=ana(), now=NOW)


def test_a_decided_ticket_says_who_and_when():
    (gate,) = open_gates(1)
    verdict = decide(gate, ana())
    with pytest.raises(AlreadyDecided) as refusal:
        claim_ticket(gate.pk, reviewer=ben(), now=later(seconds=3))
    assert (refusal.value.by, refusal.value.at) == ("Ana", verdict.decided_at)


def test_an_asked_ticket_waits():
    (gate,) = open_gates(1)
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    ask_upstream(gate.pk, reviewer=ana(), epoch=1, text="Which plan?", now=NOW)
    with pytest.raises(Asked):
        claim_ticket(gate.pk, reviewer=ana(), now=later(minutes=1))


# --- Kept, and given back --------------------------------------------------------------------------------------------


def seconds_left(ticket: Ticket) -> float:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM claimed_until - statement_timestamp()) FROM reviews_ticket WHERE id = %s",
            [ticket.pk],
        )
        return float(cursor.fetchone()[0])


def test_a_heartbeat_keeps_the_claim_but_not_past_half_an_hour():
    (gate,) = open_gates(1)
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    Ticket.objects.filter(pk=gate.pk).update(claimed_until=reload(gate).claimed_until - timedelta(minutes=4))
    renew_claim(gate.pk, reviewer=ana(), epoch=1, now=later(minutes=4))
    assert 290 < seconds_left(gate) <= 300
    Ticket.objects.filter(pk=gate.pk).update(claimed_until=reload(gate).claimed_until - timedelta(minutes=4))
    renew_claim(gate.pk, reviewer=ana(), epoch=1, now=later(minutes=28))
    assert 110 < seconds_left(gate) <= 120
    assert reload(gate).version == 2


def test_a_released_ticket_is_anybodys_again():
    (gate,) = open_gates(1)
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    release_claim(gate.pk, reviewer=ana(), epoch=1, now=NOW)
    with pytest.raises(ClaimLost):
        release_claim(gate.pk, reviewer=ana(), epoch=1, now=NOW)
    assert claim_next(reviewer=ben(), now=NOW) == gate


@pytest.mark.parametrize("give_back", [release_claim, renew_claim, skip_ticket])
def test_only_the_present_claim_counts(give_back):
    (gate,) = open_gates(1)
    claim_ticket(gate.pk, reviewer=ana(), now=NOW)
    with pytest.raises(Held):
        give_back(gate.pk, reviewer=ben(), epoch=1, now=NOW)
    with pytest.raises(ClaimLost):
        give_back(gate.pk, reviewer=ana(), epoch=0, now=NOW)
    with pytest.raises(NotVisible):
        give_back(gate.pk, reviewer=eve(), epoch=1, now=NOW)


def test_a_skipped_ticket_stays_away_for_ten_minutes_from_who_skipped_it():
    (gate,) = open_gates(1)
    claim_next(reviewer=ana(), now=NOW)
    skip_ticket(gate.pk, reviewer=ana(), epoch=1, now=NOW)
    assert claim_next(reviewer=ana(), now=later(minutes=9, seconds=59)) is None
    assert claim_next(reviewer=ana(), now=later(minutes=10)) == gate
    skip_ticket(gate.pk, reviewer=ana(), epoch=2, now=later(minutes=10))
    assert claim_next(reviewer=ben(), now=later(minutes=10)) == gate


def test_an_escalated_ticket_is_first_in_the_queue_of_the_escalation_group():
    first, second = open_gates(2)
    claim_ticket(second.pk, reviewer=ana(), now=NOW)
    escalate_ticket(second.pk, reviewer=ana(), epoch=1, note="Over my head.", now=later(minutes=2))
    assert claim_next(reviewer=omar(), now=later(minutes=3)) == second
    assert claim_next(reviewer=omar(), now=later(minutes=3)) is None
    assert reload(second).escalation_note == "Over my head."
    with pytest.raises(NotAllowed):
        escalate_ticket(second.pk, reviewer=omar(), epoch=2, note="", now=later(minutes=3))
    assert claim_next(reviewer=ana(), now=later(minutes=3)) == first


def test_the_claim_can_walk_the_partial_indexes_of_the_queue():
    """The literals in its text must be those of the indexes; with a parameter in their place, none would be used."""
    (gate,) = open_gates(1)
    statement, names = _next_statement((), (gate.group_id,), 32, alike=False)
    values = {"user": ana().pk, "now": NOW, "lease": 300}
    with RawCursor(connection.connection) as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {statement}", [str(values[name]) for name in names])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    for index in ("queue", "later_stages"):
        assert f"using {index} on" in plan, plan
