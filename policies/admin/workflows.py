"""Workflows, their actions, and what was done to them."""

from django.contrib import admin, messages
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.forms import ModelForm
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin

from policies.admin.access import EditedByAdmins
from policies.forms import ActionTypeForm, WorkflowForm
from policies.models import ActionType, PolicyChange, PolicyVersion, Workflow


@admin.register(Workflow)
class WorkflowAdmin(EditedByAdmins, SimpleHistoryAdmin):
    """Workflows. Their settings act at once; what may run alone stands in the policy."""

    form = WorkflowForm
    list_display = ("title", "key", "kind", "review_group", "in_force", "state")
    list_filter = ("kind", "paused")
    search_fields = ("title", "key")
    readonly_fields = ("state",)
    change_form_template = "admin/policies/workflow/change_form.html"
    fieldsets = (
        (None, {"fields": ("title", "key", "kind", "state")}),
        ("Who is asked", {"fields": (("review_group", "escalation_group"), ("sla_minutes", "audit_sla_hours"))}),
        (
            "How the work is watched",
            {
                "fields": (
                    ("second_opinion_share", "known_answer_share"),
                    ("estimate_first_share", "override_rate_limit"),
                    "retention_days",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workflow]:
        live = PolicyVersion.objects.filter(workflow=OuterRef("pk")).live().values("number")
        found: QuerySet[Workflow] = super().get_queryset(request).select_related("review_group")
        return found.annotate(live_number=Subquery(live))

    def get_readonly_fields(self, request: HttpRequest, obj: Workflow | None = None) -> tuple[str, ...]:
        return ("state", "key") if obj else ("state",)  # upstream sends the key

    @admin.display(description="In force")
    def in_force(self, workflow: Workflow) -> str:
        number = getattr(workflow, "live_number", None)
        return f"version {number}" if number else "nothing"

    @admin.display(description="State")
    def state(self, workflow: Workflow) -> str:
        return "paused" if workflow.paused else "running"


@admin.register(ActionType)
class ActionTypeAdmin(EditedByAdmins, SimpleHistoryAdmin):
    """Actions. A version pins them when it is published; until the next one, the old stand."""

    form = ActionTypeForm
    list_display = ("title", "key", "workflow", "reversibility", "active")
    list_filter = ("workflow", "reversibility", "active")
    list_select_related = ("workflow",)
    search_fields = ("title", "key")
    fieldsets = (
        (
            None,
            {
                "description": "A policy pins its actions when it is published: what you change here takes effect "
                "with the workflow's next version.",
                "fields": ("workflow", "key", "title", "what", "ask", "reversibility", "active"),
            },
        ),
        (
            "The payload",
            {
                "fields": (
                    ("amount_pointer", "currency_pointer"),
                    "payload_schema",
                    "layout",
                    "sensitive",
                    "personal_fields",
                )
            },
        ),
        ("What reviewers may do", {"fields": ("allowed_verdicts", "editable_fields", "hold_seconds")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: ActionType | None = None) -> tuple[str, ...]:
        return ("workflow", "key") if obj else ()  # rows and decisions name the action by them

    def save_model(self, request: HttpRequest, obj: ActionType, form: ModelForm, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        messages.info(request, f"This takes effect with the next version of {obj.workflow.title} that is published.")


@admin.register(PolicyChange)
class PolicyChangeAdmin(EditedByAdmins, admin.ModelAdmin):
    """Who did what and why: to be read."""

    list_display = ("at", "kind", "workflow", "version", "actor", "reason")
    list_filter = ("kind", "workflow")
    list_select_related = ("workflow", "version__workflow", "actor")
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
