"""The figures by REST: who may read them, of what, and that they are those of the reference."""

from decimal import Decimal

import numpy as np
import pytest
from django.test import Client as Browser

from feedback.models import Awaited, Label
from reviews.domain.vocabulary import Scope
from reviews.models import Decision
from tests.factories import ada, ana, eve, ines, later, make_client, make_live_policy, make_workflow, omar
from tests.feedback.labelled import make_arrivals, make_labels
from tests.feedback.streams import EXPECTED, OLDER, TOLERANCE, stream

pytestmark = pytest.mark.django_db
FIGURES = ("overrides", "calibration", "risk", "thresholds", "audits", "agreement", "drift")
STREAM = "support"
COPIED = (
    *("decision_id", "flag_probability", "label_probability", "workflow_id", "action", "model_name"),
    *("model_version", "confidence", "route", "flagged", "decided_at"),
)


@pytest.fixture(autouse=True)
def policy():
    make_live_policy(audit_rate=Decimal(1))


def key(*, workflows=None, scopes=(Scope.INSIGHTS_READ,)) -> str:
    return make_client("Dashboard", workflows=workflows, scopes=scopes)[1]


def ask(figure: str, *, bearer: str | None = None, user=None, **query):
    browser = Browser()
    if user is not None:
        browser.force_login(user)
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return browser.get(f"/api/v1/insights/{figure}", {"workflow": "support", **query}, headers=headers)


def load_stream(name: str = STREAM) -> None:
    given = stream(name)
    make_labels(given.error, confidence=given.confidence)


# --- Who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("reader", [omar, ines, ada])
def test_leads_auditors_and_admins_read_figures(figure, reader):
    assert ask(figure, user=reader()).status_code == 200


@pytest.mark.parametrize("figure", FIGURES)
def test_reviewers_others_and_keys_without_the_scope_do_not(figure):
    assert ask(figure, user=ana()).status_code == 403
    assert ask(figure, user=eve()).status_code == 403
    assert ask(figure, bearer=key(scopes=[Scope.DECISIONS_READ])).status_code == 403
    answer = ask(figure)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("figure", FIGURES)
def test_a_key_with_the_scope_reads_its_own_workflows_only(figure):
    other = make_workflow("posts")
    bearer = key(workflows=[other])
    assert ask(figure, bearer=bearer, workflow="posts").status_code == 200
    assert ask(figure, bearer=bearer, workflow="support").json() == {
        **ask(figure, bearer=bearer, workflow="nowhere").json()
    }


def test_who_reviewed_is_not_told_to_a_key():
    assert "by_reviewer" in ask("overrides", user=omar()).json()
    assert "by_reviewer" not in ask("overrides", bearer=key()).json()


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"workflow": ""}, "workflow"),
        ({"workflow": ["support", "posts"]}, "workflow"),
        ({"colour": "red"}, "colour"),
        ({"version": "1.0"}, "version"),
        ({"since": "yesterday"}, "since"),
        ({"alpha": "7"}, "alpha"),
        ({"alpha": "nan"}, "alpha"),
    ],
)
def test_a_query_that_is_not_understood_names_the_parameter(query, parameter):
    answer = ask("thresholds", user=omar(), **query)
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


@pytest.mark.parametrize("figure", FIGURES)
def test_before_the_first_label_every_figure_says_that_there_are_none(figure):
    body = ask(figure, user=omar()).json()
    assert body["workflow"] == "support"
    assert "NaN" not in str(body)


# --- What ------------------------------------------------------------------------------------------------------------


def test_a_streams_calibration_is_that_of_the_reference():
    load_stream()
    found, expected = ask("calibration", user=omar()).json(), EXPECTED["streams"][STREAM]["calibration"]
    assert found["n"] == expected["n"]
    assert found["figures"]["ece"] == pytest.approx(expected["ece"], abs=TOLERANCE["ece"])
    assert found["figures"]["brier"] == pytest.approx(expected["brier"], abs=TOLERANCE["brier"])
    assert found["band"]["lower"] < found["figures"]["ece"] < found["band"]["upper"]


def test_a_streams_curve_is_that_of_the_reference():
    load_stream()
    found, expected = ask("risk", user=omar()).json(), EXPECTED["streams"][STREAM]
    assert found["curve"]["aurc"] == pytest.approx(expected["aurc"], abs=TOLERANCE["aurc"])
    points = {point["threshold"]: point for point in found["points"]}
    for threshold, reference in expected["risk_coverage"].items():
        point = points[float(threshold)]
        assert (point["n"], point["errors"]) == (reference["n"], reference["errors"])
    assert found["live_threshold"] == 0.85


