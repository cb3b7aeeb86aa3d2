"""A promise in writing, and when it is not given."""

from datetime import timedelta

import numpy as np
import pytest

from feedback.models import Certificate
from feedback.queries.labels import Scope
from feedback.services import NoneQualifies, assess_autonomy, draft_threshold, issue_certificate
from policies.domain.vocabulary import Autonomy
from policies.models import PolicyVersion
from policies.queries import live_policy
from policies.services import NotAllowed, publish
from tests.factories import ada, ana, later, make_live_policy, make_workflow, submit_one
from tests.feedback.labelled import make_labels

pytestmark = pytest.mark.django_db
MODEL = ("support-router", "1.0")


@pytest.fixture(autouse=True)
def policy():
    make_live_policy(autonomy=Autonomy.NEVER, least_confidence=None, basis_reason="")


def labels(errors: int = 0, *, n: int = 1200) -> None:
    error = np.zeros(n, dtype=bool)
    if errors:
        error[:: n // errors] = True
    make_labels(error, confidence=np.linspace(0.6, 1, n))


def scope(**changes) -> Scope:
    return Scope(
        **{"workflow": make_workflow(), "action": "refund_fee", "model_name": MODEL[0], "model_version": MODEL[1]}
        | changes
    )


def test_a_certificate_says_what_was_looked_at_and_until_when_it_holds():
    labels()
    found = issue_certificate(scope(), alpha=0.02, now=later(hours=1))
    assert (found.method, found.errors, found.expires_at) == ("continuous", 0, later(hours=1, days=90))
    assert found.bound <= 0.02
    assert found.detail["sample"] == 900
    again = issue_certificate(scope(), alpha=0.02, now=later(hours=2))
    assert again.data_digest == found.data_digest, "the same labels have the same digest"
    assert again.digest != found.digest, "and each certificate one of its own"


def test_another_label_is_another_digest():
    labels()
    found = issue_certificate(scope(), alpha=0.02, now=later(hours=1))
    make_labels([False], since=later(minutes=50))
    assert issue_certificate(scope(), alpha=0.02, now=later(hours=1)).data_digest != found.data_digest


def test_with_too_many_errors_nothing_is_written():
    labels(400)
    with pytest.raises(NoneQualifies, match="Too many errors"):
        issue_certificate(scope(), alpha=0.02, now=later(hours=1))
    with pytest.raises(NoneQualifies):
        draft_threshold(scope(), alpha=0.02, author=ada(), now=later(hours=1))
    assert not Certificate.objects.exists()
    assert PolicyVersion.objects.count() == 1


def test_a_new_model_version_starts_without_evidence():
    labels()
    with pytest.raises(NoneQualifies, match="Too few labels: 0 of 0"):
        issue_certificate(scope(model_version="1.1"), alpha=0.02, now=later(hours=1))


def test_from_labels_to_an_automatic_approval_it_takes_a_person_who_publishes():
    labels()
    draft = draft_threshold(scope(), alpha=0.02, author=ada(), now=later(hours=1))
    assert submit_one(confidence=0.99, now=later(hours=1)).route == "review"
    publish(draft, publisher=ada(), reason="The evidence supports it.", now=later(hours=2))
    assess_autonomy(now=later(hours=2))
    row = live_policy(make_workflow().pk).row_for(action="refund_fee", model_name=MODEL[0], model_version=MODEL[1])
    assert row.autonomy == Autonomy.BY_CONFIDENCE, "what was issued here is known here"
    assert submit_one(confidence=0.99, now=later(hours=2)).route == "auto"
    other = submit_one(confidence=0.99, now=later(hours=2), model={"name": MODEL[0], "version": "1.1"})
    assert other.route == "review"


def test_the_rest_of_the_row_stays_as_it_is():
    make_live_policy(thresholds=[{"audit_rate": "0.3", "daily_count": 7, "model_name": "", "verdicts_needed": 2}])
    labels()
    whole = scope(action="", model_name="", model_version="")
    row = draft_threshold(whole, alpha=0.02, author=ada(), now=later(hours=1)).thresholds.get()
    assert (str(row.audit_rate), row.daily_count, row.verdicts_needed) == ("0.3000", 7, 2)
    assert (row.basis_reason, float(row.alpha)) == ("", 0.02)
    assert row.basis_holds_until - later(hours=1) == timedelta(days=90)


def test_ana_drafts_nothing():
    labels()
    with pytest.raises(NotAllowed):
        draft_threshold(scope(), alpha=0.02, author=ana(), now=later(hours=1))
    assert not Certificate.objects.exists()
