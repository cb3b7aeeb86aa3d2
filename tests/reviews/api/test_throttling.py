"""How much one key may ask."""

from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from reviews.api.throttling import KeyRate
from reviews.services.keys import issue_key
from tests.factories import ana, make_client, proposal_body
from tests.reviews.api.calling import Caller, problem


def test_past_its_rate_a_key_is_told_when_to_come_again(support):
    _, key = make_client(rate_limit=3, now=timezone.now())
    agent = Caller(key=key)
    for _ in range(3):
        assert agent.post("decisions", proposal_body()).status_code == 201

    response = agent.post("decisions", proposal_body())

    assert "3 requests a minute" in problem(response, 429, "throttled")["detail"]
    assert 1 <= int(response["Retry-After"]) <= 20


def test_each_key_has_a_rate_of_its_own(support):
    client, key = make_client(rate_limit=1, now=timezone.now())
    assert Caller(key=key).get("decisions").status_code == 200
    problem(Caller(key=key).get("decisions"), 429)

    assert Caller(key=issue_key(client, now=timezone.now())).get("decisions").status_code == 200


def test_a_rate_of_0_is_no_limit(support):
    _, key = make_client(rate_limit=0, now=timezone.now())

    assert {Caller(key=key).get("events").status_code for _ in range(20)} == {200}


def test_people_are_not_counted(support):
    assert {Caller(user=ana()).post("tickets/next").status_code for _ in range(20)} == {204}


def test_who_may_not_come_in_uses_up_nothing(support):
    _, key = make_client(rate_limit=1, scopes=["decisions:read"], now=timezone.now())
    problem(Caller(key=key).post("decisions", {}), 403)

    assert Caller(key=key).get("decisions").status_code == 200


@given(
    a_minute=st.integers(1, 10_000),
    pauses=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=200),
)
def test_no_more_passes_than_a_full_bucket_and_what_flows_in(a_minute, pauses):
    rate, at, passed = KeyRate(), 1000.0, 0
    KeyRate._buckets.pop(-1, None)
    for pause in pauses:
        at += pause
        passed += rate.take(-1, a_minute=a_minute, at=at)

    assert passed <= a_minute + sum(pauses) * a_minute / 60 + 1e-6


@given(a_minute=st.integers(1, 1_000))
def test_who_waits_as_long_as_told_is_let_in(a_minute):
    rate, at = KeyRate(), 1000.0
    KeyRate._buckets.pop(-2, None)
    while rate.take(-2, a_minute=a_minute, at=at):
        pass

    assert rate.take(-2, a_minute=a_minute, at=at + rate.wait())
