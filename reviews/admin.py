"""Where admins keep clients, their keys and endpoints, and see what happened, which nobody changes here."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from simple_history.admin import SimpleHistoryAdmin

from reviews.domain.vocabulary import ChannelKind, Notice, Scope, every_notice
from reviews.models import (
    Attempt,
    Channel,
    Client,
    ClientKey,
    Decision,
    Delivery,
    Endpoint,
    Event,
    Outcome,
    Ticket,
    Verdict,
)
from reviews.permissions import is_admin
from reviews.services.deliver import replay_delivery, replay_since
from reviews.services.endpoints import (
    EndpointOff,
    disable_receiver,
    enable_receiver,
    end_rotation,
    new_secret,
    rotate_secret,
    send_channel_test,
    send_test,
)
from reviews.services.keys import issue_key, revoke_key
from reviews.services.post import UrlRefused, check_url


def acting(request: HttpRequest) -> User:
    """Whoever is at the admin's pages, which let nobody else in."""
    assert isinstance(request.user, User), "the admin lets in who is logged in"
    return request.user


class ForAdmins:
    """Admins see; what they may change, a subclass says. A superuser is an admin, and no more than that."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_admin(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_admin(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class EditedByAdmins(ForAdmins):
    """Admins add and change. Nothing is deleted: the log names it."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_admin(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_admin(request.user)


class ClientForm(forms.ModelForm):
    """A client, its scopes as boxes to tick."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=forms.CheckboxSelectMultiple, required=False, help_text="What its keys may do."
    )

    class Meta:
        model = Client
        fields = ("name", "active", "independent", "scopes", "workflows", "rate_limit")


class KeysOfClient(ForAdmins, admin.TabularInline):
    """The keys of a client: never their secrets."""

    model = ClientKey
    fields = readonly_fields = ("prefix", "created_at", "expires_at", "revoked_at", "last_used_at")
    extra = 0


@admin.register(Client)
class ClientAdmin(EditedByAdmins, SimpleHistoryAdmin):
    """Upstream systems, executors and sources of truth."""

    form = ClientForm
    list_display = ("name", "active", "independent", "rate_limit")
    filter_horizontal = ("workflows",)
    inlines = (KeysOfClient,)
    actions = ("issue_a_key",)

    @admin.action(description="Issue an API key, which is shown once")
    def issue_a_key(self, request: HttpRequest, clients: QuerySet[Client]) -> None:
        for client in clients:
            key = issue_key(client, now=timezone.now())
            messages.success(request, f"A key of {client}, shown this once: {key}")


@admin.register(ClientKey)
class ClientKeyAdmin(EditedByAdmins, admin.ModelAdmin):
    """Keys: when they expire can be set, and they can be revoked."""

    list_display = ("prefix", "client", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("client",)
    fields = ("client", "prefix", "created_at", "expires_at", "revoked_at", "last_used_at")
    readonly_fields = ("client", "prefix", "created_at", "revoked_at", "last_used_at")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.action(description="Revoke at once")
    def revoke(self, request: HttpRequest, keys: QuerySet[ClientKey]) -> None:
        for key in keys:
            revoke_key(key, now=timezone.now())
        messages.success(request, f"Revoked: {', '.join(key.prefix for key in keys)}.")


class HttpsField(forms.URLField):
    """An address that is typed without its scheme is meant to be https."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"assume_scheme": "https", **options})


class EndpointForm(forms.ModelForm):
    """An endpoint; its address is checked when it is saved, and again whenever it is connected to."""

    class Meta:
        model = Endpoint
        fields = ("client", "url", "active")
        field_classes: ClassVar = {"url": HttpsField}

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            check_url(url)
        except UrlRefused as refused:
            raise ValidationError(str(refused)) from refused
        return url


