"""What a settled ticket says of the AI."""

import pytest

from feedback.domain.findings import Given, band_of, finding_of, label_probability
from feedback.domain.vocabulary import LabelSource
from reviews.domain.judgement import Choice

PROPOSED = "a" * 64
CHANGED = "b" * 64


def given(kind: str, *, action: str = "refund_fee", payload: str = PROPOSED, material: bool | None = None) -> Given:
    return Given(Choice(kind=kind, action=action, payload_sha256=payload), material)


def found(*verdicts: Given) -> tuple[str, bool, str]:
    finding = finding_of(verdicts, action="refund_fee", payload_sha256=PROPOSED)
    return finding.kind, finding.ai_was_right, finding.right_action


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (given("approve"), ("approve", True, "refund_fee")),
        (given("edit", payload=CHANGED, material=False), ("edit", True, "refund_fee")),
        (given("edit", payload=CHANGED, material=True), ("edit", False, "refund_fee")),
        (given("override", action="trace_top_up", payload=CHANGED), ("override", False, "trace_top_up")),
        (given("reject"), ("reject", False, "")),
    ],
)
def test_one_verdict_says_whether_the_ai_was_right(verdict, expected):
    assert found(verdict) == expected


def test_to_confirm_what_another_person_changed_is_not_to_approve_the_ai():
    override = given("override", action="trace_top_up", payload=CHANGED)
    assert found(override, given("approve", action="trace_top_up", payload=CHANGED)) == (
        "override",
        False,
        "trace_top_up",
    )
    edit = given("edit", payload=CHANGED, material=True)
    assert found(edit, given("approve", payload=CHANGED)) == ("edit", False, "refund_fee")
    style = given("edit", payload=CHANGED, material=False)
    assert found(style, given("approve", payload=CHANGED)) == ("edit", True, "refund_fee")


def test_in_a_dispute_the_final_verdict_counts():
    assert found(given("approve"), given("reject"), given("approve")) == ("approve", True, "refund_fee")
    assert found(given("edit", payload=CHANGED, material=True), given("reject"), given("approve"))[1] is True


@pytest.mark.parametrize(
    ("source", "route", "flagged", "expected"),
    [
        (LabelSource.GATE, "review", False, 1.0),
        (LabelSource.GATE, "review", True, 1.0),
        (LabelSource.AUDIT, "auto", True, 0.02),
        (LabelSource.SECOND_OPINION, "review", False, 1.0),
        (LabelSource.GROUND_TRUTH, "auto", True, 0.02),
        (LabelSource.GROUND_TRUTH, "review", False, 1.0),
        (LabelSource.GROUND_TRUTH, "auto", False, None),
    ],
)
def test_each_label_knows_with_which_probability_it_came_to_be(source, route, flagged, expected):
    assert label_probability(source, route=route, flagged=flagged, flag_probability=0.02) == expected


@pytest.mark.parametrize(("confidence", "band"), [(None, None), (0.0, 0), (0.099, 0), (0.9, 9), (0.999, 9), (1.0, 9)])
def test_a_band_is_a_tenth(confidence, band):
    assert band_of(confidence) == band
