"""The second factor in a real browser, by the keyboard alone, with axe on every page of it."""

import re
import time

import pytest
from django.conf import settings
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_accessibility import check
from tests.factories import PASSWORD, ana

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(window):
    return window.new_page()


@pytest.fixture
def found():
    """What axe finds, by page; nothing, in the end."""
    problems: dict[str, list[str]] = {}
    yield problems
    assert problems == {}


def log_in(page: Page, password: str = PASSWORD) -> None:
    """The name has the focus; the rest is Tab and Enter."""
    page.goto("/login/")
    expect(page.get_by_label("Username")).to_be_focused()
    for text in ("ana", password):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")


def tab_to(wanted: Locator) -> None:
    """By a few presses of Tab at most."""
    for _ in range(4):
        wanted.page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    expect(wanted).to_be_focused()


def enter(page: Page, code: str) -> None:
    """The field has the focus, also after a code that was wrong."""
    expect(page.get_by_role("textbox", name="Code")).to_be_focused()
    page.keyboard.type(code)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def app_shows(*, confirmed: bool, steps: int = 0) -> str:
    """The code of ana's app, some steps of 30 s from now: none counts twice."""
    device = TOTPDevice.objects.get(user__username="ana", confirmed=confirmed)
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
    totp.time = time.time() + steps * 30
    return f"{totp.token():06}"


def wait_is_over() -> None:
    """After a wrong code the next try waits; here it has waited."""
    TOTPDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)


def test_it_is_set_up_and_asked_for_by_the_keyboard_alone(page: Page, settings, found):
    settings.REQUIRE_OTP = True
    ana()
    log_in(page)
    expect(page).to_have_url(re.compile("/second-factor/new/"))
    check(page, "set up", found)
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_text("It can't be scanned")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_text("this link").wait_for()
    check(page, "set up, without a camera", found)
    tab_to(page.get_by_role("textbox", name="Code"))
    enter(page, "000000")
    page.get_by_role("alert").wait_for()
    check(page, "set up, wrong code", found)
    wait_is_over()
    enter(page, app_shows(confirmed=False))
    page.get_by_role("heading", name="Keep these codes").wait_for()
    check(page, "recovery codes", found)
    recovery = page.locator("pre.code").first.inner_text().split()[0]

    tab_to(page.get_by_role("link", name="I have kept them"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Desk")).to_be_visible()

    page.context.clear_cookies()
    log_in(page)
    expect(page).to_have_url(re.compile("/second-factor/"))
    check(page, "asked for", found)
    enter(page, "000000")
    page.get_by_role("alert").wait_for()
    check(page, "asked for, wrong code", found)
    wait_is_over()
    enter(page, app_shows(confirmed=True, steps=1))
    expect(page.get_by_role("link", name="Desk")).to_be_visible()
    expect(page.locator("#rows, main")).not_to_have_count(0)

    page.context.clear_cookies()
    log_in(page)
    expect(page).to_have_url(re.compile("/second-factor/"))
    enter(page, recovery)
    expect(page.get_by_role("link", name="Desk")).to_be_visible()


def test_a_lock_out_says_what_it_is(page: Page, found):
    ana()
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(page, "not it")
    check(page, "locked out", found)
    expect(page.get_by_role("alert")).to_contain_text("for 15 minutes")
    tab_to(page.get_by_role("link", name="Back to the log-in"))
    log_in(page)
    expect(page.get_by_role("heading", name="Too many wrong passwords")).to_be_visible()
