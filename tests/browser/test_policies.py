"""An admin changes a policy in a real Chromium, under the strict content policy; and the pages are for everybody."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Dialog, Page, expect

from feedback.models import Backtest
from feedback.services import request_backtest, run_backtest
from policies import services
from policies.models import PolicyVersion, Threshold, Workflow
from tests import factories as make

pytestmark = pytest.mark.django_db(transaction=True)
AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def workflow() -> Workflow:
    """Version 1 is live: a refund runs alone from 0.85, everything else waits."""
    workflow = make.make_workflow()
    make.make_action(workflow)
    draft = services.create_draft(workflow, author=make.ada(), now=timezone.now())
    Threshold.objects.create(version=draft)
    Threshold.objects.create(
        version=draft,
        action=workflow.actions.get(),
        autonomy="by_confidence",
        least_confidence=Decimal("0.85"),
        basis_reason="Watched for a year.",
    )
    services.publish(draft, publisher=make.ada(), reason="A careful start.", now=timezone.now())
    make.assess_evidence(workflow, now=timezone.now())
    return workflow


@pytest.fixture
def log_in(live_server, client):
    def as_user(page: Page, user: User) -> None:
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])

    return as_user


@pytest.fixture
def reports(page: Page):
    """What the browser complained of: scripts that failed, and breaches of the content security policy."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    yield found
    assert found == []


def live_page(workflow: Workflow) -> str:
    return f"/admin/policies/policyversion/{PolicyVersion.objects.of(workflow).live().get().pk}/change/"


def test_a_threshold_is_drafted_tried_back_tested_and_published_and_judges_the_next_decision(
    page: Page, live_server, log_in, workflow, reports
):
    past = make.submit_one(now=timezone.now(), confidence=0.62)
    log_in(page, make.ada())
    page.goto(live_server.url + live_page(workflow))
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_text("This is a draft: nothing of it is in force.")).to_be_visible()

    row = page.locator(".inline-related", has_text="Refund fee").first
    row.get_by_label("From a confidence of").fill("0.6")
    page.get_by_role("button", name="Add another Rule").click()
    rule = page.locator("#rules-0")
    rule.get_by_label("A person is asked where").fill("amount >> 100.0")
    expect(rule.get_by_text("At character 9:")).to_be_visible()
    rule.get_by_label("A person is asked where").fill("amount > 100.0")
    expect(rule.get_by_text("This can be read. It speaks of: amount.")).to_be_visible()
    rule.get_by_label("The reviewer reads").fill("More than a hundred.")
    page.get_by_role("button", name="Save the draft").click()

    page.get_by_role("link", name="Try it on a decision…").click()
    page.get_by_label("Decision", exact=True).fill(past.external_id)
    page.get_by_role("button", name="Try").click()
    expect(page.get_by_text("would run alone")).to_be_visible()
    expect(page.get_by_text("changes sides")).to_be_visible()
    page.go_back()
    page.go_back()

    page.get_by_role("link", name="Publish…").click()
    expect(page.get_by_text("There is none of this version.")).to_be_visible()
    page.get_by_role("link", name="Try it on past decisions").click()
    page.get_by_role("button", name="Try it on them").click()
    expect(page.locator("progress")).to_be_visible()
    page.get_by_role("link", name="Publish it…").click()
    expect(page.get_by_text("It is under way")).to_be_visible()
    run_backtest(Backtest.objects.get().pk, now=timezone.now())
    expect(page.get_by_text("would run alone: 1 of 1; it was 0.")).to_be_visible()
    expect(page.get_by_text("1 would run alone that people decided, 0 would wait")).to_be_visible()
    expect(page.get_by_text("it runs alone from a confidence of 0.6; before")).to_be_visible()
    expect(page.get_by_text("New rule: “More than a hundred”")).to_be_visible()
    page.get_by_label("Reason").fill("It earned it.")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Version 2 of Support is in force.")).to_be_visible()
    expect(page.get_by_text("refund_fee runs alone at 0.6 and above")).to_be_visible()

    alone = make.submit_one(now=timezone.now(), confidence=0.62)
    assert (alone.route, alone.policy_version.number) == ("auto", 2)
    asked = make.submit_one(
        now=timezone.now(), confidence=0.99, payload={"message": "All of it.", "amount": "120.00", "currency": "EUR"}
    )
    assert asked.reasons[0]["message"] == "More than a hundred."
    log_in(page, make.ana())
    page.goto(f"{live_server.url}/tickets/{make.gate_of(asked).pk}/")
    expect(page.get_by_text("policy 2", exact=True)).to_be_visible()


