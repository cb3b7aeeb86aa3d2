"""What stands beside a ticket and a story: the model's own record, and what people say of a decision."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from feedback.models import Comment
from feedback.queries.records import Chosen, records_after
from policies.domain.vocabulary import VerdictKind
from reviews.models import Event
from reviews.services.settle import settle_due
from tests.factories import ana, ben, eve, gate_of, ines, make_live_policy, make_workflow, omar, submit_one
from tests.feedback.test_views import browse, tally, text_of
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
HX = {"HX-Request": "true"}


@pytest.fixture
def decision():
    make_live_policy(audit_rate=Decimal(1), now=timezone.now())
    return submit_one(now=timezone.now())


def record_beside(decision, *, user=None):
    return browse(user or ana()).get(f"/tickets/{gate_of(decision).pk}/record", headers=HX)


def test_a_model_s_record_counts_what_people_changed_of_its_own_proposals_of_the_action(decision):
    tally(362, VerdictKind.APPROVE)
    tally(30, VerdictKind.OVERRIDE)
    tally(20, VerdictKind.EDIT)
    tally(500, VerdictKind.REJECT, action="trace_top_up")
    tally(500, VerdictKind.REJECT, model_version="0.9")
    tally(500, VerdictKind.REJECT, ticket_kind="audit")
    shown = text_of(record_beside(decision).content.decode())
    assert shown == "On this action people changed 12 % [9.3–16 %] of 412 in 90 days."


def test_a_record_of_a_few_verdicts_claims_no_share(decision):
    nobody = text_of(record_beside(decision).content.decode())
    assert nobody == "Nobody has answered it on this action in 90 days."
    tally(9, VerdictKind.REJECT)
    shown = text_of(record_beside(decision).content.decode())
    assert shown == "People answered it 9 times on this action in 90 days: too few to say how well it does."


def test_who_may_see_the_ticket_sees_the_record_and_nobody_else(decision, client):
    assert {user.username: record_beside(decision, user=user).status_code for user in (ana(), omar(), ines())} == {
        "ana": 200,
        "omar": 200,
        "ines": 200,
    }
    assert record_beside(decision, user=eve()).status_code == 404
    assert client.get(f"/tickets/{gate_of(decision).pk}/record").status_code == 302


def test_without_javascript_the_record_is_a_page(decision):
    page = browse(ana()).get(f"/tickets/{gate_of(decision).pk}/record").content.decode()
    assert "<h1" in page
    assert "Back to the ticket" in page


def test_the_ticket_and_the_story_load_what_stands_beside_them_by_its_address(decision):
    ticket = browse(ana()).get(f"/tickets/{gate_of(decision).pk}/").content.decode()
    assert f'hx-get="/tickets/{gate_of(decision).pk}/record"' in ticket
    story = browse(omar()).get(f"/log/{decision.pk}/").content.decode()
    assert f'hx-get="/log/{decision.pk}/comments"' in story


def test_omar_comments_on_a_settled_decision_and_the_export_has_it(decision):
    decide(gate_of(decision), ben(), now=timezone.now())
    assert settle_due(now=timezone.now() + timedelta(minutes=5)) == 1
    sent = {"kind": "correction", "text": "The fee was <b>ours</b>.", "suggested_answer": "Refund both."}
    answer = browse(omar()).post(f"/log/{decision.pk}/comments", sent, headers=HX)
    assert answer.status_code == 200
    shown = answer.content.decode()
    assert "Correction" in shown
    assert "by Omar" in shown
    assert "The fee was &lt;b&gt;ours&lt;/b&gt;." in shown
    (exported,) = records_after(Chosen(workflow=make_workflow()), after=None, limit=10)
    assert [(each["kind"], each["text"], each["suggested_answer"]) for each in exported.comments] == [
        ("correction", "The fee was <b>ours</b>.", "Refund both.")
    ]
    logged = Event.objects.get(kind="comment.added")
    assert (logged.decision_id, logged.user) == (decision.pk, omar())
    assert "ours" not in logged.body, "the log outlives the purge, so it holds no words"


def test_without_javascript_a_comment_leads_back_to_the_story(decision):
    answer = browse(omar()).post(f"/log/{decision.pk}/comments", {"kind": "note", "text": "Seen."})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/log/{decision.pk}/")


def test_an_empty_comment_comes_back_with_the_form(decision):
    answer = browse(omar()).post(f"/log/{decision.pk}/comments", {"kind": "note", "text": " "}, headers=HX)
    assert answer.status_code == 422
    assert "Write what there is to say." in answer.content.decode()
    assert not Comment.objects.exists()


@pytest.mark.parametrize("who", [ana, eve])
def test_who_does_not_read_the_log_neither_reads_nor_writes_comments(decision, who):
    browser = browse(who())
    assert browser.get(f"/log/{decision.pk}/comments").status_code == 403
    assert browser.post(f"/log/{decision.pk}/comments", {"kind": "note", "text": "Hi"}).status_code == 403
    assert not Comment.objects.exists()
