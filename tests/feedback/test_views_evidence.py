"""The page of evidence: what the labels prove, planned looks, drafts, and what audits found."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone

from feedback.domain.vocabulary import LabelSource
from feedback.models import Certificate, Label, Look
from feedback.services import collect_labels, take_looks
from policies.domain.vocabulary import Autonomy, VersionStatus
from policies.models import PolicyVersion
from reviews.models import Delivery, Endpoint, Ticket
from reviews.services.settle import settle_due
from tests.factories import (
    ada,
    ana,
    gate_of,
    make_client,
    make_live_policy,
    omar,
    submit_one,
)
from tests.feedback.insight_pages import browse, page, text_of
from tests.feedback.labelled import make_labels
from tests.reviewing import decide

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def policy(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    make_live_policy(audit_rate=Decimal(1), alpha=Decimal("0.05"))


def test_before_the_first_label_the_evidence_says_so():
    text = text_of(page("/insights/evidence/"))
    assert "No labels yet." in text
    assert "no watch yet: 1000 labels are missing" in text
    assert "0 second opinions so far; shown from 50." in text


def test_the_evidence_shows_what_could_be_promised_and_what_audits_found():
    make_labels(np.arange(1500) % 200 == 0, confidence=np.linspace(0.6, 1, 1500))
    html = page("/insights/evidence/")
    text = text_of(html)
    assert "stands" in text
    assert "steady" in text
    assert html.count('<svg class="chart') == 3, "reliability, and risk for a wide and for a narrow place"
    assert "From 1125 decisions of the random sample, after the 375 oldest" in text
    narrowed = page("/insights/evidence/", action="refund_fee")
    assert 'href="/log/?workflow=support&amp;action=refund_fee&amp;least=0.8000000&amp;below=0.8666667"' in narrowed
    assert 'href="/log/?workflow=support&amp;action=refund_fee&amp;least=0.85"' in narrowed


def test_ada_drafts_what_the_evidence_recommends_with_its_certificate_and_publishes_nothing():
    make_labels(np.zeros(1500, dtype=bool), confidence=np.linspace(0.6, 1, 1500))
    live = PolicyVersion.objects.get(status=VersionStatus.LIVE)
    answer = browse(ada()).post("/insights/evidence/draft", {"query": "workflow=support", "alpha": "0.02"})
    certificate = Certificate.objects.get()
    draft = PolicyVersion.objects.get(status=VersionStatus.DRAFT)
    assert answer.url.endswith(f"/{draft.pk}/change/")
    row = draft.thresholds.get()
    assert (row.autonomy, float(row.least_confidence)) == (Autonomy.BY_CONFIDENCE, certificate.threshold)
    assert (row.certificate_id, row.certificate_digest) == (str(certificate.pk), certificate.digest)
    assert row.basis_holds_until == certificate.expires_at
    assert (certificate.errors, certificate.bound) == (0, pytest.approx(0.0027, abs=0.001))
    assert PolicyVersion.objects.get(status=VersionStatus.LIVE) == live


def test_with_too_few_labels_no_draft_is_made_and_the_page_says_why():
    make_labels(np.zeros(60, dtype=bool))
    browser = browse(ada())
    browser.post("/insights/evidence/draft", {"query": "workflow=support", "alpha": "0.01"})
    assert not PolicyVersion.objects.filter(status=VersionStatus.DRAFT).exists()
    assert "No threshold qualifies now. Too few labels" in browser.get("/insights/evidence/").content.decode()


def test_ada_plans_a_look_sees_how_far_it_is_and_drafts_what_it_found():
    make_labels(np.zeros(400, dtype=bool), confidence=np.linspace(0.6, 1, 400))
    browser, now = browse(ada()), timezone.now()
    planned = browser.post(
        "/insights/evidence/looks", {"query": "workflow=support&action=refund_fee", "alpha": "0.02", "n": "600"}
    )
    assert planned.headers["Location"] == "/insights/evidence/?workflow=support&action=refund_fee"
    look = Look.objects.get()
    assert (look.action, look.model_name, look.alpha, look.n) == ("refund_fee", "", 0.02, 600)
    assert "refund_fee , any model 2.0 %" in text_of(page("/insights/evidence/", user=ada()))
    assert "0 of 600 decisions" in text_of(page("/insights/evidence/"))
    make_labels(np.zeros(600, dtype=bool), confidence=np.linspace(0.6, 1, 600), since=now + timedelta(minutes=1))
    take_looks(now=now + timedelta(days=1))
    look.refresh_from_db()
    assert f"alone from {look.certificate.threshold}" in text_of(page("/insights/evidence/"))
    drafted = browser.post(f"/insights/evidence/looks/{look.pk}/draft")
    draft = PolicyVersion.objects.get(status=VersionStatus.DRAFT)
    assert drafted.headers["Location"] == f"/admin/policies/policyversion/{draft.pk}/change/"
    assert browser.post(f"/insights/evidence/looks/{look.pk}/withdraw", {"why": "No."}).status_code == 302
    look.refresh_from_db()
    assert look.withdrawn_at is None


def test_a_look_that_could_show_nothing_comes_back_with_the_limit():
    make_labels(np.zeros(400, dtype=bool))
    answer = browse(ada()).post("/insights/evidence/looks", {"query": "workflow=support", "alpha": "0.01", "n": "20"})
    assert answer.status_code == 422
    assert "A look at 1 % takes 437 decisions at least, and 1,000,000 at most." in text_of(answer.content.decode())
    assert 'value="20"' in answer.content.decode(), "nothing that was typed is lost"
    assert browse(ada()).post("/insights/evidence/looks", {"alpha": "0.01", "n": "many"}).status_code == 422


def test_a_look_is_withdrawn_with_a_reason():
    make_labels(np.zeros(400, dtype=bool))
    browser = browse(ada())
    browser.post("/insights/evidence/looks", {"query": "workflow=support", "alpha": "0.05", "n": "600"})
    look = Look.objects.get()
    browser.post(f"/insights/evidence/looks/{look.pk}/withdraw", {"why": ""})
    assert "A reason is needed" in page("/insights/evidence/", user=ada()) or Look.objects.get().withdrawn_at is None
    browser.post(f"/insights/evidence/looks/{look.pk}/withdraw", {"why": "The model is replaced."})
    assert "withdrawn by Ada" in text_of(page("/insights/evidence/"))
    assert "The model is replaced." in page("/insights/evidence/")


def test_only_admins_draft():
    assert browse(omar()).post("/insights/evidence/draft", {"query": "", "alpha": "0.02"}).status_code == 403
    assert browse(ada()).post("/insights/evidence/draft", {"query": "", "alpha": "much"}).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_what_an_audit_overturned_is_shown_with_what_is_right_and_whether_upstream_knows():
    now = timezone.now()
    make_live_policy(now=now, audit_rate=Decimal(1))
    client, _ = make_client(now=now)
    decision = submit_one(client=client, confidence=0.95, now=now)
    audit = Ticket.objects.get(decision=decision)
    empty = text_of(page("/insights/evidence/"))
    assert "To be put right" not in empty
    assert "30 clean ones say “fewer than 9.5 % missed”" in empty
    endpoint = Endpoint.objects.create(client=client, url="https://agent.example/hook", secret="whsec_x")
    decide(audit, ana(), "reject", reason_code="wrong_facts", now=now)
    settle_due(now=now + timedelta(minutes=1))
    collect_labels(now=now)
    html = page("/insights/evidence/")
    text = text_of(html)
    assert f"{decision.external_id} refund_fee nothing Ana," in text
    assert "being told" in text
    assert f'href="/tickets/{audit.pk}/"' in html
    for state, shown in (("delivered", "told"), ("dead", "could not be told")):
        Delivery.objects.filter(endpoint=endpoint, type="decision.audit_disagreed").update(state=state)
        assert f"{shown} the audit" in text_of(page("/insights/evidence/"))
    Delivery.objects.all().delete()
    assert "takes no webhooks; it is in its feed" in page("/insights/evidence/")
    label = Label.objects.get(decision=decision, stands=True)
    fields = {
        name: getattr(label, name) for name in ("decision", "workflow", "action", "flag_probability", "decided_at")
    }
    Label.objects.filter(pk=label.pk).update(stands=False)
    better = {"source": LabelSource.GROUND_TRUTH, "ai_was_right": True, "stands": True, "route": label.route}
    Label.objects.create(**fields, **better, flagged=label.flagged, model_name="m", model_version="1")
    assert "To be put right" not in page("/insights/evidence/"), "what is known better counts"


def test_clean_audits_say_what_they_bound():
    make_labels(np.zeros(300, dtype=bool), confidence=0.95)
    assert "300 clean audits fewer than 0.99 % missed" in text_of(page("/insights/evidence/"))


def test_the_evidence_costs_the_same_queries_however_much_is_to_be_put_right(django_assert_max_num_queries):
    ticket = gate_of(submit_one(confidence=0.62))
    make_labels(np.ones(60, dtype=bool), confidence=0.95)
    Label.objects.filter(source="audit").update(ticket=ticket)
    browser = browse(omar())
    with django_assert_max_num_queries(32):
        assert browser.get("/insights/evidence/").status_code == 200
