"""A draft in the admin: begun, edited with its rows and rules, told in words, discarded."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from policies import queries
from policies.models import PolicyVersion, Threshold
from tests import factories
from tests.factories import ada, ana
from tests.policies.admin_pages import VERSIONS, as_, filled, page_of, place_of, text
from tests.policies.scene import bob, draft, first_version, row_of, support

pytestmark = pytest.mark.django_db


def test_adding_a_version_begins_a_draft_with_what_is_live():
    live = first_version()
    response = as_(ada).post(reverse(f"{VERSIONS}_add"), {"workflow": support().pk, "note": "Stricter."})
    version = PolicyVersion.objects.drafts().get()
    assert response["Location"] == page_of(version)
    assert (version.note, version.author, version.base) == ("Stricter.", ada(), live)
    assert queries.document_of(version) == queries.document_of(live)


def test_the_button_on_the_live_version_begins_a_draft():
    live = first_version()
    client = as_(ada)
    assert client.get(page_of(live, "copy")).status_code == 405
    client.post(page_of(live, "copy"))
    assert PolicyVersion.objects.drafts().get().base == live


def test_a_draft_is_edited_with_its_rows_and_tells_what_that_changes():
    first_version()
    version = draft()
    client = as_(bob)
    row = place_of(client, version, "refund_fee")
    response = client.post(page_of(version), filled(client, version, **{f"{row}-least_confidence": "0.9"}), follow=True)
    assert "it runs alone from a confidence of 0.9; before, it runs alone from a confidence of 0.85." in text(response)
    version.refresh_from_db()
    assert str(row_of(version).least_confidence) == "0.900000"
    assert version.author == bob()


def test_a_draft_that_nobody_changed_keeps_its_author():
    first_version()
    version = draft()
    client = as_(bob)
    client.post(page_of(version), filled(client, version))
    version.refresh_from_db()
    assert version.author == ada()


def test_rows_and_rules_are_added_and_put_in_order():
    first_version()
    version = draft()
    client = as_(ada)
    sent = filled(client, version)
    for at, (sentence, position) in enumerate([("Second.", "5"), ("First.", "1"), ("Last.", "")]):
        sent |= {
            f"rules-{at}-expression": "amount > 9.0",
            f"rules-{at}-sentence": sentence,
            f"rules-{at}-verdicts_needed": 1,
            f"rules-{at}-position": position,
        }
    sent["rules-TOTAL_FORMS"] = 3
    assert client.post(page_of(version), sent).status_code == 302
    rules = [(rule.position, rule.sentence) for rule in queries.rules_of(version)]
    assert rules == [(0, "First."), (1, "Second."), (2, "Last.")]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"least_confidence": ""}, "to run alone it needs a confidence above 0 and up to 1."),
        ({"audit_rate": "0"}, "the audit rate is above 0."),
        ({"basis_reason": ""}, "to run alone it needs a certificate or a written reason."),
        ({"currency": ""}, "an amount needs its currency, such as EUR."),
        ({"model_version": "1.0"}, "a model's version needs the model's name."),
        ({"verdicts_needed": "4"}, "verdicts needed is 1 to 3."),
    ],
)
def test_a_row_that_could_not_be_published_comes_back_in_plain_words(changes, told):
    first_version()
    version = draft()
    client = as_(ada)
    row = place_of(client, version, "refund_fee")
    sent = filled(client, version, **{f"{row}-{name}": value for name, value in changes.items()})
    response = client.post(page_of(version), sent)
    assert response.status_code == 200
    assert told in text(response).replace("&#x27;", "'")
    assert "Constraint" not in text(response)


def test_a_rule_that_can_not_be_read_comes_back_with_the_place():
    first_version()
    version = draft()
    client = as_(ada)
    sent = filled(client, version) | {
        "rules-TOTAL_FORMS": 1,
        "rules-0-expression": "amount >> 3",
        "rules-0-sentence": "Odd.",
        "rules-0-verdicts_needed": 1,
    }
    assert "(at character 9)" in text(client.post(page_of(version), sent))


def test_rows_of_another_workflow_can_not_be_named():
    first_version()
    other = factories.make_action(factories.make_workflow("returns"), "return_item")
    version = draft()
    client = as_(ada)
    row = place_of(client, version, "refund_fee")
    response = client.post(page_of(version), filled(client, version, **{f"{row}-action": other.pk}))
    assert "Select a valid choice" in text(response)


def test_what_is_live_is_read_only_even_for_a_superuser():
    live = first_version()
    client = as_(ada)
    page = text(client.get(page_of(live)))
    assert "It never changes" in page
    assert 'name="_save"' not in page
    assert 'name="thresholds-0-least_confidence"' not in page
    before = queries.document_of(live)
    assert client.post(page_of(live), {"note": "Changed."}).status_code == 403
    assert client.post(reverse(f"{VERSIONS}_delete", args=[live.pk]), {"post": "yes"}).status_code == 403
    live.refresh_from_db()
    assert (live.note, queries.written_document(live)) == ("", before)


def test_a_draft_is_discarded():
    first_version()
    version = draft()
    client = as_(ada)
    url = reverse(f"{VERSIONS}_delete", args=[version.pk])
    assert client.get(url).status_code == 200
    client.post(url, {"post": "yes"})
    assert not PolicyVersion.objects.drafts().exists()


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("amount > 9.0", "This can be read. It speaks of: amount."),
        ("amount >> 3", "At character 9: <code>amount &gt;<mark>&gt;</mark> 3</code>"),
        ("<script>", "&lt;"),
        ("", ""),
    ],
)
def test_an_expression_is_checked_while_it_is_typed(expression, told):
    url = reverse(f"{VERSIONS}_check_expression")
    sent = {"rules-0-expression": "another that stands in the same form", "rules-3-expression": expression}
    response = as_(ada).post(url, sent, headers={"HX-Trigger-Name": "rules-3-expression"})
    assert told in text(response)
    assert "<script>" not in text(response)


def test_only_admins_check_expressions():
    user = ana()
    User.objects.filter(pk=user.pk).update(is_staff=True)
    assert as_(ana).post(reverse(f"{VERSIONS}_check_expression"), {"expression": "true"}).status_code == 403


def test_the_page_of_a_draft_keeps_its_budget(django_assert_max_num_queries):
    first_version()
    version = draft()
    for at in range(8):
        Threshold.objects.create(version=version, model_name=f"model-{at}")
    client = as_(ada)
    with django_assert_max_num_queries(32):
        client.get(page_of(version))


def test_figures_stand_in_the_form_as_one_writes_them():
    first_version()
    version = draft()
    shown = filled(as_(ada), version)
    row = place_of(as_(ada), version, "refund_fee")
    assert [shown[f"{row}-{name}"] for name in ("least_confidence", "largest_amount", "audit_rate")] == [
        "0.85",
        "50",
        "0.02",
    ]
    assert as_(ada).post(page_of(version), shown).status_code == 302
    assert row_of(version).least_confidence == Decimal("0.85")
