"""How much one key may ask."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from reviews.api.throttling import KEPT_SECONDS, Share
from reviews.models import Allowance, ClientKey
from reviews.services.allowance import take_requests
from reviews.services.keys import issue_key
from tests.concurrency import at_once
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


# ---- A web process and its share ------------------------------------------------------------------------------------


def key_of(limit: int) -> ClientKey:
    make_client(rate_limit=limit, now=timezone.now())
    return ClientKey.objects.get()


def passed(share: Share, key: ClientKey, *, limit: int, at: float, tries: int) -> int:
    return sum(share.take(key.pk, a_minute=limit, at=at) == 0 for _ in range(tries))


@pytest.mark.parametrize("limit", [1, 7, 600, 6000])
def test_of_several_processes_together_no_more_passes_than_the_limit(support, limit):
    key = key_of(limit)
    processes = [Share() for _ in range(3)]

    through = sum(passed(each, key, limit=limit, at=1000.0, tries=limit) for each in processes)

    assert limit <= through <= limit * 1.2 + 1  # What flows in meanwhile.


def test_a_busy_key_asks_the_database_once_a_second(support, django_assert_max_num_queries):
    key, share = key_of(60_000), Share()
    with django_assert_max_num_queries(9):
        assert passed(share, key, limit=60_000, at=1000.0, tries=4_000) == 4_000


def test_a_refused_key_asks_the_database_no_more_until_it_may(support, django_assert_num_queries):
    key, share = key_of(1), Share()
    assert passed(share, key, limit=1, at=1000.0, tries=2) == 1
    with django_assert_num_queries(0):
        assert passed(share, key, limit=1, at=1030.0, tries=100) == 0


def test_a_store_that_was_not_used_is_lost(support):
    key, share = key_of(6000), Share()
    passed(share, key, limit=6000, at=1000.0, tries=1)
    assert share.left == 9
    passed(share, key, limit=6000, at=1000.0 + KEPT_SECONDS, tries=1)
    assert share.left == 9
    assert Allowance.objects.get().left <= 6000 - 20 + 5


def test_it_fills_evenly_and_never_past_a_minutes(support):
    key = key_of(60)
    assert take_requests(key.pk, a_minute=60, most=60) == (60, 1.0)
    for seconds, expected in ((30, 30), (3600, 60)):
        Allowance.objects.update(at=timezone.now() - timedelta(seconds=seconds), left=0)
        assert take_requests(key.pk, a_minute=60, most=60).requests in (expected, expected + 1)


def test_who_waits_as_long_as_told_is_let_in(support):
    key = key_of(60)
    take_requests(key.pk, a_minute=60, most=60)
    told = take_requests(key.pk, a_minute=60, most=1)
    assert told.requests == 0
    assert 0 < told.seconds <= 1
    Allowance.objects.update(at=timezone.now() - timedelta(seconds=1))
    assert take_requests(key.pk, a_minute=60, most=1).requests == 1


def test_a_clock_that_was_set_back_gives_nothing_away(support):
    key = key_of(60)
    take_requests(key.pk, a_minute=60, most=60)
    ahead = timezone.now() + timedelta(hours=1)
    Allowance.objects.update(at=ahead)
    assert take_requests(key.pk, a_minute=60, most=1).requests == 0
    assert Allowance.objects.get().at == ahead


def test_a_limit_that_was_lowered_holds_at_once(support):
    key = key_of(6000)
    take_requests(key.pk, a_minute=6000, most=10)
    assert take_requests(key.pk, a_minute=5, most=5).requests == 5
    assert take_requests(key.pk, a_minute=5, most=5).requests == 0


@pytest.mark.django_db(transaction=True)
def test_16_threads_of_as_many_processes_take_each_request_once(support):
    key = key_of(200)
    shares, began = [Share() for _ in range(16)], time.monotonic()

    through = at_once(320, lambda index: shares[index % 16].take(key.pk, a_minute=200, at=1000.0 + index))

    flowed_in = (time.monotonic() - began) * 200 / 60
    assert through.count(0.0) <= 200 + flowed_in
    assert all(isinstance(each, float) for each in through)
