"""What verdicts on one ticket add up to."""

from hypothesis import given
from hypothesis import strategies as st

from policies.domain.vocabulary import VerdictKind
from reviews.domain.judgement import (
    Choice,
    ai_was_right,
    event_of,
    index_on_the_table,
    is_disputed,
    outcome_kind,
    shown_sha256,
)
from reviews.domain.vocabulary import TicketEvent

E = TicketEvent
PROPOSED = ("refund_fee", "aa")
APPROVED = Choice("approve", *PROPOSED)
REJECTED = Choice("reject", *PROPOSED)
EDITED = Choice("edit", "refund_fee", "bb")
CONFIRMED = Choice("approve", "refund_fee", "bb")
OVERRIDDEN = Choice("override", "close", "cc")

choices = st.builds(
    Choice, st.sampled_from(VerdictKind.values), st.sampled_from(["refund_fee", "close"]), st.sampled_from(["aa", "bb"])
)


def test_those_agree_who_would_run_exactly_the_same():
    assert EDITED.agrees_with(CONFIRMED)
    assert not EDITED.agrees_with(APPROVED)
    assert not APPROVED.agrees_with(Choice("approve", "close", "aa"))


def test_rejections_agree_whatever_they_reject_and_with_nothing_else():
    assert REJECTED.agrees_with(Choice("reject", "close", "cc"))
    assert not REJECTED.agrees_with(APPROVED)


def test_one_verdict_decides_where_one_is_needed():
    assert event_of(APPROVED, earlier=[], needed=1) == E.VERDICT_FINAL
    assert event_of(APPROVED, earlier=[], needed=2) == E.VERDICT_MORE
    assert event_of(APPROVED, earlier=[APPROVED], needed=3) == E.VERDICT_MORE
    assert event_of(APPROVED, earlier=[APPROVED, APPROVED], needed=3) == E.VERDICT_FINAL


def test_a_disagreement_is_a_dispute_and_the_next_answer_ends_it():
    assert event_of(REJECTED, earlier=[APPROVED], needed=2) == E.VERDICT_DISAGREES
    assert event_of(APPROVED, earlier=[EDITED], needed=2) == E.VERDICT_DISAGREES
    for last in (APPROVED, REJECTED, EDITED, OVERRIDDEN):
        assert event_of(last, earlier=[APPROVED, REJECTED], needed=3) == E.VERDICT_FINAL


@given(st.lists(choices, max_size=3), choices, st.integers(1, 3))
def test_nobody_short_of_the_number_decides_unless_it_is_disputed(earlier, choice, needed):
    if event_of(choice, earlier=earlier, needed=needed) == E.VERDICT_FINAL and not is_disputed(earlier):
        assert len(earlier) + 1 >= needed
        assert all(choice.agrees_with(other) for other in earlier)


def test_a_change_lies_on_the_table_until_it_is_disputed():
    assert index_on_the_table([]) is None
    assert index_on_the_table([APPROVED]) is None
    assert index_on_the_table([EDITED]) == 0
    assert index_on_the_table([EDITED, CONFIRMED]) == 0
    assert index_on_the_table([EDITED, REJECTED]) is None


def test_the_outcome_follows_from_what_runs():
    kinds = [
        outcome_kind(choice, action="refund_fee", payload_sha256="aa")
        for choice in (APPROVED, CONFIRMED, EDITED, OVERRIDDEN, REJECTED)
    ]
    assert kinds == ["approved", "edited", "edited", "overridden", "rejected"]


def test_the_ai_was_right_where_nothing_of_substance_was_changed():
    assert ai_was_right("approve", material=None)
    assert ai_was_right("edit", material=False)
    assert not any((ai_was_right("edit", material=True), ai_was_right("reject", material=None)))
    assert not ai_was_right("override", material=None)


def test_a_verdict_binds_to_everything_that_was_shown():
    shown = {
        "action": "refund_fee",
        "payload_sha256": "aa",
        "reasons": [{"code": "low_confidence", "message": "0.62 is below 0.85"}],
        "answers": [("Small.", {"plan": "s"})],
        "policy_digest": "sha256:1",
    }
    changes = {
        "action": "close",
        "payload_sha256": "bb",
        "reasons": [],
        "answers": [("Small.", None)],
        "policy_digest": "sha256:2",
    }
    hashes = {shown_sha256(**shown), *(shown_sha256(**{**shown, name: value}) for name, value in changes.items())}
    assert len(hashes) == 6
    assert all(len(each) == 64 for each in hashes)
