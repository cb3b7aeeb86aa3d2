"""A stream through the product's own doors: batch in, truth from an independent source, figures out."""

import json
from decimal import Decimal
from uuid import UUID

import pytest
from django.test import Client as Browser

from feedback.services import assess_autonomy, collect_labels
from reviews.domain.vocabulary import Scope
from reviews.services.ingest import ingest_intake
from tests.concurrency import until_readable
from tests.factories import later, make_action, make_client, make_live_policy, make_workflow
from tests.feedback.streams import EXPECTED, TOLERANCE, stream

pytestmark = pytest.mark.django_db(transaction=True)
STREAM = "credit_small"


@pytest.fixture
def figures():
    """Asks for a kind of figure, after the stream went in and its truths arrived."""
    rows = stream(STREAM).rows
    for action in sorted({row["action"] for row in rows} | {row["human_label"] for row in rows}):
        make_action(make_workflow(), action)
    make_live_policy(audit_rate=Decimal(1))
    _, upstream = make_client("Credit desk", scopes=[Scope.DECISIONS_WRITE, Scope.INSIGHTS_READ])
    _, archive = make_client("Archive", scopes=[Scope.TRUTH_WRITE], independent=True)
    browser = Browser()

    def call(method: str, path: str, key: str, body: bytes = b"", kind: str = "application/json"):
        return browser.generic(method, f"/api/v1{path}", body, kind, headers={"Authorization": f"Bearer {key}"})

    lines = b"\n".join(
        json.dumps(
            {
                "external_id": row["external_id"],
                "workflow": "support",
                "action": row["action"],
                "payload": {},
                "confidence": float(row["confidence"]),
                "model": {"name": "credit", "version": row["model_version"]},
            }
        ).encode()
        for row in rows
    )
    answer = call("POST", "/decisions/batch", upstream, lines, "application/x-ndjson")
    assert answer.status_code == 202
    ingest_intake(UUID(answer.json()["intake"]), now=later())
    for row in rows:
        told = {"client": "Credit desk", "external_id": row["external_id"], "right_action": row["human_label"]}
        assert call("POST", "/truth", archive, json.dumps(told).encode()).status_code < 300
    until_readable()
    assert collect_labels(now=later(minutes=5)).labels == len(rows)
    assess_autonomy(now=later(minutes=5))
    return lambda kind: call("GET", f"/insights/{kind}?workflow=support&since=2026-03-01", upstream).json()


def test_what_went_in_by_batch_and_truth_comes_out_as_the_reference_has_it(figures):
    expected = EXPECTED["streams"][STREAM]
    calibration, risk, thresholds = figures("calibration"), figures("risk"), figures("thresholds")
    assert calibration["n"] == expected["calibration"]["n"]
    assert calibration["figures"]["ece"] == pytest.approx(expected["calibration"]["ece"], abs=TOLERANCE["ece"])
    assert calibration["figures"]["brier"] == pytest.approx(expected["calibration"]["brier"], abs=TOLERANCE["brier"])
    assert risk["curve"]["aurc"] == pytest.approx(expected["aurc"], abs=TOLERANCE["aurc"])
    assert {claim["multi_start"]["threshold"] for claim in thresholds["claims"]} == {None}
    assert figures("overrides")["queue"]["arrived"] == 300
