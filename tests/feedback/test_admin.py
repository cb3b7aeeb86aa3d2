"""In the admin the evidence is to be looked at, and by nobody changed."""

import pytest
from django.test import Client as Browser

from feedback.domain.vocabulary import AlarmKind
from feedback.services import raise_alarm
from tests.factories import NOW, ada, make_workflow

pytestmark = pytest.mark.django_db
PAGES = ("certificate", "alarm", "backtest", "export")


@pytest.fixture
def browser() -> Browser:
    browser = Browser()
    browser.force_login(ada())
    return browser


@pytest.mark.parametrize("name", PAGES)
def test_ada_looks_and_adds_nothing(browser, name):
    assert browser.get(f"/admin/feedback/{name}/").status_code == 200
    assert browser.get(f"/admin/feedback/{name}/add/").status_code == 403


def test_an_alarm_is_not_edited(browser):
    alarm = raise_alarm(
        AlarmKind.DRIFT, workflow=make_workflow(), action="", message="Errors have risen.", evidence={}, now=NOW
    )
    path = f"/admin/feedback/alarm/{alarm.pk}/"
    assert browser.get(f"{path}change/").status_code == 200
    assert browser.post(f"{path}change/", {"message": "Nothing happened."}).status_code == 403
    assert browser.post(f"{path}delete/", {"post": "yes"}).status_code == 403
