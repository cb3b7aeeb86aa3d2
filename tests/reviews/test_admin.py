"""What admins keep and see of clients, endpoints and everything that happened."""

import json
import re

import pytest
from django.contrib import admin
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from reviews.admin import ForAdmins
from reviews.models import Attempt, Channel, Client, ClientKey, Delivery, Endpoint
from reviews.services.deliver import deliver_due
from reviews.services.keys import key_is_valid
from tests import factories as make
from tests.factories import make_client, make_user, submit_one

pytestmark = pytest.mark.django_db
OURS = [model for model in admin.site._registry if model._meta.app_label == "reviews"]
WRITTEN_BY_NOBODY = {"decision", "ticket", "verdict", "outcome", "event", "delivery"}


@pytest.fixture
def ada(client):
    user = make_user("ada", is_staff=True, is_superuser=True)
    client.force_login(user)
    return client


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_ada_sees_every_list(ada, model):
    submit_one()
    assert ada.get(reverse(f"admin:reviews_{model._meta.model_name}_changelist")).status_code == 200


def test_every_page_is_for_admins_alone():
    assert all(isinstance(admin.site._registry[model], ForAdmins) for model in OURS)


@pytest.mark.parametrize("name", sorted(WRITTEN_BY_NOBODY))
def test_what_happened_is_never_added_or_deleted_here_even_by_a_superuser(ada, name):
    assert ada.get(reverse(f"admin:reviews_{name}_add")).status_code == 403


def test_a_decision_is_shown_without_a_way_to_save_it(ada):
    decision = submit_one()
    page = ada.get(reverse("admin:reviews_decision_change", args=[decision.pk]))
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    answer = ada.post(reverse("admin:reviews_decision_change", args=[decision.pk]), {"external_id": "another"})
    assert answer.status_code == 403


def test_a_key_is_shown_once_and_kept_as_a_hash(ada):
    upstream, _ = make_client()
    changelist = reverse("admin:reviews_client_changelist")
    page = ada.post(changelist, {"action": "issue_a_key", "_selected_action": [upstream.pk]}, follow=True)
    shown = re.search(r"cs_[a-z0-9]+_[A-Za-z0-9]+", page.content.decode())
    assert shown
    newest = ClientKey.objects.latest("created_at")
    assert key_is_valid(shown[0], client=upstream, now=newest.created_at)
    assert shown[0] not in ada.get(changelist).content.decode()