def test_changes_to_a_draft_that_were_not_saved_are_not_dropped_without_a_question(
    page: Page, live_server, log_in, workflow, reports
):
    log_in(page, make.ada())
    page.goto(live_server.url + live_page(workflow))
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_text("This is a draft: nothing of it is in force.")).to_be_visible()
    draft = page.url
    confidence = page.locator(".inline-related", has_text="Refund fee").first.get_by_label("From a confidence of")
    confidence.fill("0.6")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.get_by_role("link", name="Publish…").click()
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    assert page.url == draft
    expect(confidence).to_have_value("0.6")

    page.get_by_role("button", name="Save, and go on to publish…").click()
    expect(page.get_by_text("it runs alone from a confidence of 0.6; before")).to_be_visible()
    page.get_by_role("link", name="Back", exact=True).click()
    expect(page.get_by_text("This is a draft: nothing of it is in force.")).to_be_visible()
    page.get_by_role("link", name="Publish…").click()
    expect(page.get_by_label("Reason")).to_be_visible()
    assert asked == ["beforeunload"], "what is saved is left without a question"


def test_a_lead_stops_a_workflow_from_its_page(page: Page, live_server, log_in, workflow, reports):
    log_in(page, make.omar())
    page.goto(live_server.url + "/policies/support/")
    page.locator("summary", has_text="Pause Support…").click()
    page.get_by_label("Why?").fill("Complaints.")
    page.get_by_role("button", name="Pause Support").click()
    expect(page.get_by_text("by Omar: “Complaints.”")).to_be_visible()
    assert make.submit_one(now=timezone.now(), confidence=0.99).route == "review"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    browser: Browser, live_server, log_in, workflow, scheme, width
):
    draft = services.create_draft(workflow, author=make.ada(), now=timezone.now())
    fraud = make.make_group("Fraud")
    draft.rules.create(position=0, expression="amount > 100.0", sentence="More than a hundred.", group=fraud)
    services.shadow(draft, publisher=make.ada(), reason="To see.", now=timezone.now())
    run_backtest(request_backtest(draft, user=make.ada(), now=timezone.now()).pk, now=timezone.now())
    make.submit_one(now=timezone.now(), confidence=0.62)
    services.pause(None, actor=make.omar(), reason="Trial.", now=timezone.now())
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    log_in(page, make.ada())
    versions = "/admin/policies/policyversion/"
    found = {}
    for path in (
        "/policies/",
        "/policies/support/",
        "/policies/support/versions/2/",
        "/policies/support/try",
        "/workflows/support/pause",
        "/admin/",
        versions,
        live_page(workflow),
        f"{versions}{draft.pk}/change/",
        f"{versions}{draft.pk}/publish/",
        f"/admin/policies/workflow/{workflow.pk}/change/",
        f"/admin/policies/actiontype/{workflow.actions.get().pk}/change/",
        "/admin/reviews/channel/add/",
        f"/admin/auth/group/{draft.rules.get().group_id}/change/",
        f"/insights/backtests/support/{draft.number}/",
    ):
        page.goto(live_server.url + path)
        page.wait_for_timeout(150)
        page.evaluate(AXE)
        result = page.evaluate("tags => axe.run(document, {runOnly: tags})", TAGS)
        problems = [f"{each['id']}: {node['target']}" for each in result["violations"] for node in each["nodes"]]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            problems.append("wider than the window")
        if problems:
            found[path] = problems
    context.close()
    assert found == {}
