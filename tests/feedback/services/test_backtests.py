"""A draft is tried on what happened, without effect."""

from decimal import Decimal

import numpy as np
import pytest
from django.test import Client as Browser

from feedback.domain.vocabulary import RunState
from feedback.models import Backtest
from feedback.services import NotAllowed, request_backtest, run_backtest, unfinished_backtests
from policies.domain.vocabulary import VersionStatus
from policies.models import PolicyVersion, Threshold
from policies.services import create_draft
from reviews.models import Decision
from reviews.services.settle import settle_due
from tests.factories import ada, ana, gate_of, later, make_live_policy, make_workflow, omar, submit_one
from tests.feedback.labelled import make_labels
from tests.feedback.streams import EXPECTED, stream
from tests.reviewing import decide

pytestmark = pytest.mark.django_db
NAME, THRESHOLD = "support", "0.8"


@pytest.fixture(autouse=True)
def policy():
    make_live_policy(audit_rate=Decimal("0.15"), least_confidence=Decimal("0.9"))


def draft(least_confidence: str = "0.8", **changes) -> PolicyVersion:
    version = create_draft(make_workflow(), author=ada(), note="Tried.", now=later())
    Threshold.objects.filter(version=version).update(least_confidence=Decimal(least_confidence), **changes)
    return version


def tried(version: PolicyVersion, **options) -> Backtest:
    asked = request_backtest(version, user=omar(), now=later(days=30), **options)
    return run_backtest(asked.pk, now=later(days=30))


def load_what_a_live_policy_showed() -> None:
    """The stream under the policy of its audit file: what ran alone is labelled where it was drawn."""
    given = stream(NAME)
    for alone in (False, True):
        for probability in sorted(set(given.probability[given.ran_alone == alone])):
            for labelled in (False, True):
                rows = (given.ran_alone == alone) & (given.probability == probability) & (given.labelled == labelled)
                if not rows.any():
                    continue
                labels = make_labels(
                    given.overridden[rows],
                    confidence=given.confidence[rows],
                    threshold=0.9,
                    flagged=bool(labelled),
                    probability=probability,
                )
                if not labelled:
                    type(labels[0]).objects.filter(pk__in=[label.pk for label in labels]).delete()


def test_a_draft_with_one_threshold_does_what_the_reference_says():
    load_what_a_live_policy_showed()
    found = tried(draft(THRESHOLD)).result
    expected = EXPECTED["audit"][NAME]["backtest_global_threshold"][THRESHOLD]
    assert found["n"] == 4000
    assert found["auto_rate"] == pytest.approx(expected["auto_rate"], abs=1e-6)
    assert found["to_review"] == expected["to_review"]
    assert found["error"] == pytest.approx(expected["error"], abs=1e-6)
    assert found["interval"] == pytest.approx(expected["interval95_guaranteed"], abs=2e-4)
    assert found["labelled"] == expected["labelled"]
    assert found["now_alone"]["count"] == 553
    assert found["now_asked"]["count"] == 0
    assert found["expected_audits"] == pytest.approx(0.15 * 3053)


def test_a_draft_that_automates_what_nobody_looked_at_is_not_identified():
    make_labels(np.zeros(50, dtype=bool), confidence=0.95, probability=0.15)
    make_live_policy(audit_rate=Decimal("0.0001"), least_confidence=Decimal("0.9"))  # as good as nobody is drawn
    for _ in range(3):
        submit_one(confidence=0.85)  # waits: nobody has answered
    found = tried(draft("0.8")).result
    assert found["error"] is None
    assert found["unidentified"] == pytest.approx(3 / 53)
    assert found["identified_error"] == 0
    assert found["interval"][1] >= 3 / 53


def test_it_names_the_decisions_that_change_sides_both_ways():
    ran = submit_one(confidence=0.92)
    waited = submit_one(confidence=0.85)
    decide(gate_of(waited), ana())
    settle_due(now=later(minutes=1))
    wider = tried(draft("0.8")).result
    assert wider["now_alone"]["decisions"] == [str(waited.pk)]
    assert wider["seconds"] == 2.0
    narrower = tried(draft("0.95")).result
    assert narrower["now_asked"]["decisions"] == [str(ran.pk)]
    assert narrower["auto"] == 0


def test_only_the_newest_decisions_are_replayed():
    for confidence in (0.99, 0.85, 0.84):
        submit_one(confidence=confidence)
    assert tried(draft("0.8"), decisions=2).result["n"] == 2


def test_nothing_but_the_back_test_is_written():
    decision = submit_one(confidence=0.85)
    before = Decision.everything.count()
    version = draft("0.8")
    tried(version)
    version.refresh_from_db()
    decision.refresh_from_db()
    assert version.status == VersionStatus.DRAFT
    assert (decision.route, Decision.everything.count()) == ("review", before)


def test_without_history_there_is_nothing_to_say():
    assert tried(draft()).result["n"] == 0


def test_a_finished_run_is_not_run_again():
    backtest = tried(draft())
    assert unfinished_backtests() == []
    submit_one(confidence=0.99)
    assert run_backtest(backtest.pk, now=later(days=31)).result["n"] == 0


def test_what_went_wrong_is_kept():
    version = draft()
    backtest = request_backtest(version, user=omar(), now=later())
    Backtest.objects.filter(pk=backtest.pk).update(inputs={})
    with pytest.raises(KeyError):
        run_backtest(backtest.pk, now=later())
    assert Backtest.objects.get().state == RunState.FAILED


def test_ana_tries_nothing():
    with pytest.raises(NotAllowed):
        request_backtest(draft(), user=ana(), now=later())


# --- The page --------------------------------------------------------------------------------------------------------


def browse(user) -> Browser:
    browser = Browser()
    browser.force_login(user)
    return browser


def test_omar_asks_for_a_back_test_and_reads_it():
    decision = submit_one(confidence=0.85)
    version = draft("0.8")
    path = f"/insights/backtests/support/{version.number}/"
    browser = browse(omar())
    assert "There is no back-test of this version yet." in browser.get(path).content.decode()
    assert browser.post(path, {"decisions": "0"}).status_code == 422
    assert browser.post(path, {"decisions": "500"}).status_code == 302
    assert "<progress" in browser.get(path).content.decode()
    run_backtest(Backtest.objects.get().pk, now=later())
    html = browser.get(path).content.decode()
    assert "not identified" in html
    assert f"/log/{decision.pk}/" in html
    Threshold.objects.filter(version=version).update(least_confidence=Decimal("0.7"))
    assert "The version was changed since its last back-test." in browser.get(path).content.decode()
    assert browse(ana()).get(path).status_code == 403
    assert browser.get("/insights/backtests/support/99/").status_code == 404
