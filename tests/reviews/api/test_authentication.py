"""Who speaks, by `Authorization: Bearer cs_<id>_<secret>`."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reviews.api.authentication import RecentKeys
from reviews.models import ClientKey
from reviews.services.keys import KeyUnknown, issue_key, revoke_key
from tests.factories import ana, make_client
from tests.reviews.api.calling import Caller, problem


@pytest.fixture
def key(support) -> str:
    return make_client(now=timezone.now())[1]


def of_the_key() -> ClientKey:
    return ClientKey.objects.get()


def test_a_key_opens_what_its_scopes_say(key):
    assert Caller(key=key).get("decisions").status_code == 200


def test_only_a_hash_of_the_secret_is_kept(key):
    _, prefix, secret = key.split("_")

    assert of_the_key().prefix == prefix
    assert secret not in str(vars(of_the_key()))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic dXNlcjpwYXNz",
        "Bearer cs__",
        "Bearer cs_000000000000_" + "0" * 64,
        "Bearer cs_" + "0" * 5000,
        "Bearer cs_\x00_\x00",
        "Bearer é",
        "bearer " + "x" * 70,
        "Token cs_000000000000_" + "0" * 64,
    ],
)
def test_what_is_no_key_opens_nothing(support, header):
    response = Caller().get("decisions", Authorization=header)

    problem(response, 401)
    assert response["WWW-Authenticate"] == 'Bearer realm="countersign"'


def test_a_wrong_secret_a_revoked_an_expired_and_an_idle_clients_key_are_told_alike(key):
    now = timezone.now()
    prefix = key.rsplit("_", 1)[0]
    told = [problem(Caller(key=f"{prefix}_{'0' * 64}").get("decisions"), 401)["detail"]]
    client = of_the_key().client
    expired = issue_key(client, now=now, expires_at=now - timedelta(seconds=1))
    told.append(problem(Caller(key=expired).get("decisions"), 401)["detail"])
    revoke_key(ClientKey.objects.earliest("pk"), now=now)
    told.append(problem(Caller(key=key).get("decisions"), 401)["detail"])
    idle = issue_key(client, now=now)
    client.active = False
    client.save()
    told.append(problem(Caller(key=idle).get("decisions"), 401)["detail"])

    assert len(set(told)) == 1


def test_a_key_opens_nothing_beyond_its_scopes_and_says_which_are_missing(support):
    _, key = make_client(scopes=["decisions:read"], now=timezone.now())

    body = problem(Caller(key=key).post("decisions", {}), 403)

    assert "decisions:write" in body["detail"]


def test_two_keys_overlap_while_one_replaces_the_other(key):
    new = issue_key(of_the_key().client, now=timezone.now())

    assert Caller(key=key).get("decisions").status_code == Caller(key=new).get("decisions").status_code == 200


def test_finding_a_key_is_one_query(key, django_assert_num_queries):
    Caller(key=key).get("decisions?limit=1")  # Its use is noted, once a minute.

    with django_assert_num_queries(2):  # The key, and the first look at the decisions; there are none.
        Caller(key=key).get("decisions?limit=1")


def test_its_use_is_noted_once_a_minute(key):
    Caller(key=key).get("decisions")
    first = of_the_key().last_used_at
    assert timezone.now() - first < timedelta(seconds=30)

    Caller(key=key).get("decisions")
    assert of_the_key().last_used_at == first

    ClientKey.objects.update(last_used_at=first - timedelta(minutes=2))
    Caller(key=key).get("decisions")
    assert of_the_key().last_used_at >= first


def test_a_session_opens_nothing_that_is_for_keys(support):
    problem(Caller(user=ana()).get("decisions"), 401)


def test_a_remembered_key_is_forgotten_after_a_moment_and_when_it_expires(key):
    now = timezone.now()
    recent = RecentKeys()
    found = recent.find(key, now=now)
    revoke_key(found, now=now)

    assert recent.find(key, now=now + timedelta(seconds=1)) is found
    with pytest.raises(KeyUnknown):
        recent.find(key, now=now + timedelta(seconds=2))


def test_a_remembered_key_that_expires_meanwhile_is_not_found(key):
    now = timezone.now()
    ClientKey.objects.update(expires_at=now + timedelta(seconds=1))
    recent = RecentKeys()
    recent.find(key, now=now)

    with pytest.raises(KeyUnknown):
        recent.find(key, now=now + timedelta(seconds=1))


def test_no_more_than_so_many_keys_are_remembered(key, monkeypatch):
    monkeypatch.setattr(RecentKeys, "MOST", 2)
    recent, now = RecentKeys(), timezone.now()
    client = of_the_key().client
    for one in [key, issue_key(client, now=now), issue_key(client, now=now)]:
        recent.find(one, now=now)

    assert len(recent._known) == 2
