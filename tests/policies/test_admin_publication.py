"""Publish, shadow and roll back in the admin: each shows what it changes and asks why."""

import pytest
from django.urls import reverse

from policies import queries, services
from policies.models import PolicyVersion
from tests.factories import NOW, ada
from tests.policies.admin_pages import VERSIONS, as_, filled, page_of, text
from tests.policies.scene import bob, draft, first_version, publish, row_of, support

pytestmark = pytest.mark.django_db


def test_publishing_shows_what_it_changes_and_asks_why():
    first_version()
    version = draft(least_confidence="0.9")
    client = as_(ada)
    page = text(client.get(page_of(version, "publish")))
    assert "What it says otherwise than version 1, which is in force" in page
    assert "it runs alone from a confidence of 0.9" in page
    response = client.post(page_of(version, "publish"), {"reason": ""})
    assert response.status_code == 422
    assert PolicyVersion.objects.of(support()).live().get().number == 1
    response = client.post(page_of(version, "publish"), {"reason": "Fewer errors."}, follow=True)
    assert "Version 2 of Support is in force." in text(response)
    assert PolicyVersion.objects.of(support()).live().get() == version
    history = text(client.get(reverse(f"{VERSIONS}_history", args=[version.pk])))
    assert "Publish: Fewer errors." in history


def test_saving_may_go_on_to_publish():
    first_version()
    version = draft()
    client = as_(ada)
    response = client.post(page_of(version), filled(client, version, _publish="1"))
    assert response["Location"] == page_of(version, "publish")


def test_a_stale_draft_is_brought_up_to_date_by_one_click():
    first_version()
    version = draft()
    publish(least_confidence="0.99")
    client = as_(ada)
    response = client.post(page_of(version, "publish"), {"reason": "Mine."})
    assert response.status_code == 409
    assert "Bring it up to date" in text(response)
    page = text(client.post(page_of(version, "rebase"), follow=True))
    assert "The draft stands on what is live now, and is version 4." in page
    assert client.post(page_of(version, "publish"), {"reason": "Mine."}).status_code == 302


def test_every_problem_is_shown_before_and_when_it_is_published():
    first_version()
    version = draft()
    support().actions.filter(key="refund_fee").update(amount_pointer="amount", payload_schema={"type": "nonsense"})
    client = as_(ada)
    for response in (
        client.get(page_of(version)),
        client.get(page_of(version, "publish")),
        client.post(page_of(version, "publish"), {"reason": "Try."}),
    ):
        assert "is not a JSON Pointer" in text(response)
        assert "This is no JSON Schema" in text(response)
    assert response.status_code == 422


def test_with_two_admins_the_first_is_told_to_find_another(settings):
    first_version()
    version = draft()
    settings.POLICY_TWO_ADMINS = True
    response = as_(ada).post(page_of(version, "publish"), {"reason": "Mine."})
    assert response.status_code == 403
    assert "another admin publishes it" in text(response)
    assert as_(bob).post(page_of(version, "publish"), {"reason": "Read it."}).status_code == 302


def test_a_version_runs_in_shadow_and_ends():
    first_version()
    version = draft()
    client = as_(ada)
    client.post(page_of(version, "shadow"), {"reason": "See."})
    assert queries.shadow_version_id(support().pk) == version.pk
    assert "End the shadow" in text(client.get(page_of(version)))
    client.post(page_of(version, "retire_shadow"), {"reason": "Seen."})
    assert queries.shadow_version_id(support().pk) is None


def test_rolling_back_shows_what_it_changes_and_what_stays_withdrawn():
    first = first_version()
    services.withdraw_autonomy(
        support(), action="refund_fee", model_name="", model_version="", reason="9 of 120.", evidence={}, now=NOW
    )
    publish(verdicts_needed=2)
    client = as_(ada)
    page = text(client.get(page_of(first, "roll_back")))
    assert "one person decides; before, 2 people must agree" in page
    assert "Evidence withdrew it" in page
    assert "runs alone at 0.85" not in page
    response = client.post(page_of(first, "roll_back"), {"reason": "Too slow."}, follow=True)
    assert "Version 4 of Support is in force." in text(response)
    assert row_of(PolicyVersion.objects.of(support()).live().get()).autonomy == "withdrawn"


def test_rolling_back_with_a_new_reason_lets_a_row_run_alone_again():
    first = first_version()
    services.withdraw_autonomy(
        support(), action="refund_fee", model_name="", model_version="", reason="9 of 120.", evidence={}, now=NOW
    )
    as_(ada).post(page_of(first, "roll_back"), {"reason": "Mended.", "row_0": "The form that misled it is mended."})
    live = row_of(PolicyVersion.objects.of(support()).live().get())
    assert (live.autonomy, live.basis_reason) == ("by_confidence", "The form that misled it is mended.")


def test_what_is_live_is_not_rolled_back_to():
    live = first_version()
    response = as_(ada).get(page_of(live, "roll_back"), follow=True)
    assert "Only a version that was in force before" in text(response)


def test_each_page_says_what_its_button_does():
    first = first_version()
    version = draft(least_confidence="0.9")
    assert "the next decision is judged by it" in text(as_(ada).get(page_of(version, "publish")))
    assert "without effect" in text(as_(ada).get(page_of(version, "shadow")))
    services.shadow(version, publisher=ada(), reason="To see.", now=NOW)
    assert "It judges nothing any more." in text(as_(ada).get(page_of(version, "retire_shadow")))
    publish(least_confidence="0.95")
    assert "A new version with its content" in text(as_(ada).get(page_of(first, "roll_back")))
