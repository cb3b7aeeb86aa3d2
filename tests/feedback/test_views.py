"""The insights pages: who sees them, what they show, and what they cost."""

import re
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.test import Client as Browser
from django.utils import timezone

from feedback.domain.vocabulary import AlarmKind, RunState
from feedback.models import Export, KnownAnswer, Seed, Tally
from feedback.services import collect_labels, end_alarm, raise_alarm, run_export
from feedback.services.confidences import watch_confidences
from reviews.domain.vocabulary import EventKind
from reviews.models import Event, Ticket
from reviews.services.settle import settle_due
from tests.factories import (
    NOW,
    ada,
    ana,
    ben,
    eve,
    gate_of,
    ines,
    later,
    make_client,
    make_live_policy,
    make_workflow,
    omar,
    submit_one,
)
from tests.feedback.insight_pages import browse, page, text_of
from tests.feedback.labelled import make_labels
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
PAGES = ("/insights/", "/insights/evidence/", "/insights/known-answers/", "/insights/exports/")


@pytest.fixture(autouse=True)
def policy(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    make_live_policy(audit_rate=Decimal(1), alpha=Decimal("0.05"))


def tally(count: int, verdict: str, **columns) -> None:
    fields = {
        "day": timezone.now().date(),
        "workflow": make_workflow(),
        "action": "refund_fee",
        "model_name": "support-router",
        "model_version": "1.0",
        "policy_version": 1,
        "route": "review",
        "ticket_kind": "gate",
        "band": 6,
        "reviewer": ana(),
        **columns,
    }
    Tally.objects.create(count=count, verdict=verdict, in_time=count, seconds=count * 12.0, **fields)


# --- Who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_insights_are_for_leads_auditors_and_admins(path):
    for reader in (omar, ines, ada):
        assert browse(reader()).get(path).status_code == 200
    for other in (ana, ben, eve):
        assert browse(other()).get(path).status_code == 403
    assert Browser().get(path).status_code == 302


def test_a_workflow_that_isnt_there_shows_the_busiest_one():
    busy = make_workflow("zebra")
    tally(1, "", ticket_kind="", reviewer=None)
    tally(2, "", ticket_kind="", reviewer=None, workflow=busy)
    html = page("/insights/", workflow="nowhere", action="nothing", days="-1")
    assert f'<option value="zebra" selected>{busy.title}</option>' in html


@pytest.mark.parametrize("path", [*PAGES, "/insights/me/"])
def test_no_page_has_a_style_or_code_inside(path):
    make_labels(np.arange(200) % 20 == 0, confidence=np.linspace(0.5, 1, 200))
    tally(40, "approve")
    html = page(path)
    assert " style=" not in html
    assert not re.search(r"<script(?![^>]*src=)", html)
    assert not re.search(r"\son\w+=", html)


# --- Overrides and queue ---------------------------------------------------------------------------------------------


def test_omar_reads_how_often_people_changed_what_was_proposed_and_of_how_many():
    tally(30, "approve")
    tally(10, "override")
    text = text_of(page("/insights/"))
    assert "People changed 25 % 14–40 % of 40 they were asked about" in text
    assert "A verdict takes 12 s" in text


def test_each_line_leads_to_its_decisions_in_the_log():
    tally(30, "approve")
    html = page("/insights/")
    assert "/log/?workflow=support&amp;action=refund_fee" in html
    assert "/log/?workflow=support&amp;reviewer=ana" in html
    for filters in ("policy=1", "band=6", "model=support-router&amp;model_version=1.0"):
        assert f'href="/log/?workflow=support&amp;{filters}"' in html


def test_a_share_of_fewer_than_ten_is_counted_and_not_shown():
    tally(9, "reject")
    text = text_of(page("/insights/"))
    assert "refund_fee 9 too few to say" in text
    assert "100 %" not in text


def test_only_the_action_and_the_time_that_one_asks_for_count():
    tally(30, "approve")
    tally(30, "reject", action="trace_top_up")
    tally(50, "reject", day=timezone.now().date() - timedelta(days=200))
    assert "of 60 they were asked about" in text_of(page("/insights/"))
    assert "of 110 they were asked about" in text_of(page("/insights/", days="365"))
    assert "of 30 they were asked about" in text_of(page("/insights/", action="trace_top_up"))
    assert "of 60 they were asked about" in text_of(page("/insights/", model="support-router\u001f1.0"))


def test_the_random_sample_is_told_apart_from_the_queue():
    tally(20, "reject")
    tally(50, "approve", ticket_kind="audit", route="auto", flagged=True)
    text = text_of(page("/insights/"))
    assert "of 20 they were asked about" in text
    assert "of 50 drawn from everything" in text


def test_the_page_costs_the_same_queries_however_much_there_is(django_assert_max_num_queries):
    for day in range(60):
        for action in ("refund_fee", "trace_top_up", "block_card"):
            tally(20, "approve", action=action, day=timezone.now().date() - timedelta(days=day))
    browser = browse(omar())
    with django_assert_max_num_queries(26):
        assert browser.get("/insights/").status_code == 200


# --- Alarms ----------------------------------------------------------------------------------------------------------


def test_an_alarm_stands_on_every_page_of_those_who_oversee_until_it_is_acknowledged():
    ticket = gate_of(submit_one(confidence=0.62))
    raised = raise_alarm(
        AlarmKind.OVERRIDE_RATE,
        workflow=make_workflow(),
        action="refund_fee",
        message="People changed 40 % of 60 refund_fee.",
        evidence={
            "leading": [{"reason": "wrong_tone", "label": "Wrong tone", "count": 3, "tickets": [str(ticket.pk)]}]
        },
        now=NOW,
    )
    for path in ("/", "/log/", "/insights/", "/policies/"):
        for reader in (omar, ines, ada):
            assert "People changed 40 %" in browse(reader()).get(path).content.decode(), path
    assert "People changed 40 %" not in browse(ana()).get("/").content.decode()
    address = f"/insights/alarms/{raised.pk}/"
    assert f'href="{address}"' in page("/")
    text = page(address)
    assert "Wrong tone" in text
    assert f'href="/tickets/{ticket.pk}/"' in text
    assert browse(ana()).get(address).status_code == 403
    for reader in (ana, ines):
        assert browse(reader()).post(f"{address}acknowledge", {"note": "Nothing."}).status_code == 403
    assert "<textarea" in text
    assert "<textarea" not in page(address, user=ines()), "auditors read it"
    assert browse(omar()).post(f"{address}acknowledge", {"note": "  "}).status_code == 422
    for note in ("The prompt is being rewritten.", "Too late to say more."):
        assert browse(omar()).post(f"{address}acknowledge", {"note": note}).status_code == 302
    raised.refresh_from_db()
    assert (raised.acknowledged_by, raised.note) == (omar(), "The prompt is being rewritten.")
    event = Event.objects.get(kind=EventKind.ALARM_ACKNOWLEDGED)
    assert event.user == omar()
    assert "prompt" not in event.body
    text = page("/")
    assert "People changed 40 %" not in text
    assert "Acknowledged, and not over:" in text, "in sight until it is over"
    assert "The prompt is being rewritten." in page(address)
    assert end_alarm(raised, because="People changed 9 % of 70.", now=later(days=2))
    assert not end_alarm(raised, because="Another worker was first.", now=later(days=3))
    assert "Acknowledged, and not over:" not in page("/")
    for shown in (page(address), page("/insights/")):
        assert "People changed 9 % of 70." in shown
    assert "by itself" in page(address)


def test_an_alarm_of_confidences_shows_what_was_said_and_leads_to_the_log():
    make_labels(np.arange(600) % 8 == 0)
    (raised,) = watch_confidences(make_workflow(), now=later(hours=1))
    text = page(f"/insights/alarms/{raised.pk}/")
    assert "between 0.9 and 1.0 95" in text_of(text)
    (address,) = re.findall(r'href="(/log/\?[^"]*band=9[^"]*)"', text)
    assert {"workflow=support", "action=refund_fee", "model_version=1.0"} <= set(re.split(r"[?&;]", address))


# --- Training data ---------------------------------------------------------------------------------------------------


def test_omar_asks_for_a_file_and_fetches_it():
    browser = browse(omar())
    asked = {"workflow": make_workflow().pk, "shape": "decisions", "since": "2026-01-01", "until": "2026-12-31"}
    asked |= {"action": "refund_fee", "model": "support-router"}
    assert browser.post("/insights/exports/", asked).status_code == 302
    export = Export.objects.get()
    assert export.inputs["until"] == "2027-01-01T00:00:00+00:00", "the last day is included"
    assert browser.get(f"/insights/exports/{export.pk}/file").status_code == 409
    assert "2026-01-01 – 2027-01-01, refund_fee , support-router" in text_of(page("/insights/exports/"))
    assert "<progress" in browser.get("/insights/exports/").content.decode()
    run_export(export.pk, now=NOW)
    answer = browser.get(f"/insights/exports/{export.pk}/file")
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith('attachment; filename="support-decisions-')
    assert "Download" in browser.get("/insights/exports/").content.decode()


def test_days_in_the_wrong_order_come_back_with_the_form():
    asked = {"workflow": make_workflow().pk, "shape": "decisions", "since": "2026-02-01", "until": "2026-01-01"}
    answer = browse(omar()).post("/insights/exports/", asked)
    assert answer.status_code == 422
    assert "The last day comes before the first." in answer.content.decode()
    assert not Export.objects.exists()


def test_ana_fetches_no_file():
    export = Export.objects.create(workflow=make_workflow(), requested_at=NOW, state=RunState.DONE)
    assert browse(ana()).get(f"/insights/exports/{export.pk}/file").status_code == 403


# --- Known answers ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_omar_sets_a_settled_decision_aside_and_retires_it():
    now = timezone.now()
    make_live_policy(now=now)
    decision = submit_one(confidence=0.62, now=now)
    asked = {"decision": decision.external_id, "evidence": "Three people agreed."}
    answer = browse(omar()).post("/insights/known-answers/?workflow=support", asked)
    assert answer.status_code == 422
    assert "Nothing is known of it yet" in answer.content.decode()
    decide(gate_of(decision), ana(), now=now)
    settle_due(now=now + timedelta(minutes=1))
    collect_labels(now=now)
    assert browse(ines()).post("/insights/known-answers/?workflow=support", asked).status_code == 403
    assert browse(omar()).post("/insights/known-answers/?workflow=support", asked).status_code == 302
    seed = Seed.objects.get(decision=decision)
    text = text_of(page("/insights/known-answers/"))
    assert f"{decision.external_id} refund_fee right Three people agreed. omar" in text
    assert browse(ines()).post(f"/insights/known-answers/{seed.pk}/retire").status_code == 403
    assert browse(omar()).post(f"/insights/known-answers/{seed.pk}/retire").status_code == 302
    assert "retired" in page("/insights/known-answers/")


@pytest.mark.parametrize("named", ["nothing-of-the-sort", "01890a5d-ac96-774b-bcce-b302099a8057"])
def test_what_is_no_decision_of_the_workflow_is_not_set_aside(named):
    answer = browse(omar()).post("/insights/known-answers/", {"decision": named, "evidence": "Surely."})
    assert answer.status_code == 422
    assert "There is no such decision here." in answer.content.decode()


# --- Her own record --------------------------------------------------------------------------------------------------


def test_ana_sees_her_own_record_and_what_known_answers_showed():
    now = timezone.now()
    make_live_policy(now=now)
    decide(gate_of(submit_one(confidence=0.62, now=now)), ana(), now=now)
    client, _ = make_client("Known answers", internal=True)
    for right in (True, False):
        decision = submit_one(client=client, confidence=0.62, now=now)
        truth = {"right_action": "refund_fee", "ai_is_right": right}
        seed = Seed.objects.create(
            workflow=decision.workflow, content={}, evidence="x", planted_by=omar(), planted_at=now, **truth
        )
        KnownAnswer.objects.create(decision=decision, seed=seed, **truth)
        ticket = Ticket.objects.get(decision=decision)
        decide(ticket, ana(), "approve" if right else "reject", now=now)
        ticket.refresh_from_db()
        type(ticket).objects.filter(pk=ticket.pk).update(state="settled", settled_at=now)
    text = text_of(page("/insights/me/", user=ana()))
    assert "Verdicts 1 " in text, "known answers are not among them"
    assert "1 of 1" in text
    assert "Longest run of approvals 1" in text
