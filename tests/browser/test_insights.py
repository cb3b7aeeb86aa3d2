"""The insights pages in a real browser: axe finds nothing, nothing is wider than the window, no style is refused."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone
from playwright.sync_api import Page

from feedback.domain.vocabulary import AlarmKind
from feedback.models import KnownAnswer, ReasonTally, Seed, Tally
from feedback.services import acknowledge_alarm, collect_labels, raise_alarm, request_backtest, run_backtest
from feedback.services.confidences import watch_confidences
from policies.models import PolicyVersion
from reviews.models import Ticket
from reviews.services.settle import settle_due
from tests import factories as make
from tests.browser.test_accessibility import check
from tests.feedback.labelled import make_labels
from tests.feedback.streams import stream
from tests.reviewing import decide

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(page_of):
    return page_of(make.omar())


@pytest.fixture
def history():
    now = timezone.now()
    workflow = make.make_workflow()
    make.make_action(workflow, "refund_fee")
    make.make_action(workflow, "trace_top_up")
    make.make_live_policy(audit_rate=Decimal(1), alpha=Decimal("0.05"), now=now - timedelta(days=30))
    given = stream("support")
    make_labels(given.error, confidence=given.confidence, since=now - timedelta(days=20))
    shared = {"workflow": workflow, "model_name": "support-router", "model_version": "1.0"}
    chance = np.random.default_rng(2)
    for week in range(10):
        day = (now - timedelta(weeks=week)).date()
        for action in ("refund_fee", "trace_top_up"):
            for verdict, count in (("approve", 60 + 5 * week), ("override", int(chance.integers(4, 20))), ("edit", 5)):
                fields = {**shared, "action": action, "day": day, "verdict": verdict, "count": count}
                Tally.objects.create(
                    **fields,
                    policy_version=1,
                    route="review",
                    ticket_kind="gate",
                    band=int(chance.integers(3, 9)),
                    reviewer=make.ana() if week % 2 else make.ben(),
                    in_time=count,
                    seconds=count * 14,
                )
                ReasonTally.objects.create(**fields, reason="low_confidence")
    set_aside(now)
    leading = {"label": "Wrong amount", "reason": "wrong_amount", "count": 41}
    tickets = [str(ticket) for ticket in Ticket.objects.values_list("pk", flat=True)[:3]]
    return raise_alarm(
        AlarmKind.OVERRIDE_RATE,
        workflow=workflow,
        action="refund_fee",
        message="People changed 31 % [27–35 %] of 412 refund_fee in 28 days; 20 % is the limit.",
        evidence={"leading": [{**leading, "tickets": tickets}]},
        now=now,
    )


@pytest.fixture
def overconfident(history):
    """An alarm of confidences that are too high, acknowledged; and an audit that overturned what ran alone."""
    now = timezone.now()
    make_labels(
        np.arange(600) % 8 == 0, action="trace_top_up", model=("support-router", "1.1"), since=now - timedelta(days=2)
    )
    (alarm,) = watch_confidences(make.make_workflow(), now=now)
    acknowledge_alarm(alarm, user=make.omar(), note="Its owner is told.", now=now)
    decision = make.submit_one(confidence=0.95, now=now)
    audit = Ticket.objects.get(decision=decision)
    decide(audit, make.ana(), "reject", reason_code="wrong_facts", now=now)
    settle_due(now=now + timedelta(minutes=1))
    collect_labels(now=now)
    return alarm


def set_aside(now):
    """Two cases whose truth is known, both answered by Ana."""
    client, _ = make.make_client("Known answers", internal=True)
    for right in (True, False):
        truth = {"right_action": "refund_fee" if right else "", "ai_is_right": right, "evidence": "Three agreed."}
        case = make.submit_one(confidence=0.62, now=now)
        seed = Seed.objects.create(
            workflow=case.workflow, decision=case, planted_by=make.omar(), planted_at=now, **truth
        )
        known = make.submit_one(client=client, confidence=0.62, now=now)
        KnownAnswer.objects.create(decision=known, seed=seed, **truth)
        decide(Ticket.objects.get(decision=known), make.ana(), "approve" if right else "reject", now=now)
    settle_due(now=now + timedelta(minutes=1))


def test_axe_finds_nothing_on_the_insights_pages(page: Page, history, overconfident, scheme, width):
    found: dict[str, list[str]] = {}
    reports: list[str] = []
    page.on("console", lambda message: reports.append(message.text) if message.type == "error" else None)
    version = PolicyVersion.objects.get()
    run_backtest(request_backtest(version, user=make.omar(), decisions=500, now=timezone.now()).pk, now=timezone.now())
    back_test = f"/insights/backtests/support/{version.number}/"
    paths = ["/insights/", "/insights/evidence/", "/insights/known-answers/", "/insights/exports/", "/insights/me/"]
    alarms = [f"/insights/alarms/{alarm.pk}/" for alarm in (history, overconfident)]
    for path in (*paths, back_test, *alarms):
        page.goto(path)
        check(page, path, found)
        if path == "/insights/exports/":
            page.get_by_role("button", name="Write the file").click()
            page.wait_for_load_state()
            check(page, "an export", found)
    assert found == {}
    assert reports == []


def test_axe_finds_nothing_where_an_admin_plans_a_look(page_of, history):
    found: dict[str, list[str]] = {}
    page = page_of(make.ada())
    page.goto("/insights/evidence/")
    check(page, "none planned", found)
    page.get_by_label("to wait for").fill("20")
    page.get_by_role("button", name="Plan a look").click()
    page.get_by_text("takes 217 decisions at least").wait_for()
    check(page, "refused", found)
    page.get_by_label("to wait for").fill("600")
    page.get_by_role("button", name="Plan a look").click()
    page.get_by_text("0 of 600 decisions").wait_for()
    check(page, "planned", found)
    page.get_by_label("Reason for withdrawing it").fill("Another model comes.")
    page.get_by_role("button", name="Withdraw").click()
    page.get_by_text("Another model comes.").wait_for()
    check(page, "withdrawn", found)
    assert found == {}
