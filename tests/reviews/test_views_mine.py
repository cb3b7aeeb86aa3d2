"""A reviewer's own pages: the last verdicts, and how they want the console."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reviews.models import ReviewerProfile
from reviews.services.claim import claim_ticket
from tests import factories as make
from tests.reviewing import decide
from tests.reviews.ticket_page import hidden_fields, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_ana(client):
    client.force_login(make.ana())
    return client


def test_the_last_verdicts_are_listed_and_those_within_their_hold_can_be_taken_back(as_ana):
    now = timezone.now() - timedelta(seconds=20)
    make.make_live_policy(now=now)
    ticket = make.gate_of(make.submit_one(now=now))
    claim_ticket(ticket.pk, reviewer=make.ana(), now=now)
    post(as_ana, ticket, "verdict", {**hidden_fields(as_ana, ticket), "kind": "approve"})
    page = as_ana.get("/verdicts/").content.decode()
    assert "Customer 77" in page
    assert f"/tickets/{ticket.pk}/undo" in page
    as_ana.force_login(make.ben())
    assert "You have given no verdict yet." in as_ana.get("/verdicts/").content.decode()


def test_a_theme_is_kept_and_stands_on_every_page(as_ana):
    assert 'data-theme="system"' in as_ana.get("/").content.decode()
    answer = as_ana.post("/preferences/", {"theme": "dark", "away": "on"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/preferences/")
    assert 'data-theme="dark"' in as_ana.get("/").content.decode()
    profile = ReviewerProfile.objects.get(user=make.ana())
    assert (profile.away, profile.shows_sensitive) == (True, False)


def test_an_unknown_theme_is_refused_with_the_form(as_ana):
    assert as_ana.post("/preferences/", {"theme": "neon"}).status_code == 422
    assert not ReviewerProfile.objects.exists()


def test_who_asked_to_see_sensitive_items_is_not_asked_each_time(as_ana):
    now = timezone.now() - timedelta(seconds=20)
    workflow = make.make_workflow()
    make.make_action(workflow, "refund_fee", sensitive=True)
    make.make_live_policy(workflow, now=now)
    ticket = make.gate_of(make.submit_one(now=now))
    assert "Show the item" in as_ana.get(f"/tickets/{ticket.pk}/").content.decode()
    as_ana.post("/preferences/", {"theme": "system", "shows_sensitive": "on"})
    assert "Show the item" not in as_ana.get(f"/tickets/{ticket.pk}/").content.decode()


def test_the_pace_and_the_run_of_approvals_are_shown_to_whose_they_are(as_ana):
    now = timezone.now() - timedelta(minutes=10)
    make.make_live_policy(now=now)
    assert "each (median)" not in as_ana.get("/verdicts/").content.decode()
    for place, kind in enumerate(("approve", "reject", "approve", "approve", "approve")):
        decide(make.gate_of(make.submit_one(now=now)), make.ana(), kind, now=now + timedelta(seconds=place))
    for path in ("/", "/verdicts/"):
        page = as_ana.get(path).content.decode()
        assert "Your last 5: 2 s each (median), 1 not as the AI proposed, 3 approvals in a row." in page
    as_ana.force_login(make.ben())
    for path in ("/", "/verdicts/"):
        assert "in a row" not in as_ana.get(path).content.decode()
