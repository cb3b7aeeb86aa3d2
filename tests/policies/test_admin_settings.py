"""Workflows, actions, groups and changes in the admin: who may, and what it costs."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from policies import services
from policies.models import ActionType, PolicyChange, PolicyVersion, Workflow
from tests import factories
from tests.factories import NOW, ada, ana, omar
from tests.policies.admin_pages import VERSIONS, as_, page_of, text
from tests.policies.scene import bob, draft, first_version, publish

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", ["workflow", "actiontype", "policyversion", "policychange"])
def test_each_list_opens_within_its_budget(model, django_assert_max_num_queries):
    first_version()
    publish(least_confidence="0.9")
    client = as_(ada)
    with django_assert_max_num_queries(12):
        response = client.get(reverse(f"admin:policies_{model}_changelist"))
    assert response.status_code == 200


def test_a_list_has_no_actions_to_send():
    first_version()
    response = as_(ada).post(reverse(f"{VERSIONS}_changelist"), {"action": "delete_selected", "_selected_action": "1"})
    assert response.status_code in {200, 302}
    assert PolicyVersion.objects.count() == 1


def test_an_admin_who_is_no_superuser_edits_and_others_do_not():
    live = first_version()
    assert as_(bob).get(page_of(live)).status_code == 200
    for person in (ana, omar):
        user = person()
        User.objects.filter(pk=user.pk).update(is_staff=True)
        client = as_(person)
        assert client.get(page_of(live)).status_code == 403
        assert client.get(reverse("admin:policies_workflow_changelist")).status_code == 403
        assert client.post(page_of(live, "copy")).status_code == 403


def test_a_workflow_is_added_and_changed_with_its_history():
    group = factories.make_group()
    client = as_(ada)
    values = {
        "title": "Returns",
        "key": "returns",
        "kind": "transaction",
        "review_group": group.pk,
        "escalation_group": group.pk,
        "sla_minutes": 60,
        "audit_sla_hours": 72,
        "second_opinion_share": 0,
        "known_answer_share": 0,
        "estimate_first_share": 0,
        "override_rate_limit": "0.2",
    }
    client.post(reverse("admin:policies_workflow_add"), values)
    workflow = Workflow.objects.get(key="returns")
    client.post(
        reverse("admin:policies_workflow_change", args=[workflow.pk]), {**values, "sla_minutes": 30, "key": "x"}
    )
    workflow.refresh_from_db()
    assert (workflow.sla_minutes, workflow.key) == (30, "returns")
    assert list(workflow.history.values_list("history_user__username", "sla_minutes")) == [("ada", 30), ("ada", 60)]
    history = client.get(reverse("admin:policies_workflow_history", args=[workflow.pk]))
    assert history.status_code == 200


def action_values(**changes: object) -> dict[str, object]:
    return {
        "title": "Refund a fee",
        "what": "The fee goes back.",
        "reversibility": "reversible",
        "active": "on",
        "amount_pointer": "/amount",
        "currency_pointer": "/currency",
        "payload_schema": "null",
        "layout": "{}",
        "personal_fields": "",
        "allowed_verdicts": ["approve", "reject"],
        "editable_fields": "/message\r\n/amount\r\n",
        "hold_seconds": 5,
        **changes,
    }


def test_an_action_is_changed_and_says_when_that_takes_effect():
    first_version()
    action = ActionType.objects.get(key="refund_fee")
    url = reverse("admin:policies_actiontype_change", args=[action.pk])
    response = as_(ada).post(url, action_values(), follow=True)
    assert "This takes effect with the next version of Support that is published." in text(response)
    action.refresh_from_db()
    assert action.editable_fields == ["/message", "/amount"]
    assert action.allowed_verdicts == ["approve", "reject"]
    assert action.history.count() == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"amount_pointer": "amount"}, "is not a JSON Pointer"),
        ({"editable_fields": "message"}, "is not a JSON Pointer"),
        ({"payload_schema": '{"type": "nonsense"}'}, "This is no JSON Schema"),
        ({"payload_schema": '{"$ref": "http://elsewhere.example"}'}, "only refer to its own parts"),
        ({"layout": '{"/message": "mirror"}'}, "is no layout"),
        ({"layout": '["/message"]'}, "the layout is an object"),
        ({"allowed_verdicts": []}, "This field is required"),
    ],
)
def test_an_action_that_could_not_be_published_is_not_saved(changes, told):
    first_version()
    action = ActionType.objects.get(key="refund_fee")
    url = reverse("admin:policies_actiontype_change", args=[action.pk])
    response = as_(ada).post(url, action_values(**changes))
    assert told in text(response).replace("&#x27;", "'")
    assert ActionType.objects.get(key="refund_fee").what == action.what


def test_changes_are_read_only():
    first_version()
    change = PolicyChange.objects.get()
    client = as_(ada)
    url = reverse("admin:policies_policychange_change", args=[change.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, {"reason": "Other."}).status_code == 403
    assert client.get(reverse("admin:policies_policychange_add")).status_code == 403
    assert (
        client.post(reverse("admin:policies_policychange_delete", args=[change.pk]), {"post": "yes"}).status_code == 403
    )


def test_the_pages_of_the_admin_have_no_code_or_styles_inline():
    live = first_version()
    version = draft()
    client = as_(ada)
    for url in (
        reverse("admin:index"),
        reverse("admin:policies_policyversion_changelist"),
        page_of(version),
        page_of(live),
        page_of(version, "publish"),
    ):
        response = client.get(url)
        assert " style=" not in response.content.decode()
        assert "<style" not in response.content.decode()
        assert "<script>" not in response.content.decode()
        assert "unsafe" not in response["Content-Security-Policy"]


def test_a_role_and_a_group_that_a_rule_in_force_asks_keep_their_names():
    fraud, spare, admins = (factories.make_group(name) for name in ("Fraud", "Spare", "Admins"))
    factories.make_live_policy(rules=[{"expression": "amount > 20.0", "sentence": "A large sum.", "group": "Fraud"}])
    root = factories.make_user("root", is_staff=True, is_superuser=True)
    client = as_(lambda: root)
    change, delete = "admin:auth_group_change", "admin:auth_group_delete"
    assert "Rules in force send tickets to it by its name: Support 1." in text(
        client.get(reverse(change, args=[fraud.pk]))
    )
    assert "It is a role." in text(client.get(reverse(change, args=[admins.pk])))
    for group in (fraud, spare, admins):
        client.post(reverse(change, args=[group.pk]), {"name": "Other"})
        client.post(reverse(delete, args=[group.pk]), {"post": "yes"})
        group.name = "gone" if not type(group).objects.filter(pk=group.pk).exists() else group.name
    assert (fraud.name, admins.name, spare.name) == ("Fraud", "Admins", "gone")
    assert set(type(fraud).objects.values_list("name", flat=True)) >= {"Fraud", "Admins"}


def test_a_workflow_says_in_words_whether_it_runs():
    workflow = first_version().workflow
    page = reverse("admin:policies_workflow_change", args=[workflow.pk])
    assert "running" in text(as_(ada).get(page))
    services.pause(workflow, actor=omar(), reason="Complaints.", now=NOW)
    assert "paused" in text(as_(ada).get(page))
    assert "Minutes for a ticket" in text(as_(ada).get(page))
