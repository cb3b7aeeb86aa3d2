import time

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User

from tests.statements import statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana(client):
    user = User.objects.create_user("ana", is_staff=True, is_superuser=True)
    client.force_login(user)
    return client


def is_logged_in(client) -> bool:
    return client.get("/admin/").status_code == 200


def backdate(client, **seconds_ago):
    session = client.session
    for name, seconds in seconds_ago.items():
        session[name] = int(time.time()) - seconds
    session.save()


def test_a_log_in_that_is_used_lasts(ana):
    assert is_logged_in(ana)
    backdate(ana, began_at=settings.SESSION_COOKIE_AGE - 60, seen_at=settings.SESSION_IDLE_SECONDS - 60)
    assert is_logged_in(ana)
    assert int(time.time()) - ana.session["seen_at"] < 5


def test_a_log_in_that_idled_for_half_an_hour_is_over(ana):
    backdate(ana, began_at=settings.SESSION_IDLE_SECONDS + 1, seen_at=settings.SESSION_IDLE_SECONDS + 1)
    assert not is_logged_in(ana)
    assert "_auth_user_id" not in ana.session


def test_a_log_in_of_twelve_hours_is_over_however_busy(ana):
    backdate(ana, began_at=settings.SESSION_COOKIE_AGE + 1, seen_at=0)
    assert not is_logged_in(ana)


def test_the_session_is_not_written_at_each_request(ana):
    backdate(ana, began_at=100, seen_at=30)
    before = ana.session["seen_at"]
    assert is_logged_in(ana)
    assert ana.session["seen_at"] == before


def test_a_page_that_refreshes_itself_keeps_nobody_logged_in(ana):
    backdate(ana, began_at=1000, seen_at=900)
    before = ana.session["seen_at"]
    ana.get("/admin/", headers={"X-Unattended": "1"})
    assert ana.session["seen_at"] == before
    ana.get("/admin/")
    assert ana.session["seen_at"] > before


def test_ten_wrong_passwords_lock_that_name_at_that_address(client):
    User.objects.create_user("ben", password="the right and long password")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        client.post("/login/", {"username": "ben", "password": "wrong"})
    refused = client.post("/login/", {"username": "ben", "password": "the right and long password"})
    assert refused.status_code == 429
    assert "_auth_user_id" not in client.session


# ---- Roles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda user: user.groups.add(Group.objects.create(name="Leads")),
        lambda user: user.groups.clear(),
        lambda user: User.objects.filter(pk=user.pk).update(is_staff=False),
        lambda user: User.objects.filter(pk=user.pk).update(is_superuser=False),
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
    ],
    ids=["a group more", "a group less", "no staff", "no superuser", "no longer here"],
)
def test_a_log_in_ends_when_the_persons_roles_change(ana, change):
    user = User.objects.get()
    user.groups.add(Group.objects.create(name="Support"))
    assert is_logged_in(ana)
    assert is_logged_in(ana)

    change(user)

    assert not is_logged_in(ana)
    assert "_auth_user_id" not in ana.session or not User.objects.get().is_active


def test_seeing_that_roles_are_the_same_costs_no_query(ana):
    is_logged_in(ana)
    with statements() as sent:
        ana.get("/login/")
    assert len(sent) == 2  # The session, and the user with their groups.
