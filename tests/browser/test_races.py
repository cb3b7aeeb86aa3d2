"""Two browsers race for the approve key: one verdict each time, and the other is told who gave it and when."""

import re

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page

from policies.domain.vocabulary import VerdictKind
from reviews.models import Verdict
from tests import factories as make

pytestmark = pytest.mark.django_db(transaction=True)

RACES = 100
# One pair races while the other's new ticket is still to be read, which takes the page's 400 ms.
PEOPLE = ("ana", "ben")
TOLD = re.compile(r"^(Ana|Ben) has decided this \(\d\d:\d\d:\d\d UTC\)\.$")
# Resolves when keys decide: the page counts 400 ms from the second frame after a ticket came.
LOOK = """() => { window.looked = new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
    () => setTimeout(done, 410)))); }"""
LOOKED = "() => window.looked"


@pytest.fixture
def pairs(browser: Browser, live_server):
    """Two browsers for each person, all logged in, with enough tickets for all of them."""
    now = timezone.now()
    workflow = make.make_workflow()
    make.make_action(workflow, hold_seconds=600)
    make.make_live_policy(workflow, now=now)
    for _ in range(RACES + len(PEOPLE)):
        make.submit_one(now=now)
    contexts = []
    pairs = []
    for name in PEOPLE:
        client = Client()
        client.force_login(make.make_user(name, groups=[make.SUPPORT]))
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        pair = []
        for _ in range(2):
            context = browser.new_context()
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
            contexts.append(context)
            pair.append(context.new_page())
            # What stands beside a ticket has no part in the race, and costs most of its time.
            session = context.new_cdp_session(pair[-1])
            session.send("Network.enable")
            session.send("Network.setBlockedURLs", {"urls": ["*/alike", "*/record", "*/presence"]})
        first, second = pair
        first.goto(live_server.url)
        first.get_by_role("button", name="Start reviewing").click()
        first.wait_for_url("**/tickets/**")
        second.goto(first.url)
        pairs.append((first, second))
    yield pairs
    for context in contexts:
        context.close()


def on_ticket(page: Page, *, after: str) -> bool:
    """Whether this browser won: it is at the next ticket. The other still shows the one that was raced for."""
    page.wait_for_function(
        "after => location.href !== after || document.querySelector('#ticket [role=alert]')", arg=after
    )
    return page.url != after


def test_two_browsers_race_for_the_approve_key_a_hundred_times(pairs, record_property):
    won = {0: 0, 1: 0}
    for race in range(RACES // len(pairs)):
        pages = [page for pair in pairs for page in pair]
        for page in pages:
            page.evaluate(LOOK)
        for page in pages:
            page.evaluate(LOOKED)
        at = [first.url for first, _ in pairs]
        for first, second in pairs:
            for page in (first, second) if race % 2 else (second, first):
                page.keyboard.press("a")
        for (first, second), raced in zip(pairs, at, strict=True):
            outcome = [on_ticket(page, after=raced) for page in (first, second)]
            assert sorted(outcome) == [False, True], "one of them has the next ticket, the other hears of it"
            won[outcome.index(True)] += 1
            loser = (first, second)[outcome.index(False)]
            assert TOLD.search(loser.locator("#ticket [role=alert]").inner_text())
            loser.get_by_role("button", name="Next ticket").click()
        for first, second in pairs:
            for page in (first, second):
                page.locator("#decide").wait_for()
            assert first.url == second.url, "the next ticket is the one that its reviewer holds"
    given = Verdict.objects.standing()
    assert given.filter(kind=VerdictKind.APPROVE).count() == RACES
    assert given.values("ticket").distinct().count() == RACES
    record_property("figure", f"{RACES} races of two browsers for the approve key: {RACES} verdicts, won {won}.")
