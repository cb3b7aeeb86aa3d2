"""Decisions as upstream reads them, and as the log tells of them."""

from decimal import Decimal

import pytest

from feedback.domain.findings import band_of
from reviews.queries import LogFilters, decision_answer, decision_status, decisions_of, log_page, story
from reviews.queries import decisions as module
from reviews.queries.decisions import BANDS
from reviews.queries.log_export import log_stretches
from reviews.services.claim import claim_ticket
from reviews.services.decide import ask_upstream
from reviews.services.permit import issue_permit, redeem_permit
from reviews.services.report import report_execution
from reviews.services.settle import cancel_decision, expire_due, settle_due
from tests.factories import NOW, ana, ben, gate_of, later, make_client, make_live_policy, submit_one
from tests.reviewing import decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def each_status():
    """A decision in each state that upstream can read, by its status."""
    make_live_policy()
    made = {"approved": submit_one(confidence=0.95)}
    for status in ("pending_review", "asked", "decided", "rejected", "cancelled"):
        made[status] = submit_one()
    made["expired"] = submit_one(deadline="2026-03-02T09:00:30Z")
    decide(gate_of(made["rejected"]), ana(), "reject")
    settle_due(now=later(seconds=30))
    expire_due(now=later(seconds=30))
    decide(gate_of(made["decided"]), ana(), now=later(minutes=1))
    epoch = claim_ticket(gate_of(made["asked"]).pk, reviewer=ben(), now=NOW).claim_epoch
    ask_upstream(gate_of(made["asked"]).pk, reviewer=ben(), epoch=epoch, text="Which plan?", now=NOW)
    cancel_decision(made["cancelled"].pk, client=made["cancelled"].client, reason="", now=NOW)
    return made


def test_a_status_is_derived_from_outcome_and_gate(each_status):
    assert {status: decision_status(decision) for status, decision in each_status.items()} == {
        status: status for status in each_status
    }


def test_decisions_are_found_by_their_status(each_status):
    client = each_status["approved"].client
    for status, decision in each_status.items():
        assert list(decisions_of(client, status=status)) == [decision]
    assert list(decisions_of(make_client("Another agent")[0])) == []


def test_filters_of_decisions_hold_at_once(each_status):
    client, wanted = each_status["approved"].client, each_status["asked"]
    found = decisions_of(
        client, external_id=wanted.external_id, workflow="support", action="refund_fee", status="asked", since=NOW
    )
    assert list(found) == [wanted]
    assert not decisions_of(client, external_id=wanted.external_id, since=later(seconds=1)).exists()
    assert not decisions_of(client, workflow="another").exists()


def test_the_answer_says_what_runs_or_what_is_asked(each_status):
    approved = decision_answer(each_status["approved"])
    assert (approved["status"], approved["outcome"]["method"]) == ("approved", "auto")
    asked = decision_answer(each_status["asked"])
    assert (asked["status"], asked["question"]["text"], asked["outcome"]) == ("asked", "Which plan?", None)
    rejected = decision_answer(each_status["rejected"])
    assert (rejected["outcome"]["kind"], rejected["outcome"]["payload"]) == ("rejected", None)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (LogFilters(status="rejected"), ["rejected"]),
        (LogFilters(status="asked"), ["asked"]),
        (LogFilters(route="auto"), ["approved"]),
        (LogFilters(reviewer="ana"), ["decided", "rejected"]),
        (LogFilters(reviewer="ana", verdict="reject"), ["rejected"]),
        (LogFilters(reason="high_value"), []),
        (LogFilters(band="9"), ["approved"]),
        (LogFilters(band="6", verdict="reject"), ["rejected"]),
        (LogFilters(band="none"), []),
        (LogFilters(least=Decimal("0.95"), route="auto"), ["approved"]),
        (LogFilters(least=Decimal("0.6"), below=Decimal("0.95"), verdict="reject"), ["rejected"]),
        (LogFilters(below=Decimal("0.6")), []),
        (LogFilters(policy=1, route="auto"), ["approved"]),
        (LogFilters(policy=2), []),
        (LogFilters(model_version="1.0", route="auto"), ["approved"]),
        (LogFilters(model_version="1.1"), []),
        (LogFilters(workflow="another"), []),
        (LogFilters(since=later(days=1)), []),
        (LogFilters(until=NOW), []),
    ],
)
def test_the_log_filters(each_status, filters, expected):
    rows = log_page(filters).rows
    assert sorted(row.status for row in rows) == expected


