"""Training data of a record, and what stays out of it."""

import json
from dataclasses import replace

import pytest

from feedback.domain import datasets
from feedback.domain.datasets import REDACTED, Answer, Record

PAYLOAD = {
    "message": "Dear Ann, your fee of 12 EUR is refunded.",
    "amount": "12.00",
    "customer": {"email": "ann@x.example"},
}
EDITED = {**PAYLOAD, "message": "Dear Ann, your fee of 12 EUR was refunded today."}


def answer(**changes) -> Answer:
    return replace(
        Answer(
            ticket="gate",
            stage=1,
            reviewer=4,
            kind="approve",
            action="refund_fee",
            payload=PAYLOAD,
            material=None,
            reason_code="",
            note="",
            reasoning_rating=4,
            seconds=7.25,
            decided_at="2026-03-02T09:00:07Z",
        ),
        **changes,
    )


RECORD = Record(
    id="018f",
    external_id="refund-1",
    workflow="support",
    action="refund_fee",
    subject={"type": "customer", "id": "c-77"},
    payload=PAYLOAD,
    confidence="0.62",
    alternatives=[{"action": "trace_top_up", "confidence": "0.2"}],
    reasoning="The customer was charged twice.",
    context={"channel": "chat"},
    model={"name": "support-router", "version": "1.0", "prompt": ""},
    received_at="2026-03-02T09:00:00Z",
    policy_version=7,
    route="review",
    reasons=("low_confidence",),
    flagged=True,
    flag_probability=0.02,
    label_probability=1.0,
    ai_was_right=True,
    right_action="refund_fee",
    label_source="gate",
    outcome={"kind": "approved", "method": "human"},
)
EDIT = answer(kind="edit", payload=EDITED, material=False)
OVERRIDE = answer(kind="override", action="trace_top_up", payload={"amount": "12.00"}, reason_code="wrong_action")
REJECT = answer(kind="reject", reason_code="unsafe")


def with_answers(*answers, **changes) -> Record:
    return replace(RECORD, answers=answers, **changes)


def test_a_line_has_the_recommendation_beside_the_answer_and_the_probability_of_its_label():
    line = datasets.decision_line(with_answers(answer(note="Checked the ledger.")))
    assert line["recommendation"]["action"] == "refund_fee"
    assert line["recommendation"]["confidence"] == "0.62"
    assert line["verdicts"][0]["kind"] == "approve"
    assert line["verdicts"][0]["note"] == "Checked the ledger."
    assert line["label"] == {
        "ai_was_right": True,
        "right_action": "refund_fee",
        "source": "gate",
        "flagged": True,
        "flag_probability": 0.02,
        "label_probability": 1.0,
    }


def test_an_edit_is_told_as_what_was_kept_added_and_removed():
    verdict = datasets.decision_line(with_answers(EDIT))["verdicts"][0]
    assert verdict["material"] is False
    assert verdict["payload"] == EDITED
    (change,) = verdict["edit"]
    assert change["field"] == "/message"
    assert "".join(text for kind, text in change["runs"] if kind != "removed") == EDITED["message"]
    assert "".join(text for kind, text in change["runs"] if kind != "added") == PAYLOAD["message"]


@pytest.mark.parametrize("shape", datasets.SHAPES)
def test_personal_fields_are_left_out_of_every_shape(shape):
    record = with_answers(EDIT, personal_fields=("/customer/email", "/message", "/absent"))
    line = json.dumps(datasets.SHAPES[shape](record))
    assert "ann@x.example" not in line
    assert "Dear Ann" not in line
    assert PAYLOAD["customer"]["email"] == "ann@x.example", "the record itself stays whole"


def test_a_star_redacts_each_member():
    payload = {"items": [{"name": "Ann", "sum": 1}, {"name": "Bob", "sum": 2}]}
    assert datasets.redact(payload, ["/items/*/name"]) == {
        "items": [{"name": REDACTED, "sum": 1}, {"name": REDACTED, "sum": 2}]
    }
    assert datasets.redact(payload, ["/items/1/name", "/items/7/name"])["items"][0]["name"] == "Ann"
    assert datasets.redact(payload, [""]) == REDACTED


def test_a_changed_proposal_is_preferred_to_the_ais():
    line = datasets.preference_line(with_answers(EDIT))
    assert json.loads(line["chosen"][0]["content"])["payload"] == EDITED
    assert json.loads(line["rejected"][0]["content"])["payload"] == PAYLOAD
    assert "refund_fee" not in json.dumps(line["prompt"]), "the prompt doesn't give the answer away"
    service = datasets.preference_line_for_services(with_answers(OVERRIDE))
    assert json.loads(service["preferred_output"][0]["content"])["action"] == "trace_top_up"
    assert json.loads(service["non_preferred_output"][0]["content"])["action"] == "refund_fee"


@pytest.mark.parametrize("answers", [(), (answer(),), (REJECT,)])
def test_where_the_person_changed_nothing_there_is_no_preference(answers):
    assert datasets.preference_line(with_answers(*answers)) is None
    assert datasets.preference_line_for_services(with_answers(*answers)) is None


def test_a_correction_is_what_the_person_let_run():
    assert json.loads(datasets.correction_line(with_answers(OVERRIDE))["messages"][-1]["content"]) == {
        "action": "trace_top_up",
        "payload": {"amount": "12.00"},
    }
    assert datasets.correction_line(with_answers(REJECT)) is None


def test_the_last_stage_of_the_gate_counts():
    record = with_answers(answer(), replace(OVERRIDE, stage=2), answer(ticket="second_opinion", stage=3))
    assert record.final.action == "trace_top_up"
    assert with_answers(replace(EDIT, ticket="audit")).final.kind == "edit"


def test_a_label_line_needs_a_label():
    assert datasets.label_line(replace(RECORD, ai_was_right=None)) is None
    assert datasets.label_line(RECORD)["label_probability"] == 1.0
