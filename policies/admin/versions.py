"""Versions of policies: drafts are edited, what was published is shown."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import InlineModelAdmin
from django.db.models import Field, Model, QuerySet
from django.forms import ModelForm, Textarea
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from policies import services
from policies.admin.access import EditedByAdmins, editor, is_open
from policies.admin.acts import VersionActs, told
from policies.admin.rows import RuleInline, ThresholdInline
from policies.domain.vocabulary import VersionStatus
from policies.models import PolicyVersion


@admin.register(PolicyVersion)
class PolicyVersionAdmin(EditedByAdmins, VersionActs):
    """Versions. Only a draft is edited; publishing shows what it changes, and asks why."""

    list_display = ("__str__", "workflow", "status", "cause", "author", "publisher", "published_at")
    list_filter = ("workflow", "status", "cause")
    list_select_related = ("workflow", "author", "publisher")
    ordering = ("workflow__title", "-number")
    change_form_template = "admin/policies/policyversion/change_form.html"
    shown = ("workflow", "number", "status", "cause", "base", "author", "publisher", "published_at", "digest")

    def get_fields(self, request: HttpRequest, obj: PolicyVersion | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("workflow", "note")
        return ("note",) if obj.status == VersionStatus.DRAFT else (*self.shown, "note")

    def get_inlines(self, request: HttpRequest, obj: PolicyVersion | None) -> list[type[InlineModelAdmin]]:
        return [ThresholdInline, RuleInline] if obj and obj.status == VersionStatus.DRAFT else []

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "note":
            kwargs["widget"] = Textarea(attrs={"rows": 2, "class": "vLargeTextField"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PolicyVersion]:
        found: QuerySet[PolicyVersion] = super().get_queryset(request)
        match = request.resolver_match
        if request.method == "POST" and match is not None and str(match.url_name).endswith("_change"):
            # Held until the rows are saved, so that nobody publishes in between.
            return found.select_for_update(of=("self",))
        return found.select_related("workflow", "base", "author", "publisher")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_open(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return obj is not None and is_open(request, obj)

    def save_model(self, request: HttpRequest, obj: PolicyVersion, form: ModelForm, change: bool) -> None:  # noqa: FBT001
        if change:
            super().save_model(request, obj, form, change)
            return
        draft = services.create_draft(workflow=obj.workflow, author=editor(request), note=obj.note, now=timezone.now())
        obj.__dict__.update(draft.__dict__)

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:  # noqa: FBT001
        super().save_related(request, form, formsets, change)
        if change and (form.has_changed() or any(formset.has_changed() for formset in formsets)):
            services.sign_draft(form.instance, author=editor(request))

    def delete_model(self, request: HttpRequest, obj: PolicyVersion) -> None:
        services.discard_draft(obj, author=editor(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A draft takes its rows with it."""
        shown, counts, _, protected = super().get_deleted_objects(objs, request)
        return shown, counts, set(), protected

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def response_add(
        self, request: HttpRequest, obj: PolicyVersion, post_url_continue: str | None = None
    ) -> HttpResponse:
        messages.success(request, f"Version {obj.number} is a draft now. Change it, then publish it.")
        return redirect("admin:policies_policyversion_change", obj.pk)

    def response_change(self, request: HttpRequest, obj: PolicyVersion) -> HttpResponse:
        if "_publish" in request.POST:
            return redirect("admin:policies_policyversion_publish", obj.pk)
        if "_addanother" in request.POST:
            return super().response_change(request, obj)
        messages.success(request, f"Draft {obj.number} is saved.")
        return redirect("admin:policies_policyversion_change", obj.pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The draft with what it changes and what is wrong with it; what was published, with what can be done."""
        version = PolicyVersion.objects.select_related("workflow", "base").filter(pk=object_id).first()
        context = told(version) if version else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})
