"""Two people race for one ticket, first for the claim and then for the verdict: one of each, and the other is told."""

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page

from policies.domain.vocabulary import VerdictKind
from reviews.domain.vocabulary import EventKind
from reviews.models import Event, Ticket, Verdict
from tests import factories as make

pytestmark = pytest.mark.django_db(transaction=True)

RACES = 100
# Each pair has a queue of its own, so that one pair races while the others' pages wait until they were read.
PAIRS = {
    "Support": ("ana", "ben"),
    "Messages": ("cleo", "dan"),
    "Trust": ("emil", "fay"),
    "Payments": ("gus", "hana"),
}
HAS = r"^{name} has this ticket \(since \d\d:\d\d:\d\d UTC\)\.$"
DECIDED = r"^{name} has decided this \(\d\d:\d\d:\d\d UTC\)\.$"
# Resolves when keys count: the page waits 400 ms from the second frame after a ticket came.
LOOK = """() => { window.looked = new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
    () => setTimeout(done, 410)))); }"""
LOOKED = "() => window.looked"
OPEN = "address => htmx.ajax('GET', address, {target: '#ticket', swap: 'outerHTML'})"
# One of the two has the verdicts, or has heard why not.
ANSWERED = "() => document.querySelector('#decide') || document.querySelector('#ticket [role=alert]')"


class Person:
    """Somebody at a browser of their own."""

    def __init__(self, name: str, *, page: Page) -> None:
        self.name, self.page = name.title(), page

    def opens(self, ticket: Ticket) -> None:
        """The whole page once, and after that its own part of it, which is all that a race needs."""
        address = f"/tickets/{ticket.pk}/"
        if self.page.locator("#ticket").count():
            self.page.evaluate(OPEN, address)
        else:
            self.page.goto(address)
        self.looks()

    def looks(self) -> None:
        """From now on; `press` waits until it was long enough."""
        self.page.evaluate(LOOK)

    @property
    def holds(self) -> bool:
        return self.page.locator("#decide").count() > 0

    @property
    def told(self) -> str:
        return self.page.locator("#ticket [role=alert]").inner_text()


@pytest.fixture
def pairs(browser: Browser, live_server):
    """Two people of each group, logged in, and the workflow that asks their group."""
    contexts = []
    pairs = []
    now = timezone.now()
    for group, names in PAIRS.items():
        workflow = make.make_workflow(group.lower(), review_group=group)
        make.make_action(workflow, hold_seconds=600)
        make.make_live_policy(workflow, now=now)
        people = []
        for name in names:
            client = Client()
            client.force_login(make.make_user(name, groups=[group]))
            cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
            context = browser.new_context(base_url=live_server.url)
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
            contexts.append(context)
            people.append(Person(name, page=context.new_page()))
            # What stands beside a ticket has no part in the race, and costs most of its time.
            session = context.new_cdp_session(people[-1].page)
            session.send("Network.enable")
            session.send("Network.setBlockedURLs", {"urls": ["*/alike", "*/record", "*/presence"]})
        pairs.append((make.make_client(group, workflows=[workflow])[0], people))
    yield pairs
    for context in contexts:
        context.close()


def press(people: Sequence[Person], key: str, *, turn: int) -> None:
    """All at once, as nearly as one keyboard after the other can; whose turn it is goes first."""
    for person in people:
        person.page.evaluate(LOOKED)
    for person in people if turn % 2 else people[::-1]:
        person.page.keyboard.press(key)


def sorted_out(people: list[Person]) -> tuple[Person, Person]:
    """Who holds the ticket, and who was told."""
    for person in people:
        person.page.wait_for_function(ANSWERED)
    (first, second) = sorted(people, key=lambda person: not person.holds)
    assert (first.holds, second.holds) == (True, False), "one of them holds it, the other hears of it"
    return first, second


def lease_runs_out(ticket: Ticket) -> None:
    Ticket.objects.filter(pk=ticket.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))


def test_two_people_race_for_the_claim_and_for_the_verdict_a_hundred_times(pairs, record_property):
    claims, won = {0: 0, 1: 0}, {"has": 0, "decided": 0}
    for race in range(RACES // len(pairs)):
        tickets = []
        for client, people in pairs:
            decision = make.submit_one(client=client, now=timezone.now(), workflow=client.name.lower())
            tickets.append(make.gate_of(decision))
            for person in people:
                person.opens(tickets[-1])
        for _, people in pairs:
            press(people, "Enter", turn=race)
        stale = []
        for (_, people), ticket in zip(pairs, tickets, strict=True):
            holder, other = sorted_out(people)
            claims[people.index(holder)] += 1
            assert re.search(HAS.format(name=holder.name), other.told)
            other.looks()
            # The lease ends, the other takes it, and the first one's page knows nothing of it: both have Approve.
            lease_runs_out(ticket)
            stale.append((other, holder))
        for holder, _ in stale:
            press([holder], "Enter", turn=race)
        for holder, _ in stale:
            holder.page.locator("#decide").wait_for()
            holder.looks()
        for people in stale:
            press(people, "a", turn=race)
        for (holder, late), ticket in zip(stale, tickets, strict=True):
            holder.page.get_by_role("heading", name="Nothing left to do").wait_for()
            late.page.locator("#ticket [role=alert]").wait_for()
            told = "decided" if re.search(DECIDED.format(name=holder.name), late.told) else "has"
            assert told == "decided" or re.search(HAS.format(name=holder.name), late.told), late.told
            won[told] += 1
            (given,) = Verdict.objects.filter(ticket=ticket)
            assert (given.kind, given.reviewer.first_name) == (VerdictKind.APPROVE, holder.name)
    assert Verdict.objects.standing().count() == RACES
    assert Event.objects.filter(kind=EventKind.TICKET_CLAIMED).count() == 2 * RACES
    record_property(
        "figure",
        f"{RACES} races of two people for a claim, won {claims}, and for its verdict: {RACES} verdicts; "
        f"{won['has']} of the others were told who has it, {won['decided']} who decided it.",
    )
