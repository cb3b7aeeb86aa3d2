from decimal import Decimal

import pytest
from django.test import Client

from policies.models import PolicyVersion
from tests import factories
from tests.factories import ada, ana, eve, ines, make_live_policy, make_workflow, omar, submit_one

pytestmark = pytest.mark.django_db

URL = "/policies/support/try"


def page(person, **query) -> str:
    client = Client()
    client.force_login(person())
    response = client.get(URL, query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def draft(**row) -> PolicyVersion:
    """A draft with one row, and what rules are given."""
    live = make_live_policy()
    version = PolicyVersion.objects.create(
        workflow=live.workflow, number=2, base=live, author=ada(), created_at=factories.NOW
    )
    fields = {"autonomy": "by_confidence", "least_confidence": "0.5", "audit_rate": "0.02", "basis_reason": "Why not."}
    version.thresholds.create(**{**fields, **row})
    return version


def test_a_draft_is_tried_on_a_past_decision_which_changes_sides():
    version = draft()
    decision = submit_one(confidence=0.62)
    shown = page(ada, decision=decision.external_id)
    assert "As it was judged, by version 1" in shown
    assert "Confidence 0.62 is below 0.85, the least for refund_fee." in shown
    assert "By version 2 (draft)" in shown
    assert "would run alone" in shown
    assert "changes sides" in shown
    assert "changes sides" in page(ada, decision=str(decision.pk), version=str(version.number))


def test_each_rule_says_whether_it_fires():
    version = draft()
    for at, (expression, sentence) in enumerate(
        [("amount > 10.0", "More than ten."), ("amount > 20.0", "More than twenty."), ("payload.none > 1", "Odd.")]
    ):
        version.rules.create(position=at, expression=expression, sentence=sentence)
    submit_one(confidence=0.62)
    shown = page(omar)
    assert "asks a person</span> More than ten." in shown
    assert "silent</span> More than twenty." in shown
    assert "can&#x27;t be told</span> Odd." in shown or "can't be told</span> Odd." in shown
    assert "would go to a person" in shown
    assert "changes sides" not in shown


def test_the_switches_are_those_of_the_moment_and_budgets_are_left_out():
    draft(daily_count=1)
    first, second = submit_one(confidence=0.95), submit_one(confidence=0.95)
    for decision in (first, second):
        assert "would run alone" in page(ines, decision=decision.external_id)


def test_nothing_comes_of_it(django_assert_max_num_queries):
    draft()
    decision = submit_one(confidence=0.62)
    before = factories.Decision.objects.values().get(pk=decision.pk)
    client = Client()
    client.force_login(ada())
    with django_assert_max_num_queries(24):
        client.get(URL, {"decision": decision.external_id})
    assert factories.Decision.objects.values().get(pk=decision.pk) == before


@pytest.mark.parametrize(
    "name", ["nowhere", "00000000-0000-0000-0000-000000000000", "------------------------------------", "'"]
)
def test_a_decision_that_is_not_there_is_said_not_to_be(name):
    draft()
    assert "has no decision called" in page(ada, decision=name)


def test_decisions_of_another_workflow_are_not_there():
    draft()
    make_live_policy(make_workflow("other"))
    client, _ = factories.make_client("Other", workflows=[make_workflow("other")])
    decision = submit_one(client=client, workflow="other")
    assert "has no decision called" in page(ada, decision=decision.external_id)


def test_without_a_policy_or_a_decision_there_is_nothing_to_try():
    make_workflow()
    assert "There is no version to try yet." in page(ada)
    draft()
    assert "would" not in page(ada)


@pytest.mark.parametrize("person", [ana, eve])
def test_only_who_reads_the_log_tries(person):
    draft()
    client = Client()
    client.force_login(person())
    assert client.get(URL).status_code == 403


def test_a_retired_version_is_tried_when_it_is_asked_for_and_offered_to_nobody_else():
    make_live_policy()
    make_live_policy(least_confidence=Decimal("0.5"))
    submit_one(confidence=0.6)
    assert "By version 1 (retired)" in page(ada, version="1")
    assert "By version 2 (live)" in page(ada)
    assert '<option value="1"' not in page(ada)
    assert "By version 2 (live)" in page(ada, version="9" * 40)
