"""axe on every page and state of the console, light and dark, wide and narrow; and the layout where space is short."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page

from policies.domain.vocabulary import Reversibility, WorkflowKind
from policies.services.stop import pause
from reviews.domain.vocabulary import RestoreCause
from reviews.models import Client, Event, Heartbeat, Restore
from reviews.queries.seal import RECHECK
from reviews.services.claim import claim_ticket
from reviews.services.seal import seal_events
from reviews.services.signing import create_key_file
from tests import factories as make
from tests.reviewing import decide

pytestmark = pytest.mark.django_db(transaction=True)
AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
HOSTILE = "See https://bаnk.example/a\u202e and\u200b pаypal" + " " * 40 + "end"

PAYLOADS = {
    WorkflowKind.CONTENT: (
        {
            "question": "Why?",
            "draft": "# Title\n\nHello **you**\n\n- one\n- two\n\n> said\n\n```\ncode\n```",
            "language": "en",
        },
        {"/question": "message", "/draft": "markdown"},
    ),
    WorkflowKind.MODERATION: (
        {"text": HOSTILE, "rule": "Spam", "rule_text": "No advertising.", "reports": 3},
        {"/text": "message"},
    ),
    WorkflowKind.COMMUNICATION: (
        {"to": "k@example.net", "subject": "Your card", "body": "Dear you,\n\nit expires.\n\nYour bank"},
        {"/body": "message"},
    ),
    WorkflowKind.TRANSACTION: (
        {"amount": "1250.50", "currency": "EUR", "why": "Twice", "lines": [{"item": "Filter", "price": "6.45"}]},
        {"/lines": "table"},
    ),
    WorkflowKind.ROUTING: (
        {"text": "Do you charge?", "picture": "https://x.example/a.png", "log": {"a": [1, [2]]}},
        {"/picture": "image"},
    ),
}


def findings(page: Page) -> list[str]:
    page.evaluate(AXE)
    result = page.evaluate("tags => axe.run(document, {runOnly: tags})", TAGS)
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in result["violations"]
        for node in found["nodes"]
    ]


def too_wide(page: Page) -> list[str]:
    """What makes the page wider than the window."""
    return page.evaluate(
        """() => {
          const wide = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= wide) return [];
          return [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > wide + 1)
            .map((e) => `${e.tagName} ${e.className} ${Math.round(e.getBoundingClientRect().right)}`).slice(0, 8);
        }"""
    )


def ticket_of_kind(kind):
    _, layout = PAYLOADS[kind]
    workflow = make.make_workflow(kind, kind=kind)
    make.make_action(workflow, "act", title="Do the thing", layout=layout, sensitive=kind == WorkflowKind.MODERATION)
    make.make_action(workflow, "other", title="Do another", reversibility=Reversibility.IRREVERSIBLE)
    make.make_live_policy(workflow, now=timezone.now())
    make.make_client(f"Agent of {kind}", workflows=[workflow])
    return another_of_kind(kind)


def another_of_kind(kind, **payload):
    client = Client.objects.get(name=f"Agent of {kind}")
    changes = {"workflow": kind, "alternatives": [{"action": "other", "confidence": 0.3}]}
    changes["payload"] = {**PAYLOADS[kind][0], **payload}
    return make.gate_of(make.submit_one(client=client, now=timezone.now(), action="act", **changes))


@pytest.fixture
def tickets():
    return {kind: ticket_of_kind(kind) for kind in PAYLOADS}


@pytest.fixture
def page(page_of):
    return page_of(make.ana())


def check(page: Page, what: str, found: dict[str, list[str]]):
    page.wait_for_timeout(100)
    if problems := findings(page):
        found[what] = problems
    if wide := too_wide(page):
        found[f"{what}, width"] = wide


def test_axe_finds_nothing_on_any_page(page: Page, tickets):
    found: dict[str, list[str]] = {}
    page.goto("/")
    check(page, "desk", found)
    page.goto("/?text=nothing-like-it")
    check(page, "empty desk", found)
    for kind, ticket in tickets.items():
        page.goto(f"/tickets/{ticket.pk}/")
        check(page, f"{kind}, to take", found)
        page.get_by_role("button", name="Take this ticket").click()
        page.locator("#decide").wait_for()
        check(page, f"{kind}, held", found)
    for key in ("o", "r", "q", "?"):
        page.wait_for_timeout(450)
        page.keyboard.press(key)
        check(page, f"after {key}", found)
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    page.goto(f"/tickets/{tickets[WorkflowKind.CONTENT].pk}/?override=other")
    check(page, "override", found)
    page.goto(f"/tickets/{tickets[WorkflowKind.MODERATION].pk}/")
    page.get_by_text("Show the item:").click()
    check(page, "sensitive item", found)
    assert found == {}


def test_axe_finds_nothing_in_the_log_and_on_one_s_own_pages(page: Page, tickets, client, live_server):
    client.force_login(make.omar())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    found: dict[str, list[str]] = {}
    decision, held = tickets[WorkflowKind.TRANSACTION].decision_id, tickets[WorkflowKind.ROUTING]
    claim_ticket(held.pk, reviewer=make.ben(), now=timezone.now())
    of_leads = ("/lead/", f"/lead/?group={held.group_id}", f"/lead/tickets/{held.pk}/", "/status/")
    for path in ("/log/", "/log/?route=auto", f"/log/{decision}/", "/verdicts/", "/preferences/", *of_leads):
        page.goto(path)
        if path == f"/log/{decision}/":
            page.locator("#comments form").wait_for()
        check(page, path, found)
    assert found == {}


def test_axe_finds_nothing_in_the_sealed_log(page: Page, tickets, client, live_server, settings, tmp_path):
    """Before anything is sealed, with proofs, while RESTORED, and while it is broken."""
    settings.LOG_KEY_FILE = tmp_path / "log.json"
    create_key_file(settings.LOG_KEY_FILE, now=timezone.now())
    client.force_login(make.omar())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    found: dict[str, list[str]] = {}
    event = Event.objects.latest("id")
    where = ("/log/sealed/", f"/log/events/{event.pk}/", "/status/")
    for state in ("nothing sealed", "sealed", "restored", "broken"):
        if state == "sealed":
            seal_events(now=timezone.now())
        elif state != "nothing sealed":
            cause, epoch = (RestoreCause.BROKEN, 3) if state == "broken" else (RestoreCause.BEHIND, 2)
            Restore.objects.create(epoch=epoch, cause=cause, size=1, noticed_at=timezone.now())
            Heartbeat.objects.update_or_create(
                name=RECHECK, defaults={"beat_at": timezone.now(), "detail": {"fault": "leaf 1 is missing"}}
            )
        for path in where:
            page.goto(path)
            check(page, f"{path}, {state}", found)
        Restore.objects.filter(acknowledged_at=None).update(acknowledged_at=timezone.now())
    assert found == {}


def test_axe_finds_nothing_in_what_is_marked_against_the_ticket_before(page: Page, tickets):
    before = timezone.now() - timedelta(seconds=30)
    decide(tickets[WorkflowKind.TRANSACTION], make.ana(), now=before, acts=2)
    ticket = another_of_kind(WorkflowKind.TRANSACTION, amount="1300.75", lines=[{"item": "Filter", "price": "6.50"}])
    claim_ticket(ticket.pk, reviewer=make.ana(), now=timezone.now())
    found: dict[str, list[str]] = {}
    page.goto(f"/tickets/{ticket.pk}/")
    page.get_by_text("Like the one before, but for:").wait_for()
    page.get_by_text("on this action in 90 days").wait_for()
    check(page, "like the one before", found)
    assert found == {}


def test_axe_finds_nothing_where_there_is_nothing_to_decide(page: Page, tickets):
    found: dict[str, list[str]] = {}
    held = tickets[WorkflowKind.ROUTING]
    claim_ticket(held.pk, reviewer=make.ben(), now=timezone.now())
    pause(held.workflow, actor=make.omar(), reason="Trial", now=timezone.now())
    page.goto(f"/tickets/{held.pk}/")
    check(page, "held by Ben, paused", found)
    page.goto("/tickets/00000000-0000-0000-0000-000000000000/")
    check(page, "404", found)
    page.context.clear_cookies()
    page.goto("/login/")
    check(page, "log in", found)
    page.get_by_role("button", name="Log in").click()
    check(page, "log in, refused", found)
    assert found == {}


@pytest.mark.parametrize("scheme", ["light"])
@pytest.mark.parametrize("width", [320])
def test_at_320_px_nothing_is_wider_than_the_window(page: Page, tickets):
    for ticket in tickets.values():
        page.goto(f"/tickets/{ticket.pk}/")
        assert too_wide(page) == []
    page.goto("/")
    assert too_wide(page) == []
