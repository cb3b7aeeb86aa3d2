"""Intakes: kept as they came, then taken in by a worker, a result for each line."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connections

from policies.services import pause
from reviews.models import (
    BudgetUse,
    Client,
    Decision,
    Delivery,
    Event,
    Intake,
    IntakeLine,
    Outcome,
    ShadowAssessment,
    Ticket,
)
from reviews.services import ingest as ingesting
from reviews.services.ingest import (
    MAX_LINES,
    IntakeConflict,
    NoLines,
    TooManyLines,
    ingest_chunk,
    ingest_intake,
    receive_batch,
    receive_one,
    unfinished_intakes,
)
from tests.concurrency import another_session, insert_copy_of
from tests.factories import (
    NOW,
    ben,
    later,
    make_client,
    make_live_policy,
    make_workflow,
    omar,
    proposal_body,
    submit_one,
)

pytestmark = pytest.mark.django_db


def line(**changes):
    return json.dumps(proposal_body(**changes)).encode()


def results_of(intake):
    return list(intake.lines.order_by("number").values_list("state", "result"))


def ingested(client, *lines, now=NOW):
    """(state, result) of each line of a batch after it was taken in."""
    intake = receive_batch(client=client, lines=lines, key=None, now=now)
    ingest_intake(intake.pk, now=now)
    intake.refresh_from_db()
    assert intake.finished_at == now
    assert intake.lines_done == intake.lines_total == intake.lines.count()
    return results_of(intake)


@pytest.fixture
def upstream(db):
    make_live_policy()
    return make_client()[0]


# --- Receiving --------------------------------------------------------------------------------------------------------


def test_a_batch_is_kept_with_an_id_for_each_decision_before_anything_is_judged(upstream):
    intake = receive_batch(client=upstream, lines=[b"one", b"", b" \r", b"two\r"], key=None, now=NOW)
    assert (intake.kind, intake.lines_total, intake.finished_at) == ("batch", 2, None)
    kept = list(intake.lines.order_by("number"))
    assert [(each.number, bytes(each.raw), each.state) for each in kept] == [
        (1, b"one", "received"),
        (4, b"two\r", "received"),
    ]
    assert len({each.decision_id for each in kept}) == 2
    assert not Decision.objects.exists()


def test_a_batch_of_nothing_and_one_of_too_much_are_refused_with_the_limit(upstream):
    with pytest.raises(NoLines):
        receive_batch(client=upstream, lines=[b"", b"  "], key=None, now=NOW)
    with pytest.raises(TooManyLines, match="50,000"):
        receive_batch(client=upstream, lines=(b"{}" for _ in range(MAX_LINES + 1)), key=None, now=NOW)
    assert not Intake.objects.exists()


def test_the_same_batch_under_one_key_is_one_intake_and_another_a_conflict(upstream):
    first = receive_batch(client=upstream, lines=[b"1"], key="k", now=NOW)
    assert receive_batch(client=upstream, lines=[b"1"], key="k", now=NOW).pk == first.pk
    with pytest.raises(IntakeConflict) as caught:
        receive_batch(client=upstream, lines=[b"2"], key="k", now=NOW)
    assert caught.value.intake_id == first.pk
    assert IntakeLine.objects.count() == 1


def test_one_request_that_is_answered_later_has_the_decision_it_was_promised(upstream):
    intake = receive_one(client=upstream, raw=line(external_id="a"), key="k", now=NOW)
    ingest_intake(intake.pk, now=NOW)
    decision = Decision.objects.get()
    assert decision.pk == intake.lines.get().decision_id
    assert (decision.external_id, decision.idempotency_key) == ("a", "k")


# --- Taking in --------------------------------------------------------------------------------------------------------


def test_each_line_becomes_a_decision_with_what_belongs_to_it(upstream):
    found = ingested(upstream, line(confidence=0.95), line(confidence=0.62))
    assert [state for state, _ in found] == ["created", "created"]
    assert [result["status"] for _, result in found] == ["approved", "pending_review"]
    automatic, waiting = (Decision.objects.get(pk=result["id"]) for _, result in found)
    assert Outcome.objects.get(decision=automatic).method == "auto"
    assert Ticket.objects.get(decision=waiting).group.name == "Support"
    kinds = Event.objects.filter(decision=automatic).order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["decision.submitted", "outcome.settled"]
    assert set(IntakeLine.objects.values_list("raw", flat=True)) == {b""}


def row_of(instance, *leaving_out):
    """All columns but ids, which differ, and what is drawn at random."""
    apart = {"id", "salt", *leaving_out}
    return {f.attname: getattr(instance, f.attname) for f in instance._meta.fields if f.attname not in apart}


@pytest.mark.parametrize(
    ("changes", "ours"),
    [
        ({"confidence": 0.62}, {}),
        ({"confidence": 0.95}, {}),
        ({"confidence": 0.95}, {"audit_rate": Decimal(1)}),
        ({"confidence": 0.95, "requested_by": "Ben@example.org", "subject": None, "context": None}, {}),
        ({"confidence": 0.97, "deadline": "2026-03-04T00:00:00Z", "run": {"state": [1, 2.5]}}, {}),
        ({"confidence": 0.97}, {"rules": [{"expression": "true", "sentence": "Odd.", "group": "Fraud"}]}),
    ],
)
def test_a_line_is_written_exactly_as_a_single_submission_is(upstream, changes, ours):
    ben()
    make_live_policy(**ours)
    make_live_policy(status="shadow", least_confidence=Decimal("0.5"))
    upstream.endpoints.create(url="https://a.example/hook", secret="whsec_a")
    single = submit_one(client=upstream, **changes)
    ((_, result),) = ingested(upstream, line(**changes))
    batch = Decision.objects.get(pk=result["id"])
    assert row_of(batch, "external_id", "fingerprint") == row_of(single, "external_id", "fingerprint")
    for related in (Ticket, Outcome, ShadowAssessment):
        found, expected = related.objects.filter(decision=batch), related.objects.filter(decision=single)
        assert [row_of(each, "decision_id") for each in found] == [row_of(each, "decision_id") for each in expected]

    def told(decision):
        events = Event.objects.filter(decision=decision).order_by("id")
        deliveries = Delivery.objects.filter(decision=decision).select_related("event")
        return (
            [row_of(each, "decision_id", "ticket_id", "xid", "body") for each in events],
            [json.loads(each.body).keys() for each in events],
            [(each.type, each.event.kind, each.event_id - sequence_of(each)) for each in deliveries],
        )

    def sequence_of(delivery):
        return json.loads(delivery.body)["data"]["sequence"]

    assert told(batch) == told(single)


def test_a_bad_line_hurts_no_other_and_says_what_is_wrong_where(upstream):
    body = proposal_body()
    found = ingested(
        upstream,
        line(),
        b"{",
        b'{"a": 1, "a": 2}',
        line(confidence="0.9", extra=1),
        line(workflow="nowhere"),
        line(deadline="2026-03-01T00:00:00Z"),
        json.dumps({**body, "reasoning": "x" * 1_100_000}).encode(),
        line(),
    )
    assert [state for state, _ in found] == ["created", *["refused"] * 6, "created"]
    statuses = [result.get("status") for _, result in found[1:-1]]
    assert statuses == [400, 422, 422, 422, 422, 422]
    assert [error["pointer"] for error in found[3][1]["errors"]] == ["/extra", "/confidence"]
    assert found[4][1]["errors"] == [
        {"pointer": "/workflow", "detail": "There is no workflow 'nowhere' for this client."}
    ]
    assert "1,048,576" in found[6][1]["detail"]
    assert Decision.objects.count() == 2


def test_the_same_lines_again_create_nothing_twice(upstream):
    lines = [line(confidence=confidence) for confidence in (0.62, 0.95)]
    first, again = ingested(upstream, *lines), ingested(upstream, *lines)
    assert [state for state, _ in again] == ["replayed", "replayed"]
    assert [result for _, result in again] == [result for _, result in first]
    assert Decision.objects.count() == 2


def test_lines_of_one_batch_with_one_external_id_are_one_decision_or_a_conflict(upstream):
    twice, other = line(external_id="a"), line(external_id="a", confidence=0.5)
    found = ingested(upstream, twice, twice, other)
    assert [state for state, _ in found] == ["created", "replayed", "refused"]
    assert (found[2][1]["status"], found[2][1]["decision"]) == (409, found[0][1]["id"])


def test_a_line_that_takes_from_a_budget_takes_no_more_than_is_left(upstream):
    make_live_policy(daily_count=3)
    found = ingested(upstream, *[line(confidence=0.95) for _ in range(5)], line(confidence=0.2))
    assert Counter(result["status"] for _, result in found) == {"approved": 3, "pending_review": 3}
    assert BudgetUse.objects.get().count == 3


def test_nothing_of_a_batch_runs_alone_while_the_workflow_is_stopped(upstream):
    pause(make_workflow(), actor=omar(), reason="Something is wrong.", now=NOW)
    ((_, result),) = ingested(upstream, line(confidence=0.95))
    assert result["route"] == "review"


def test_no_intake_is_a_way_past_what_a_client_may_do(upstream):
    intake = receive_batch(client=upstream, lines=[line()], key=None, now=NOW)
    upstream.workflows.clear()
    ingest_intake(intake.pk, now=NOW)
    assert results_of(intake)[0][1]["status"] == 422
    intake = receive_batch(client=upstream, lines=[line()], key=None, now=NOW)
    Client.objects.update(active=False)
    ingest_intake(intake.pk, now=NOW)
    assert results_of(intake)[0][1]["status"] == 401
    assert not Decision.objects.exists()


def test_a_line_that_breaks_something_is_told_so_and_the_others_go_in(upstream, monkeypatch):
    make_live_policy(daily_count=9)  # so that the lines go one by one
    real = ingesting.submit_decision

    def fails_once(*, submission, **given):
        if submission.external_id == "bad":
            raise ZeroDivisionError
        return real(submission=submission, **given)

    monkeypatch.setattr(ingesting, "submit_decision", fails_once)
    found = ingested(upstream, line(confidence=0.95, external_id="bad"), line(confidence=0.95))
    assert [(state, result.get("status")) for state, result in found] == [("refused", 500), ("created", "approved")]


# --- Killed, lost, or at it twice -------------------------------------------------------------------------------------


def test_an_intake_that_was_left_half_way_goes_on_where_it_stood(upstream, monkeypatch):
    monkeypatch.setattr(ingesting, "CHUNK", 10)
    intake = receive_batch(client=upstream, lines=[line() for _ in range(25)], key=None, now=NOW)
    assert ingest_chunk(intake.pk, now=NOW)
    intake.refresh_from_db()
    assert (intake.lines_done, intake.finished_at) == (10, None)
    ingest_intake(intake.pk, now=NOW)
    intake.refresh_from_db()
    assert (intake.lines_done, intake.finished_at, Decision.objects.count()) == (25, NOW, 25)


@pytest.mark.parametrize("budget", [None, 9])
def test_a_line_whose_decision_was_made_by_a_run_that_was_killed_counts_as_created(upstream, budget):
    make_live_policy(daily_count=budget)
    sent = [line(), line(confidence=0.95)]
    intake = receive_batch(client=upstream, lines=sent, key=None, now=NOW)
    ingest_intake(intake.pk, now=NOW)
    before = results_of(intake)
    # As if the worker had died after the decisions and before the results.
    for number, raw in enumerate(sent, 1):
        intake.lines.filter(number=number).update(state="received", result=None, raw=raw)
    ingest_intake(intake.pk, now=NOW)
    assert results_of(intake) == before
    assert Decision.objects.count() == 2


def test_the_sweeper_hears_of_an_intake_whose_bell_was_lost_until_it_is_done(upstream):
    intake = receive_batch(client=upstream, lines=[line()], key=None, now=NOW)
    assert unfinished_intakes(now=later(seconds=1)) == []
    assert unfinished_intakes(now=later(seconds=6)) == [intake.pk]
    ingest_intake(intake.pk, now=NOW)
    assert unfinished_intakes(now=later(seconds=6)) == []


@pytest.mark.django_db(transaction=True)
def test_workers_at_one_intake_at_once_make_each_decision_once(upstream, monkeypatch):
    monkeypatch.setattr(ingesting, "CHUNK", 20)
    lines = [line(external_id=f"x-{number % 50}") for number in range(100)] + [line() for _ in range(100)]
    intake = receive_batch(client=upstream, lines=lines, key=None, now=NOW)

    def work(_):
        try:
            ingest_intake(intake.pk, now=NOW)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    ingest_intake(intake.pk, now=NOW)
    intake.refresh_from_db()
    assert Counter(state for state, _ in results_of(intake)) == {"created": 150, "replayed": 50}
    assert (intake.lines_done, Decision.objects.count(), Event.objects.count()) == (200, 150, 150)


@pytest.mark.django_db(transaction=True)
def test_a_chunk_that_meets_a_twin_in_flight_goes_line_by_line(upstream):
    standing = submit_one(client=upstream)
    intake = receive_batch(client=upstream, lines=[line(), line(external_id="twin"), line()], key=None, now=NOW)

    def work():
        ingest_intake(intake.pk, now=NOW)
        connections.close_all()

    with another_session() as other, ThreadPoolExecutor(1) as pool:
        insert_copy_of(standing, external_id="twin", session=other)
        working = pool.submit(work)
        time.sleep(0.5)
        assert not working.done()
        other.commit()
        working.result()
    found = results_of(intake)
    assert [state for state, _ in found] == ["created", "refused", "created"]
    assert found[1][1]["status"] == 409