class SinceForm(ActionForm):
    """The list's actions, and since when to send again."""

    since = forms.DateTimeField(
        label="Since (UTC), to send again:",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


@admin.register(Endpoint)
class EndpointAdmin(EditedByAdmins, SimpleHistoryAdmin):
    """Webhooks: where to. A secret is shown once, and both sign while one takes the place of the other."""

    form = EndpointForm
    list_display = ("url", "client", "active", "failing_since", "disabled_at", "disabled_reason", "its_deliveries")
    list_filter = ("client", "active")
    list_select_related = ("client",)
    readonly_fields = ("failing_since", "disabled_at", "disabled_reason")
    action_form = SinceForm
    actions = ("test", "replay_since", "rotate", "end_the_rotation", "enable", "disable")

    @admin.display(description="Deliveries")
    def its_deliveries(self, endpoint: Endpoint) -> str:
        """Where the tries of its messages are shown, with what came back."""
        address = reverse("admin:reviews_delivery_changelist")
        return format_html('<a href="{}?endpoint__id__exact={}">See them</a>', address, endpoint.pk)

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:  # noqa: FBT001
        if not change:
            obj.secret = new_secret()
            messages.success(request, f"The secret of this endpoint, shown this once: {obj.secret}")
        super().save_model(request, obj, form, change)

    @admin.action(description="Give it a new secret, which is shown once; the old one goes on signing")
    def rotate(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        for endpoint in endpoints:
            messages.success(request, f"The new secret of {endpoint}, shown this once: {rotate_secret(endpoint)}")

    @admin.action(description="End the rotation: the old secret signs no more")
    def end_the_rotation(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        for endpoint in endpoints:
            end_rotation(endpoint)

    @admin.action(description="Send a test message")
    def test(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        for endpoint in endpoints.select_related("client"):
            try:
                send_test(endpoint, by=acting(request), now=timezone.now())
            except EndpointOff as refused:
                messages.error(request, f"{endpoint}: {refused.detail}")
            else:
                messages.success(request, f"A test message goes to {endpoint}; its deliveries say what came of it.")

    @admin.action(description="Send again all since the time given")
    def replay_since(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        since = SinceForm.base_fields["since"].clean(request.POST.get("since"))
        if since is None:
            messages.error(request, "Say since when: everything written from then on is sent again.")
            return
        for endpoint in endpoints:
            count = replay_since(endpoint, since=since, now=timezone.now())
            messages.success(request, f"{count} messages go to {endpoint} again.")

    @admin.action(description="Enable again")
    def enable(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        for endpoint in endpoints:
            enable_receiver(endpoint)

    @admin.action(description="Disable: what waits goes on waiting")
    def disable(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        for endpoint in endpoints:
            disable_receiver(endpoint, by=acting(request), now=timezone.now())


class ChannelForm(forms.ModelForm):
    """A channel; what it is told as boxes to tick, and its address checked by what kind it is."""

    notices = forms.MultipleChoiceField(
        choices=Notice.choices, widget=forms.CheckboxSelectMultiple, label="It is told when", initial=every_notice
    )

    class Meta:
        model = Channel
        fields = ("title", "kind", "workflow", "address", "notices", "active")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        kind, address = cleaned.get("kind"), cleaned.get("address", "")
        try:
            if kind == ChannelKind.SLACK:
                check_url(address)
            elif address:
                validate_email(address)
        except UrlRefused as refused:
            self.add_error("address", refused.detail)
        except ValidationError as refused:
            self.add_error("address", refused)
        return cleaned


@admin.register(Channel)
class ChannelAdmin(EditedByAdmins, SimpleHistoryAdmin):
    """How people are told: by e-mail, and in chat rooms."""

    form = ChannelForm
    list_display = ("title", "kind", "workflow", "active", "failing_since", "disabled_reason")
    list_filter = ("kind", "workflow", "active")
    list_select_related = ("workflow",)
    readonly_fields = ("failing_since", "disabled_at", "disabled_reason")
    fields = (*ChannelForm.Meta.fields, *readonly_fields)
    actions = ("test", "enable")

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> tuple[str, ...]:
        return self.readonly_fields if obj and obj.failing_since else ()

    def get_fields(self, request: HttpRequest, obj: Channel | None = None) -> tuple[str, ...]:
        return self.fields if obj and obj.failing_since else ChannelForm.Meta.fields

    @admin.action(description="Send a test message")
    def test(self, request: HttpRequest, channels: QuerySet[Channel]) -> None:
        for channel in channels:
            try:
                send_channel_test(channel, by=acting(request), now=timezone.now())
            except EndpointOff as refused:
                messages.error(request, f"{channel}: {refused.detail}")
            else:
                messages.success(request, f"A test message goes to {channel}; its deliveries say what came of it.")

    @admin.action(description="Enable again")
    def enable(self, request: HttpRequest, channels: QuerySet[Channel]) -> None:
        for channel in channels:
            enable_receiver(channel)


class AttemptsOfDelivery(ForAdmins, admin.TabularInline):
    """Each try, and what came back."""

    model = Attempt
    fields = readonly_fields = ("number", "at", "status", "error", "response", "milliseconds")
    extra = 0


@admin.register(Delivery)
class DeliveryAdmin(ForAdmins, admin.ModelAdmin):
    """The outbox: seen, and sent again on request."""

    list_display = (
        "type",
        "endpoint",
        "channel",
        "state",
        "attempts_made",
        "next_attempt_at",
        "created_at",
        "delivered_at",
    )
    list_filter = ("state", "type", "endpoint", "channel")
    list_select_related = ("endpoint", "channel")
    show_full_result_count = False
    ordering = ("-id",)
    inlines = (AttemptsOfDelivery,)
    actions = ("replay",)

    @admin.action(description="Send again")
    def replay(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        for delivery in deliveries:
            replay_delivery(delivery.pk, now=timezone.now())
        messages.success(request, "They are sent again at once.")


class OnlySeen(ForAdmins, admin.ModelAdmin):
    """Rows that even a superuser only sees; the newest first, and never counted whole."""

    show_full_result_count = False
    list_per_page = 50


@admin.register(Decision)
class DecisionAdmin(OnlySeen):
    list_display = ("external_id", "workflow", "action", "confidence", "route", "received_at")
    list_filter = ("workflow", "route")
    list_select_related = ("workflow",)
    search_fields: ClassVar = ("external_id__exact",)
    ordering = ("-id",)
    # Its personal fields are for those whom the workflow asks; the story in the log shows the rest.
    exclude = ("salt", "payload")


@admin.register(Ticket)
class TicketAdmin(OnlySeen):
    list_display = ("id", "kind", "state", "workflow", "group", "due_at", "claimed_by")
    list_filter = ("workflow", "kind", "state")
    list_select_related = ("workflow", "group", "claimed_by")
    ordering = ("-id",)


@admin.register(Verdict)
class VerdictAdmin(OnlySeen):
    list_display = ("decided_at", "kind", "reviewer", "action", "reason_code", "voided_at")
    list_filter = ("kind",)
    list_select_related = ("reviewer",)
    ordering = ("-id",)
    exclude = ("payload",)


@admin.register(Outcome)
class OutcomeAdmin(OnlySeen):
    list_display = ("decision", "kind", "method", "action", "settled_at")
    list_filter = ("kind", "method")
    list_select_related = ("decision",)
    ordering = ("-decision_id",)
    exclude = ("payload",)


@admin.register(Event)
class EventAdmin(OnlySeen):
    list_display = ("id", "kind", "at", "user", "decision")
    list_filter = ("kind",)
    list_select_related = ("user", "decision")
    ordering = ("-id",)