def test_a_revoked_key_is_worth_nothing(ada):
    upstream, key = make_client()
    row = upstream.keys.get()
    ada.post(reverse("admin:reviews_clientkey_changelist"), {"action": "revoke", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert row.revoked_at
    assert not key_is_valid(key, client=upstream, now=row.revoked_at)


def test_an_endpoint_gets_a_secret_that_is_shown_once_and_can_be_rotated(ada):
    upstream, _ = make_client()
    form = {"client": upstream.pk, "url": "https://hooks.example.org/in", "active": "on"}
    page = ada.post(reverse("admin:reviews_endpoint_add"), form, follow=True).content.decode()
    endpoint = Endpoint.objects.get()
    assert endpoint.secret in page.replace("&#x2F;", "/")
    first = endpoint.secret
    changelist = reverse("admin:reviews_endpoint_changelist")
    ada.post(changelist, {"action": "rotate", "_selected_action": [endpoint.pk]})
    endpoint.refresh_from_db()
    assert (endpoint.previous_secret, endpoint.secret != first) == (first, True)
    ada.post(changelist, {"action": "end_the_rotation", "_selected_action": [endpoint.pk]})
    endpoint.refresh_from_db()
    assert endpoint.previous_secret == ""


def test_an_endpoint_inside_the_house_is_refused_when_it_is_saved(ada, settings):
    settings.ALLOW_LOOPBACK_WEBHOOKS = False
    upstream, _ = make_client()
    form = {"client": upstream.pk, "url": "http://10.0.0.7/in", "active": "on"}
    page = ada.post(reverse("admin:reviews_endpoint_add"), form)
    assert page.status_code == 200
    assert not Endpoint.objects.exists()
    assert "10.0.0.7" in page.content.decode()


def test_what_admins_change_of_a_client_is_kept_as_history(ada):
    upstream, _ = make_client()
    form = {"name": upstream.name, "active": "on", "rate_limit": 5, "scopes": ["decisions:read"]}
    form |= {"keys-TOTAL_FORMS": 0, "keys-INITIAL_FORMS": 0}
    ada.post(reverse("admin:reviews_client_change", args=[upstream.pk]), form)
    assert Client.objects.get(pk=upstream.pk).rate_limit == 5
    assert ada.get(reverse("admin:reviews_client_history", args=[upstream.pk])).status_code == 200
    assert upstream.history.latest().history_user.username == "ada"


def test_a_channel_is_a_mailbox_each_of_those_concerned_or_a_chat_room_outside(ada, settings):
    settings.ALLOW_LOOPBACK_WEBHOOKS = False
    add = reverse("admin:reviews_channel_add")
    form = {"title": "Leads", "notices": ["stop", "alarm.raised"], "active": "on"}
    refused = {
        ("email", "no address"): "Enter a valid email address.",
        ("slack", "https://10.0.0.1/hook"): "10.0.0.1 is private.",
        ("slack", ""): "The URL must start with https://",
    }
    for (kind, address), why in refused.items():
        assert why in ada.post(add, {**form, "kind": kind, "address": address}).content.decode()
    assert not Channel.objects.exists()
    for title, kind, address in (
        ("All", "email", ""),
        ("Box", "email", "desk@example.org"),
        ("Room", "slack", "https://hooks.example.org/T0/B0"),
    ):
        assert ada.post(add, {**form, "title": title, "kind": kind, "address": address}).status_code == 302
    assert set(Channel.objects.values_list("title", flat=True)) == {"All", "Box", "Room"}
    assert Channel.objects.get(title="Box").notices == ["stop", "alarm.raised"]


def test_a_disabled_channel_says_why_and_is_enabled_again(ada):
    channel = Channel.objects.create(title="Room", kind="slack", address="https://example.org/h", active=False)
    Channel.objects.update(failing_since=make.NOW, disabled_at=make.NOW, disabled_reason="It failed for five days.")
    page = ada.get(reverse("admin:reviews_channel_change", args=[channel.pk])).content.decode()
    assert "It failed for five days." in page
    ada.post(reverse("admin:reviews_channel_changelist"), {"action": "enable", "_selected_action": [channel.pk]})
    channel.refresh_from_db()
    assert (channel.active, channel.failing_since, channel.disabled_reason) == (True, None, "")


# ---- Endpoints ------------------------------------------------------------------------------------------------------


@pytest.fixture
def endpoint():
    upstream, _ = make_client()
    return Endpoint.objects.create(client=upstream, url="https://hooks.example.org/in", secret="whsec_YQ==")


def act(ada, name, endpoint, **more):
    sent = {"action": name, "_selected_action": [endpoint.pk], **more}
    return ada.post(reverse("admin:reviews_endpoint_changelist"), sent, follow=True).content.decode()


def test_a_test_message_goes_into_the_outbox_with_an_event_that_names_who_asked(ada, endpoint):
    page = act(ada, "test", endpoint)
    assert "A test message goes to https://hooks.example.org/in" in page
    delivery = Delivery.objects.get()
    assert (delivery.type, delivery.state, delivery.decision) == ("endpoint.test", "waiting", None)
    assert json.loads(delivery.body)["type"] == "endpoint.test"
    assert json.loads(delivery.body)["data"] == {"endpoint": endpoint.pk, "sequence": delivery.event_id}
    assert (delivery.event.kind, delivery.event.user.username) == ("endpoint.tested", "ada")


def test_a_disabled_endpoint_is_sent_no_test_message_and_says_so(ada, endpoint):
    act(ada, "disable", endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.active, endpoint.disabled_reason) == (False, "Ada disabled it.")
    assert "This endpoint is disabled" in act(ada, "test", endpoint)
    assert not Delivery.objects.exists()
    act(ada, "enable", endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.active, endpoint.disabled_reason, endpoint.disabled_at) == (True, "", None)
    act(ada, "test", endpoint)
    assert Delivery.objects.count() == 1


def test_all_since_a_time_is_sent_again_and_what_is_older_is_not(ada, endpoint):
    for _ in range(3):
        act(ada, "test", endpoint)
    old = Delivery.objects.order_by("id").first()
    Delivery.objects.update(state="dead")
    Delivery.objects.filter(pk=old.pk).update(created_at="2026-01-01T00:00Z")
    assert "2 messages go to" in act(ada, "replay_since", endpoint, since="2026-01-01T00:01")
    assert Delivery.objects.filter(state="waiting").count() == 2
    assert "Say since when" in act(ada, "replay_since", endpoint)
    assert "messages go to" not in act(ada, "replay_since", endpoint, since="soon")


def test_the_tries_of_a_delivery_are_shown_with_what_came_back(ada, endpoint):
    act(ada, "test", endpoint)
    delivery = Delivery.objects.get()
    Attempt.objects.create(
        delivery=delivery, number=1, at=delivery.created_at, status=500, response="out of order", milliseconds=7
    )
    assert (
        f"endpoint__id__exact={endpoint.pk}" in ada.get(reverse("admin:reviews_endpoint_changelist")).content.decode()
    )
    listed = ada.get(reverse("admin:reviews_delivery_changelist"), {"endpoint__id__exact": endpoint.pk})
    assert str(delivery.pk) in listed.content.decode()
    page = ada.get(reverse("admin:reviews_delivery_change", args=[delivery.pk])).content.decode()
    assert "out of order" in page
    assert "500" in page


def test_no_page_of_the_admin_shows_a_secret_again(ada, endpoint):
    act(ada, "test", endpoint)
    for name, args in (("changelist", []), ("change", [endpoint.pk]), ("history", [endpoint.pk])):
        assert "whsec_YQ" not in ada.get(reverse(f"admin:reviews_endpoint_{name}", args=args)).content.decode()


def test_a_channel_is_tried_by_a_message_that_tells_of_nothing(ada):
    room = Channel.objects.create(title="Box", kind="email", address="desk@example.org")
    each = Channel.objects.create(title="Each", kind="email")
    off = Channel.objects.create(title="Off", kind="email", active=False)
    chosen = {"action": "test", "_selected_action": [room.pk, each.pk, off.pk]}
    page = ada.post(reverse("admin:reviews_channel_changelist"), chosen, follow=True).content.decode()
    assert "This channel is disabled: enable it first." in page
    deliver_due(now=timezone.now())
    assert sorted(message.to[0] for message in mail.outbox) == ["ada@example.org", "desk@example.org"]
    assert mail.outbox[0].subject == "[Countersign] A test message, asked for by Ada."
