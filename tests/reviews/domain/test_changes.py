"""What a person changed against the AI's version."""

from hypothesis import given
from hypothesis import strategies as st

from reviews.domain.changes import ADDED, KEPT, REMOVED, Run, changes_between, word_runs


def test_a_word_that_changed_is_removed_and_added_and_the_rest_kept():
    assert word_runs("We will refund you.", "We can refund you.") == (
        Run(KEPT, "We "),
        Run(REMOVED, "will"),
        Run(ADDED, "can"),
        Run(KEPT, " refund you."),
    )


@given(st.text(max_size=200), st.text(max_size=200))
def test_both_versions_can_be_read_from_the_runs(before, after):
    runs = word_runs(before, after)
    assert "".join(run.text for run in runs if run.kind != ADDED) == before
    assert "".join(run.text for run in runs if run.kind != REMOVED) == after


def test_a_very_long_text_is_compared_without_choking():
    runs = word_runs("word " * 50_000, "word " * 50_000 + "more")
    assert runs[-1].kind == ADDED


def test_only_fields_that_differ_are_changes():
    changes = changes_between({"a": "x", "b": {"c": 1}, "d": True}, {"a": "y", "b": {"c": 1}, "d": True})
    assert [(change.pointer, change.label) for change in changes] == [("/a", "A")]


def test_a_change_is_called_what_the_payload_s_page_calls_its_field():
    (change,) = changes_between({"card": {"card_ending": "1"}}, {"card": {"card_ending": "2"}})
    assert change.label == "Card › Card ending"


def test_in_short_a_fact_is_told_whole_and_of_a_text_the_words_that_differ():
    (fact,) = changes_between({"a": "12.00"}, {"a": "14.00"})
    assert fact.in_short == (Run(REMOVED, "12.00"), Run(ADDED, "14.00"))
    (text,) = changes_between({"a": "The 12.50 EUR of Monday come"}, {"a": "The 14.80 EUR of Tuesday come back"})
    assert text.in_short == (
        Run(REMOVED, "12.50"),
        Run(ADDED, "14.80"),
        Run(REMOVED, "Monday"),
        Run(ADDED, "Tuesday"),
        Run(ADDED, "back"),
    )


def test_a_field_that_came_or_went_is_a_change_even_when_it_is_null():
    assert [change.pointer for change in changes_between({"a": None}, {"b": None})] == ["/b", "/a"]


def test_json_types_are_kept_apart():
    assert changes_between({"a": 1}, {"a": True})
    assert changes_between({"a": "1"}, {"a": 1})
    assert not changes_between({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]})
