"""What the page that publishes a draft is told of its back-tests."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from feedback.domain.vocabulary import RunState
from feedback.models import Backtest
from feedback.services import request_backtest, run_backtest
from policies import services as policies
from policies.models import PolicyVersion
from tests.factories import ada, ana, make_live_policy, omar, submit_one
from tests.feedback.insight_pages import browse

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft() -> PolicyVersion:
    """Of what is live, with one decision to try it on."""
    live = make_live_policy()
    submit_one(confidence=0.5)
    return policies.create_draft(live.workflow, author=ada(), source=live, now=timezone.now())


def slot(draft: PolicyVersion, *, user=None) -> str:
    address = reverse("backtests", args=(draft.workflow.key, draft.number))
    answer = browse(user or ada()).get(address, headers={"HX-Request": "true", "HX-Target": "newest-backtest"})
    assert answer.status_code == 200
    assert "<html" not in answer.content.decode()
    return " ".join(re.sub(r"<(?!div|progress)[^>]+>", " ", answer.content.decode()).split())


def test_the_page_that_publishes_asks_for_the_newest_and_links_to_them_without_a_script(draft):
    page = browse(ada()).get(reverse("admin:policies_policyversion_publish", args=(draft.pk,))).content.decode()
    assert 'hx-get="/insights/backtests/support/2/" hx-trigger="load" hx-target="#newest-backtest"' in page
    assert '<a href="/insights/backtests/support/2/">See its back-tests, or start one</a>' in page
    assert "script-src 'self'" in browse(ada()).get("/admin/").headers["Content-Security-Policy"]


def test_what_was_never_tried_says_so(draft):
    assert "There is none of this version. Try it on past decisions" in slot(draft)


def test_one_that_is_under_way_is_followed_until_it_is_done(draft):
    backtest = request_backtest(draft, user=omar(), now=timezone.now())
    Backtest.objects.update(state=RunState.RUNNING, total=100, done=40)
    assert 'hx-trigger="every 2s"' in slot(draft)
    assert 'value="40"' in slot(draft)
    Backtest.objects.update(state=RunState.WAITING)
    run_backtest(backtest.pk, now=timezone.now())
    assert "hx-trigger" not in slot(draft)
    assert "People would decide 1," in slot(draft)


def test_a_back_test_of_an_earlier_state_is_not_one_of_this_draft(draft):
    run_backtest(request_backtest(draft, user=omar(), now=timezone.now()).pk, now=timezone.now())
    draft.thresholds.update(least_confidence=Decimal("0.4"))
    assert "The version was changed since its last back-test: there is none of it as it is now." in slot(draft)
    run_backtest(request_backtest(draft, user=omar(), now=timezone.now()).pk, now=timezone.now())
    assert "100 % would run alone: 1 of 1; it was 0." in slot(draft)
    assert "is not identified" in slot(draft)
    draft.thresholds.update(least_confidence=Decimal("0.85"))
    assert "People would decide 1," in slot(draft)  # what it was tried as before


def test_who_reads_no_insights_is_told_nothing(draft):
    answer = browse(ana()).get(
        "/insights/backtests/support/2/", headers={"HX-Request": "true", "HX-Target": "newest-backtest"}
    )
    assert answer.status_code == 403


def test_whoever_may_publish_finds_the_way_back(draft):
    link = reverse("admin:policies_policyversion_publish", args=(draft.pk,))
    assert link in browse(ada()).get("/insights/backtests/support/2/").content.decode()
    assert link not in browse(omar()).get("/insights/backtests/support/2/").content.decode()
    assert link not in browse(ada()).get("/insights/backtests/support/1/").content.decode()


# --- The page of all of them -----------------------------------------------------------------------------------------


def tried(version: PolicyVersion) -> Backtest:
    return run_backtest(request_backtest(version, user=omar(), now=timezone.now()).pk, now=timezone.now())


def page(draft: PolicyVersion, query: str = "") -> str:
    answer = browse(omar()).get(reverse("backtests", args=(draft.workflow.key, draft.number)) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_picture_and_its_table_say_the_same(draft):
    draft.thresholds.update(least_confidence=Decimal("0.4"))
    tried(draft)
    html = page(draft)
    assert "Ran alone: 0\u00a0% (0–98\u00a0%). Would run alone: 100\u00a0% (2.5–100\u00a0%)." in html
    assert "Wrong where nobody looked: not identified (0–100\u00a0%)" in html
    rows = re.findall(
        r'<tr><th scope="row">([^<]+)</th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td>', html
    )
    assert rows == [
        ("Ran alone", "0\u00a0%", "0–98\u00a0%", "0 of 1"),
        ("Would run alone", "100\u00a0%", "2.5–100\u00a0%", "1 of 1"),
        ("Would run alone that people decided", "100\u00a0%", "2.5–100\u00a0%", "1 of 1"),
        ("Would wait for people that ran alone", "0\u00a0%", "0–98\u00a0%", "0 of 1"),
        ("Wrong where nobody looked", "<em>not identified</em>", "0–100\u00a0%", "1 of 1"),
    ]


def test_what_changes_sides_is_listed_with_what_matters_first(draft):
    small, large = (
        submit_one(confidence=0.6, payload={"message": "Please.", "amount": amount, "currency": "EUR"})
        for amount in ("3.00", "40.00")
    )
    draft.thresholds.update(least_confidence=Decimal("0.4"))
    tried(draft)
    html = page(draft)
    assert "3 would run alone that people decided" in html
    assert "40.00" in html
    assert html.index(f"/log/{large.pk}/") < html.index(f"/log/{small.pk}/")
    assert "nobody has said" in html


def test_a_long_list_is_cut_short_with_its_count_and_partly_folded(draft, monkeypatch):
    monkeypatch.setattr("feedback.services.backtests.NAMED", 12)
    for number in range(14):
        submit_one(confidence=0.5 + number / 100)
    draft.thresholds.update(least_confidence=Decimal("0.4"))
    tried(draft)
    html = page(draft)
    assert "15 would run alone that people decided" in html
    assert "The 12 of them with most at stake." in html
    assert "<summary>The next 2</summary>" in html
    assert html.count('<a href="/log/0') == 12


def test_an_older_one_is_shown_in_full_when_it_is_asked_for(draft):
    draft.thresholds.update(least_confidence=Decimal("0.4"))
    older = tried(draft)
    draft.thresholds.update(least_confidence=Decimal("0.99"))
    newer = tried(draft)
    assert "Would run alone: 0\u00a0%" in page(draft)
    assert f'href="?run={older.pk}"' in page(draft)
    assert "Would run alone: 100\u00a0%" in page(draft, f"?run={older.pk}")
    assert f'href="?run={newer.pk}"' in page(draft, f"?run={older.pk}")
    assert "Would run alone: 0\u00a0%" in page(draft, "?run=of-nobody")


def test_the_number_of_queries_does_not_grow_with_what_changes_sides(draft, django_assert_max_num_queries):
    for _ in range(5):
        submit_one(confidence=0.6)
    draft.thresholds.update(least_confidence=Decimal("0.4"))
    tried(draft)
    browser, address = browse(omar()), reverse("backtests", args=(draft.workflow.key, draft.number))
    browser.get(address)
    with django_assert_max_num_queries(18):
        browser.get(address)


def test_a_run_keeps_ids_alone_so_that_a_purge_reaches_what_its_page_says(draft):
    decision = submit_one(confidence=0.6, payload={"message": "Please.", "amount": "41.50", "currency": "EUR"})
    draft.thresholds.update(least_confidence=Decimal("0.4"))
    backtest = tried(draft)
    assert "41.50" in page(draft)
    assert "41.50" not in str(backtest.result)
    assert str(decision.pk) in str(backtest.result)
