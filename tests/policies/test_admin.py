import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from policies import queries, services
from policies.models import ActionType, PolicyChange, PolicyVersion, Threshold, Workflow
from tests import factories
from tests.factories import NOW, ada, ana, omar
from tests.policies.scene import bob, draft, first_version, publish, row_of, support

pytestmark = pytest.mark.django_db

VERSIONS = "admin:policies_policyversion"


def as_(person) -> Client:
    client = Client()
    client.force_login(person())
    return client


def text(response) -> str:
    return " ".join(response.content.decode().split())


def page_of(version: PolicyVersion, act: str = "change") -> str:
    return reverse(f"{VERSIONS}_{act}", args=[version.pk])


def filled(client: Client, version: PolicyVersion, **changes: object) -> dict[str, object]:
    """What a browser would send back from the draft's page, with these fields changed."""
    context = client.get(page_of(version)).context
    forms = [context["adminform"].form]
    for wrapped in context["inline_admin_formsets"]:
        forms += [wrapped.formset.management_form, *wrapped.formset.forms]
    sent: dict[str, object] = {}
    for form in forms:
        for field in form:
            value = field.value()
            if hasattr(field.field.widget, "decompress"):
                for at, part in enumerate(field.field.widget.decompress(value)):
                    sent[f"{field.html_name}_{at}"] = part or ""
            elif value is True:
                sent[field.html_name] = "on"
            elif value is not None and value is not False:
                sent[field.html_name] = value
    return {**sent, **changes}


def place_of(client: Client, version: PolicyVersion, action: str) -> str:
    """The prefix of the fields of a row."""
    for wrapped in client.get(page_of(version)).context["inline_admin_formsets"]:
        for form in wrapped.formset.forms:
            row = form.instance
            if isinstance(row, Threshold) and row.pk and (row.action.key if row.action else "") == action:
                return form.prefix
    raise AssertionError(f"no row for {action}")


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


def test_the_page_of_a_draft_keeps_its_budget(django_assert_max_num_queries):
    first_version()
    version = draft()
    for at in range(8):
        Threshold.objects.create(version=version, model_name=f"model-{at}")
    client = as_(ada)
    with django_assert_max_num_queries(32):
        client.get(page_of(version))


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
