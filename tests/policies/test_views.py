import pytest
from django.test import Client
from django.urls import reverse

from policies import queries, services
from policies.models import PolicyChange, Workflow
from tests import factories
from tests.factories import NOW, ada, ana, eve, ines, omar
from tests.policies.admin_pages import as_, text
from tests.policies.scene import draft, first_version, publish, support

pytestmark = pytest.mark.django_db

ROW = "refund_fee runs alone at 0.85 and above, up to 50 EUR; 2 % of those are checked afterwards."


@pytest.mark.parametrize("person", [ana, omar, ines, ada])
def test_whoever_has_a_part_in_the_work_reads_what_is_in_force(person):
    first_version()
    page = text(as_(person).get("/policies/"))
    assert ROW in page
    assert "Every action without a row of its own always goes to a person" in page
    assert "It stands on the reason “Half a year with a person at each step”" in page
    assert "published 2 March 2026, 09:00 UTC by Ada: “A careful start.”" in page


@pytest.mark.parametrize("url", ["/policies/", "/policies/support/", "/policies/support/versions/1/", "/pause"])
def test_others_see_nothing(url):
    first_version()
    assert as_(eve).get(url).status_code == 403
    assert Client().get(url).status_code == 302


def test_only_admins_are_shown_the_way_to_change_it():
    live = first_version()
    change = reverse("admin:policies_policyversion_change", args=[live.pk])
    assert change in text(as_(ada).get("/policies/support/"))
    assert change not in text(as_(omar).get("/policies/support/"))


def test_the_page_of_a_workflow_tells_its_versions_with_who_when_and_why():
    first_version()
    publish(least_confidence="0.9")
    services.withdraw_autonomy(
        support(), action="refund_fee", model_name="", model_version="", reason="9 of 120.", evidence={}, now=NOW
    )
    page = text(as_(ana).get("/policies/support/"))
    assert "the evidence itself" in page
    assert "9 of 120." in page
    assert "A change." in page
    assert "What version 3 says otherwise than version 2" in page


def test_any_two_versions_are_compared_in_words():
    first_version()
    publish(least_confidence="0.9")
    publish(least_confidence="0.95")
    page = text(as_(ana).get("/policies/support/", {"from": "3", "to": "1"}))
    assert "What version 1 says otherwise than version 3" in page
    assert (
        "refund_fee: it runs alone from a confidence of 0.85; before, it runs alone from a confidence of 0.95." in page
    )


@pytest.mark.parametrize("query", [{"from": "1", "to": "9"}, {"from": "1", "to": "2"}])
def test_versions_that_are_not_there_or_drafts_are_not_compared(query):
    first_version()
    draft()
    assert as_(ana).get("/policies/support/", query).status_code == 404


@pytest.mark.parametrize("query", [{"from": "x", "to": "1"}, {"from": "٣", "to": "1"}, {"to": "9" * 40}])
def test_a_comparison_that_makes_no_sense_is_not_made(query):
    first_version()
    assert as_(ana).get("/policies/support/", query).status_code == 200


def test_a_version_has_a_page_whatever_became_of_it():
    first_version()
    version = draft(least_confidence="0.9")
    page = text(as_(ana).get("/policies/support/versions/2/"))
    assert "refund_fee runs alone at 0.9 and above" in page
    assert "What it says otherwise than version 1" in page
    services.publish(version, publisher=ada(), reason="Stricter.", now=NOW)
    page = text(as_(ana).get("/policies/support/versions/2/"))
    assert queries.policy_of_version(version.pk).digest in page
    assert "“Stricter.”" in page
    assert as_(ana).get("/policies/support/versions/7/").status_code == 404


def test_a_draft_that_can_not_be_read_yet_says_so():
    first_version()
    draft()
    support().actions.filter(key="refund_fee").update(layout=["/message"])
    assert "can't be read yet" in text(as_(ana).get("/policies/support/versions/2/"))


def test_a_lead_pauses_a_workflow_with_a_reason_and_resumes_it():
    first_version()
    client = as_(omar)
    response = client.post("/workflows/support/pause", {"reason": "Complaints."}, follow=True)
    assert "Support is paused." in text(response)
    assert "by Omar: “Complaints.”" in text(response)
    response = client.post("/workflows/support/resume", {"reason": "Answered."}, follow=True)
    assert "Support is running again." in text(response)
    assert Workflow.objects.get().paused is False


def test_a_lead_pauses_everything():
    first_version()
    client = as_(omar)
    page = text(client.post("/pause", {"reason": "Odd answers."}, follow=True))
    assert "Everything is paused." in page
    assert "Resume everything" in page
    assert queries.switches(support().pk).everything
    client.post("/resume", {"reason": "Mended."})
    assert not queries.switches(support().pk).everything


def test_a_stop_without_a_reason_comes_back_with_the_form():
    first_version()
    response = as_(omar).post("/pause", {"reason": " "})
    assert response.status_code == 422
    assert "Say why" in text(response)
    assert not PolicyChange.objects.filter(kind="paused").exists()


def test_what_is_paused_already_is_a_conflict():
    first_version()
    client = as_(omar)
    client.post("/pause", {"reason": "Odd."})
    response = client.post("/pause", {"reason": "Odd."})
    assert response.status_code == 409
    assert "Everything is paused already." in text(response)


@pytest.mark.parametrize("person", [ana, ines])
def test_reviewers_and_auditors_do_not_pause(person):
    first_version()
    client = as_(person)
    assert client.post("/workflows/support/pause", {"reason": "Mine."}).status_code == 403
    assert "Pause support" not in text(client.get("/policies/support/"))


def test_an_unknown_workflow_is_not_found():
    first_version()
    assert as_(ana).get("/policies/nowhere/").status_code == 404
    assert as_(omar).post("/workflows/nowhere/pause", {"reason": "Odd."}).status_code == 404


@pytest.mark.parametrize("url", ["/policies/", "/policies/support/"])
def test_the_queries_do_not_grow_with_workflows_or_versions(django_assert_max_num_queries, url):
    first_version()
    publish(least_confidence="0.9")
    client = as_(ana)
    with django_assert_max_num_queries(24) as few:
        client.get(url)
    for at in range(3):
        publish(least_confidence=f"0.9{at}")
        factories.make_live_policy(factories.make_workflow(f"other-{at}"))
    with django_assert_max_num_queries(24) as many:
        client.get(url)
    assert len(many) <= len(few)