@pytest.mark.parametrize(
    ("confidence", "band"), [(0, "0"), (0.1, "1"), (0.29, "2"), (0.3, "3"), (0.9, "9"), (1, "9"), (None, "none")]
)
def test_bands_are_tenths_with_their_lower_end_and_the_last_with_both(confidence, band):
    make_live_policy()
    decision = submit_one(confidence=confidence)
    found = {one for one in BANDS for row in log_page(LogFilters(band=one)).rows if row.decision_id == decision.pk}
    assert found == {band}
    assert band_of(None if decision.confidence is None else float(decision.confidence)) == (
        None if band == "none" else int(band)
    )


def test_what_no_policy_judged_is_found_by_its_want_of_one():
    decision = submit_one()
    assert [row.decision_id for row in log_page(LogFilters(policy=0)).rows] == [decision.pk]


def test_a_rare_filter_looks_through_so_many_and_goes_on_from_there(
    each_status, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(module, "LOOKED_THROUGH", 3)
    oldest = each_status["approved"]
    with django_assert_num_queries(2):  # with nothing found, nobody's verdicts are read
        first = log_page(LogFilters(band="9"))
    assert (first.rows, first.goes_on_looking) == ((), True)
    found, pages, after = [], 1, first.next_after
    while after:
        page = log_page(LogFilters(band="9"), after=after)
        found += [row.decision_id for row in page.rows]
        pages, after = pages + 1, page.next_after
    assert found == [oldest.pk]
    assert pages == 3, "seven decisions, three a page"
    assert [row.decision_id for rows in log_stretches(LogFilters(band="9")) for row in rows] == [oldest.pk]


def test_what_an_index_finds_is_found_however_old_it_is(each_status, monkeypatch):
    monkeypatch.setattr(module, "LOOKED_THROUGH", 1)
    oldest = each_status["approved"]
    for filters in (LogFilters(external_id=oldest.external_id), LogFilters(subject=oldest.subject_id, band="9")):
        assert [row.decision_id for row in log_page(filters).rows] == [oldest.pk]


def test_a_row_of_the_log_says_who_decided_what(each_status):
    row = log_page(LogFilters(status="rejected")).rows[0]
    assert (row.decided_by, row.outcome, row.method, row.final_action) == (
        ("Ana",),
        "rejected",
        "human",
        "refund_fee",
    )
    assert (row.model, row.policy_number, row.action_title) == ("support-router 1.0", 1, "Refund fee")


def test_pages_of_the_log_follow_each_other(each_status, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(module, "PAGE", 3)
    newest_first = sorted((decision.pk for decision in each_status.values()), reverse=True)
    with django_assert_num_queries(3):
        first = log_page()
    seen = [row.decision_id for row in first.rows]
    after = first.next_after
    while after:
        page = log_page(after=after)
        seen += [row.decision_id for row in page.rows]
        after = page.next_after
    assert seen == newest_first


def test_the_story_goes_from_submission_to_the_end(each_status):
    moments = story(each_status["rejected"])
    assert [moment.kind for moment in moments] == [
        "decision.submitted",
        "ticket.claimed",
        "verdict.given",
        "outcome.settled",
    ]
    assert [moment.who for moment in moments] == ["Support agent", "Ana", "Ana", ""]
    assert moments[2].verdict.kind == "reject"


def test_the_story_names_who_fetched_who_redeemed_and_who_executed(permit_key):
    make_live_policy()
    decision = submit_one(confidence=0.95)
    executor, _ = make_client("Executor", scopes=["permits:redeem"])
    permit = issue_permit(decision.pk, client=decision.client, audience="Executor", now=NOW).permit
    redeem_permit(permit.jti, client=executor, act_sha256=decision.payload_sha256, now=NOW)
    report_execution(decision.pk, client=executor, status="succeeded", detail="", now=NOW)

    told = [(moment.kind, moment.who) for moment in story(decision)]

    assert told[-3:] == [
        ("permit.issued", "Support agent"),
        ("permit.redeemed", "Executor"),
        ("execution.reported", "Executor"),
    ]
