"""The rows of a version, edited in its own page."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest

from policies.admin.access import EditedByAdmins, is_open
from policies.forms import RuleForm, RuleFormSet, ThresholdForm
from policies.models import ActionType, PolicyVersion, Rule, Threshold


class DraftInline(EditedByAdmins, admin.StackedInline):
    """Rows of a version: open while it is a draft."""

    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_open(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_open(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_open(request, obj)


class ThresholdInline(DraftInline):
    model = Threshold
    form = ThresholdForm
    verbose_name = "Row"
    verbose_name_plural = "Rows: what may run alone"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("action", "model_name", "model_version"),
                    ("autonomy", "least_confidence", "largest_amount", "currency"),
                    ("verdicts_needed", "deliberate_acts", "audit_rate", "separation"),
                    "basis_reason",
                )
            },
        ),
        (
            "A certificate in the place of the reason, what is claimed, and until when",
            {
                "classes": ("collapse",),
                "fields": (("certificate_id", "certificate_digest", "alpha", "delta"), "basis_holds_until"),
            },
        ),
        (
            "Budgets for a day",
            {
                "classes": ("collapse",),
                "fields": (("daily_count", "daily_amount", "subject_daily_count", "subject_daily_amount"),),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Threshold]:
        return super().get_queryset(request).select_related("action").order_by("action__key", "pk")

    def get_formset(self, request: HttpRequest, obj: PolicyVersion | None = None, **kwargs: Any) -> Any:
        """The choice of an action is the workflow's, read once for all rows."""
        formset = super().get_formset(request, obj, **kwargs)
        action = formset.form.base_fields.get("action")
        if isinstance(action, ModelChoiceField) and obj is not None:
            action.queryset = ActionType.objects.filter(workflow_id=obj.workflow_id)
            action.choices = [("", "Every other action"), *((each.pk, each.key) for each in action.queryset)]
            _only_choose(action)
        return formset


class RuleInline(DraftInline):
    model = Rule
    form = RuleForm
    formset = RuleFormSet
    verbose_name = "Rule"
    verbose_name_plural = "Rules: when a person is asked whatever the confidence"
    fieldsets = ((None, {"fields": ("expression", "sentence", "ask", ("group", "verdicts_needed", "position"))}),)
    ordering = ("position", "pk")

    def get_formset(self, request: HttpRequest, obj: PolicyVersion | None = None, **kwargs: Any) -> Any:
        """Groups are chosen here, and edited elsewhere."""
        formset = super().get_formset(request, obj, **kwargs)
        group = formset.form.base_fields.get("group")
        if isinstance(group, ModelChoiceField):
            _only_choose(group)
        return formset


def _only_choose(field: ModelChoiceField) -> None:
    """Take the buttons away that add and change what is chosen from."""
    for button in ("add", "change", "delete", "view"):
        setattr(field.widget, f"can_{button}_related", False)