def test_the_recommended_thresholds_are_those_of_the_reference():
    load_stream()
    found = ask("thresholds", user=omar()).json()
    assert (found["older"], found["n"]) == (OLDER, 3000)
    for claim in found["claims"]:
        expected = EXPECTED["recommendation_all_actions"][STREAM][f"alpha_{claim['alpha']:g}"]
        for method in ("multi_start", "fixed_sequence"):
            assert claim[method]["threshold"] == expected[method]["threshold"]
        if claim["multi_start"]["threshold"] is not None:
            assert claim["multi_start"]["n"] == expected["multi_start"]["n"]


def test_one_error_rate_can_be_asked_for():
    load_stream("credit_small")
    (claim,) = ask("thresholds", user=omar(), alpha="0.03").json()["claims"]
    assert claim["multi_start"]["alpha"] == 0.03
    assert claim["multi_start"]["why_none"]


def test_audits_bound_what_ran_alone():
    make_labels(np.arange(300) >= 300, probability=0.02)
    make_arrivals(5000, flagged=False, flag_probability=0.02)
    found = ask("audits", user=omar()).json()
    assert (found["ran_alone"], found["audited"], found["errors"]) == (5300, 300, 0)
    assert found["clean_bound"] < 0.01
    assert found["estimate"]["guaranteed"]["lower"] == 0
    assert 0 < found["estimate"]["guaranteed"]["upper"] < 0.013
    assert found["future"]["upper"] == pytest.approx(0.0122, abs=1e-4)


def test_figures_are_of_the_action_and_model_that_one_asks_for():
    make_labels([True] * 20, model=("router", "1.0"))
    make_labels([False] * 30, model=("router", "1.1"), action="trace_top_up")
    assert ask("calibration", user=omar()).json()["n"] == 50
    assert ask("calibration", user=omar(), model="router", version="1.1").json()["n"] == 30
    assert ask("calibration", user=omar(), action="refund_fee").json()["figures"]["accuracy"] == 0
    assert ask("calibration", user=omar(), since=later(days=1).date().isoformat()).json()["n"] == 0


def test_agreement_is_told_from_fifty_pairs_of_which_every_kind_of_answer_counts():
    labels = make_labels([False] * 40 + [True] * 20, confidence=0.5)
    for place, label in enumerate(labels):
        label.right_action = "refund_fee" if place < 50 else ""
        label.save()
        # Of ten that the first edited in substance, five are approved by the second.
        right = place < 45
        action = "refund_fee" if place < 50 else "trace_top_up" if place < 55 else ""
        Label.objects.create(
            **{column: getattr(label, column) for column in COPIED},
            source="second_opinion",
            stands=False,
            ai_was_right=right,
            right_action=action,
        )
    found = ask("agreement", user=omar()).json()
    assert (found["n"], found["pairs"]["n"], found["votes"]["items"]) == (60, 60, 60)
    # 40 approved by both, 5 edited by both, 5 rejected by both; 5 edited and approved, 5 rejected and overridden.
    assert found["pairs"]["agreement"] == pytest.approx(50 / 60)
    assert 0 < found["votes"]["alpha_interval"]["lower"] < found["votes"]["alpha"] < found["votes"]["ac1"] < 1
    assert ask("agreement", user=omar(), since=later(days=1).date().isoformat()).json()["n"] == 0


def test_the_drift_watch_says_how_many_labels_it_lacks():
    make_labels([False] * 400)
    (row,) = ask("drift", user=omar()).json()["rows"]
    assert (row["n"], row["labels_missing"], row["alarm_at"]) == (400, 600, None)


# --- The random sample -----------------------------------------------------------------------------------------------


def await_label(decision: Decision) -> None:
    Awaited.objects.create(
        decision=decision,
        workflow=decision.workflow,
        action=decision.action,
        model_name=decision.model_name,
        model_version=decision.model_version,
        confidence=float(decision.confidence),
        route=decision.route,
        flag_probability=decision.flag_probability,
        decided_at=decision.received_at,
    )


def test_an_audit_that_nobody_did_in_time_counts_as_an_error():
    labels = make_labels([False] * 200)
    for label in labels[:20]:
        label.delete()
        await_label(label.decision)
    found = ask("thresholds", user=omar()).json()
    assert found["older"] + found["n"] == 200
    assert ask("calibration", user=omar()).json()["n"] == 180, "calibration is of what is labelled"
    older = found["older"]
    assert older == 50
    assert found["errors"] == 0, "the overdue twenty came first, and only set where testing begins"
    assert ask("audits", user=omar()).json()["errors"] == 20


def test_the_sample_ends_before_the_first_label_that_may_still_come_in_time():
    workflow = make_workflow()
    workflow.audit_sla_hours = 24 * 3650
    workflow.save()
    labels = make_labels([False] * 200)
    labels[120].delete()
    await_label(labels[120].decision)
    found = ask("thresholds", user=omar()).json()
    assert found["older"] + found["n"] == 120
