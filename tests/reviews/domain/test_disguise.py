"""A case under other names stays one case, and can't be known again."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.domain.disguise import disguised

BODY = {
    "external_id": "refund-104",
    "workflow": "support",
    "action": "refund_fee",
    "subject": {"type": "customer", "id": "c-7741", "label": "Customer 7741", "url": "https://crm.example/c-7741"},
    "payload": {"customer": "c-7741", "amount": "104.00", "items": [{"of": "refund-104", "n": 104}], "ok": True},
    "confidence": 0.62,
    "reasoning": "Customer 7741 (c-7741) asked on 2026-02-27 for a fee back.",
    "model": {"name": "router-7741", "version": "1.0"},
}


def test_every_mention_of_id_and_subject_is_renamed_alike():
    made = disguised(BODY, lot=b"a", days=3)
    new_id = made["subject"]["id"]
    digits = new_id.removeprefix("c-")
    assert digits != "7741"
    assert made["subject"]["label"] == f"Customer {digits}"
    assert made["subject"]["url"] == f"https://crm.example/{new_id}"
    assert made["payload"]["customer"] == new_id
    assert made["reasoning"] == f"Customer {digits} ({new_id}) asked on 2026-03-02 for a fee back."
    assert made["payload"]["items"][0]["of"] == made["external_id"] != "refund-104"


def test_amounts_and_what_the_policy_reads_stay():
    made = disguised(BODY, lot=b"a", days=3)
    assert (made["payload"]["amount"], made["payload"]["items"][0]["n"], made["payload"]["ok"]) == ("104.00", 104, True)
    assert {name: made[name] for name in ("action", "confidence", "model")} == {
        name: BODY[name] for name in ("action", "confidence", "model")
    }


def test_another_lot_gives_other_names_and_the_same_lot_the_same():
    assert disguised(BODY, lot=b"a", days=0) == disguised(BODY, lot=b"a", days=0)
    assert disguised(BODY, lot=b"a", days=0)["subject"]["id"] != disguised(BODY, lot=b"b", days=0)["subject"]["id"]


@pytest.mark.parametrize("id_", ["12", "007", "jane.doe", "x", "0198b4c2-7d1e-7c3a-9f00-0123456789ab", "order#0"])
def test_an_id_of_any_shape_gets_another_of_its_shape(id_):
    made = disguised({"external_id": id_, "payload": {}}, lot=b"lot", days=0)["external_id"]
    assert made != id_
    assert len(made) == len(id_)
    if len(id_) == 36:
        assert UUID(made).version == 7


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.binary())
def test_no_id_survives(external_id, lot):
    made = disguised({"external_id": external_id, "payload": {}}, lot=lot, days=0)["external_id"]
    assert made != external_id


def test_what_is_no_day_is_left_as_it_is():
    body = {**BODY, "reasoning": "2026-19-39, 9999-12-31 and 12026-01-01"}
    assert disguised(body, lot=b"a", days=400)["reasoning"] == body["reasoning"]
