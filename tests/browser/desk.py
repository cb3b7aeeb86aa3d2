"""Ana at her desk in a browser: her policy, her tickets, and what she presses."""

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page, Request

from policies.domain.vocabulary import Reversibility
from tests import factories as make

# The page's own guard is 400 ms from the second frame on.
READ_MS = 500
STAND_IN_FOR_FRAMES_MS = 60


@pytest.fixture
def workflow():
    workflow = make.make_workflow()
    make.make_action(workflow, "refund_fee", layout={"/message": "message"}, hold_seconds=60)
    make.make_action(
        workflow,
        "trace_top_up",
        payload_schema={
            "type": "object",
            "properties": {"message": {"type": "string"}, "card": {"type": "string", "minLength": 4}},
            "required": ["message", "card"],
        },
    )
    make.make_action(workflow, "send_letter", reversibility=Reversibility.IRREVERSIBLE)
    make.make_live_policy(workflow, now=timezone.now())
    return workflow


@pytest.fixture
def reports(page: Page):
    """What the browser complained of: scripts that failed, and breaches of the content security policy.

    An answer of 409 or 422, or none at all, is not among it: that is what some of these tests are about.
    """
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    yield found
    expected = ("Failed to load resource", "htmx:afterRequest", "htmx:sendError")
    assert [report for report in found if not report.startswith(expected)] == []


def submit(count=1, **changes):
    return [make.gate_of(make.submit_one(now=timezone.now(), **changes)) for _ in range(count)]


def log_in(page: Page, live_server, client, user):
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])


@pytest.fixture
def desk(page: Page, live_server, client, workflow, reports):
    log_in(page, live_server, client, make.ana())

    def open_desk():
        page.goto(live_server.url)
        page.wait_for_timeout(READ_MS)

    open_desk.start = lambda: (open_desk(), page.keyboard.press("Enter"), on_ticket(page))
    return open_desk


def on_ticket(page: Page, *, not_at: str = ""):
    """Wait for a ticket that can be decided: another than the one at `not_at`."""
    page.wait_for_url(lambda url: "/tickets/" in url and url != not_at)
    page.locator("#decide").wait_for()
    page.wait_for_timeout(READ_MS)


def focused(page: Page):
    return page.evaluate_handle("document.activeElement")


def unattended(sent: Request) -> str:
    return sent.headers.get("x-unattended", "")


def press(page: Page, *keys: str):
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(STAND_IN_FOR_FRAMES_MS)
