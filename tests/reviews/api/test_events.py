"""GET /api/v1/events."""

import pytest
from django.utils import timezone

from tests.concurrency import until_readable
from tests.factories import ana, gate_of, make_client, proposal_body, submit_one
from tests.reviewing import decide
from tests.reviews.api.calling import Caller, problem


@pytest.fixture
def committed(transactional_db, support) -> Caller:
    """An upstream whose events are committed: the feed shows no others."""
    client, key = make_client(now=timezone.now())
    caller = Caller(key=key)
    caller.client = client
    return caller


def test_the_feed_tells_what_happened_in_order(committed):
    decision = submit_one(client=committed.client, now=timezone.now())
    committed.post(f"decisions/{decision.id}/cancel", {"reason": "Paid by hand."})
    until_readable()

    page = committed.get("events").json()

    kinds = [event["kind"] for event in page["events"]]
    assert kinds[0] == "decision.submitted"
    assert "decision.cancelled" in kinds
    assert {event["decision"] for event in page["events"]} == {str(decision.id)}
    assert page["more"] is False
    assert page["cursor"] == page["events"][-1]["cursor"]


def test_a_cursor_goes_on_where_a_page_ended(committed):
    for _ in range(3):
        submit_one(client=committed.client, now=timezone.now())
    until_readable()
    whole = committed.get("events").json()["events"]

    read, cursor, more = [], "", True
    while more:
        page = committed.get(f"events?limit=2&after={cursor}").json()
        read += page["events"]
        cursor, more = page["cursor"], page["more"]

    assert read == whole
    assert committed.get(f"events?after={cursor}").json() == {"events": [], "cursor": cursor, "more": False}


def test_what_reviewers_do_among_themselves_is_not_told(committed):
    decision = submit_one(client=committed.client, now=timezone.now())
    decide(gate_of(decision), ana(), now=timezone.now())
    until_readable()

    assert {event["kind"] for event in committed.get("events").json()["events"]} == {"decision.submitted"}


def test_nobody_reads_what_happened_to_others(committed):
    submit_one(client=committed.client, now=timezone.now())
    other = Caller(key=make_client("Other agent", now=timezone.now())[1])
    until_readable()

    assert other.get("events").json() == {"events": [], "cursor": "", "more": False}


@pytest.mark.parametrize("after", ["x", "1.2", "1.2.3.4", "-1.0.0", "1.1e3.2", "1." + "9" * 30 + ".1", "1.2.3%0A"])
def test_a_cursor_that_is_none_is_refused_by_its_name(agent, after):
    assert problem(agent.get(f"events?after={after}"), 422)["errors"][0]["parameter"] == "after"


@pytest.mark.parametrize("limit", ["0", "1001", "-5", "x"])
def test_a_limit_that_is_none_is_refused_by_its_name(agent, limit):
    assert problem(agent.get(f"events?limit={limit}"), 422)["errors"][0]["parameter"] == "limit"


def test_the_largest_cursor_is_taken(agent):
    assert agent.get(f"events?after=9999.{'9' * 18}.{'9' * 18}").status_code == 200


def test_a_submission_is_told_once_it_is_posted(committed):
    posted = committed.post("decisions", proposal_body()).json()
    until_readable()

    assert committed.get("events").json()["events"][0]["decision"] == posted["id"]
