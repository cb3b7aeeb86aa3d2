"""What people type about policies: reasons, and the rows of a draft."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from policies.domain.expressions import ExpressionError, compile_rule
from policies.domain.problems import Problem, problems_of_action, problems_of_row, row_name
from policies.domain.vocabulary import VerdictKind
from policies.models import ActionType, Rule, Threshold, Workflow
from policies.queries import action_spec, threshold_spec


class ReasonForm(forms.Form):
    """Why something is done."""

    reason = forms.CharField(
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Kept with the change, for everybody to read.",
        error_messages={"required": "Say why: the reason is kept with the change."},
    )


class ExpressionInput(forms.Textarea):
    """An expression that is read while it is typed; what is wrong with it, and where, appears below."""

    def __init__(self) -> None:
        super().__init__(attrs={"rows": 3, "spellcheck": "false", "class": "expression"})

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        live = {
            "hx-post": reverse("admin:policies_policyversion_check_expression"),
            "hx-trigger": "input changed delay:400ms, load",
            "hx-target": "next .expression-check",
            "aria-describedby": f"{(attrs or {}).get('id', name)}-check",
        }
        return format_html(
            '{}<div id="{}" class="expression-check" aria-live="polite"></div>',
            super().render(name, value, {**(attrs or {}), **live}, renderer),
            live["aria-describedby"],
        )


class PointersField(SimpleArrayField):
    """JSON Pointers, one a line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(forms.CharField(max_length=200), *args, **{**kwargs, "delimiter": "\n", "required": False})
        self.widget = forms.Textarea(attrs={"rows": 3, "class": "pointers"})

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]  # The base's stub says text.
        lines = value.splitlines() if isinstance(value, str) else value or []
        return [line.strip() for line in lines if line.strip()]


class ActionTypeForm(forms.ModelForm):
    """An action, checked as publishing checks it."""

    allowed_verdicts = forms.MultipleChoiceField(
        choices=VerdictKind.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="What a reviewer may answer.",
    )
    editable_fields = PointersField(help_text="Parts of the payload that a reviewer may edit: a JSON Pointer a line.")
    personal_fields = PointersField(
        help_text="Left out of exports, and masked for whom the workflow doesn't ask: a JSON Pointer a line."
    )

    class Meta:
        model = ActionType
        fields = (
            "workflow",
            "key",
            "title",
            "what",
            "ask",
            "reversibility",
            "active",
            "amount_pointer",
            "currency_pointer",
            "payload_schema",
            "layout",
            "sensitive",
            "personal_fields",
            "allowed_verdicts",
            "editable_fields",
            "hold_seconds",
        )
        widgets = {name: forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"}) for name in ("what", "ask")}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            _take_over(self, values)
            _add(self, problems_of_action(action_spec(self.instance)), prefix=f"{self.instance.key}: ")
        return values


FIELD_OF: Final[Mapping[str, str]] = {"editable": "editable_fields"}
"""The form's names of fields that the policy's document calls otherwise."""


class PlainDecimalField(forms.DecimalField):
    """Shows 0.9 where the column holds 0.900000."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else super().prepare_value(value)


class WorkflowForm(forms.ModelForm):
    """A workflow's settings, in plain words."""

    class Meta:
        model = Workflow
        fields = (
            *("title", "key", "kind", "review_group", "escalation_group", "sla_minutes", "audit_sla_hours"),
            *("second_opinion_share", "known_answer_share", "estimate_first_share", "override_rate_limit"),
            "retention_days",
        )
        labels = {
            "sla_minutes": "Minutes for a ticket",
            "audit_sla_hours": "Hours for an audit",
            "second_opinion_share": "Second opinions",
            "known_answer_share": "Known answers",
            "estimate_first_share": "Estimates first",
            "override_rate_limit": "Override rate that alarms",
            "retention_days": "Days that content is kept",
        }
        field_classes = dict.fromkeys(
            ("second_opinion_share", "known_answer_share", "estimate_first_share", "override_rate_limit"),
            PlainDecimalField,
        )


class ThresholdForm(forms.ModelForm):
    """A row of a draft, checked as publishing checks it, and in plain words."""

    class Meta:
        model = Threshold
        fields = (
            "action",
            "model_name",
            "model_version",
            "autonomy",
            "least_confidence",
            "largest_amount",
            "currency",
            "basis_reason",
            "certificate_id",
            "certificate_digest",
            "alpha",
            "delta",
            "basis_holds_until",
            "verdicts_needed",
            "deliberate_acts",
            "audit_rate",
            "separation",
            "daily_count",
            "daily_amount",
            "subject_daily_count",
            "subject_daily_amount",
        )
        labels = {
            "autonomy": "May it run alone?",
            "least_confidence": "From a confidence of",
            "largest_amount": "Up to an amount of",
            "daily_count": "At most so many a day",
            "daily_amount": "At most this amount a day",
            "subject_daily_count": "At most so many a day for one subject",
            "subject_daily_amount": "At most this amount a day for one subject",
            "audit_rate": "Share drawn for review",
            "verdicts_needed": "People who must agree",
            "deliberate_acts": "Acts to approve",
            "separation": "Two people where the requester is unknown",
            "basis_reason": "Written reason",
            "certificate_id": "Certificate",
            "certificate_digest": "Its digest",
            "alpha": "Claimed error rate, at most (α)",
            "delta": "Chance that the claim is wrong (δ)",
            "basis_holds_until": "Holds until",
        }
        help_texts = {
            "action": "Empty: every action without a row of its own.",
            "autonomy": "“Withdrawn” is set by evidence. To give it back, choose a confidence and a new basis below.",
            "least_confidence": "Above 0 and up to 1, such as 0.85. What is less sure waits for a person.",
            "largest_amount": "Empty: no limit. A larger amount, another currency or none waits for a person.",
            "daily_count": "Empty: no limit. What comes after the limit waits for a person.",
            "audit_rate": "0.02 is one in fifty. What was drawn is reviewed though it ran alone. Above 0 where it may.",
            "deliberate_acts": "2: the reviewer types the amount or a phrase. Always 2 for what can't be undone.",
            "separation": "Nobody decides what they asked for; this asks a second person where that can't be told.",
            "basis_reason": "Why this may run alone, where there is no certificate.",
            "basis_holds_until": "In UTC. From then on it always waits for a person. Empty: without end.",
        }
        widgets = {"basis_reason": forms.Textarea(attrs={"rows": 2})}
        field_classes = dict.fromkeys(
            (
                *("least_confidence", "largest_amount", "audit_rate", "alpha", "delta"),
                *("daily_amount", "subject_daily_amount"),
            ),
            PlainDecimalField,
        )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            _take_over(self, values)
            spec = threshold_spec(self.instance)
            _add(self, problems_of_row(spec, "", {spec.action}, ()), prefix=f"{row_name(spec)}: ")
        return values


class RuleForm(forms.ModelForm):
    """A rule of a draft; its expression is compiled, and the place of an error named."""

    position = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=32_000,
        label="Place",
        help_text="Rules stand in this order; empty: last.",
    )

    class Meta:
        model = Rule
        fields = ("expression", "sentence", "ask", "group", "verdicts_needed", "position")
        labels = {"expression": "A person is asked where", "sentence": "The reviewer reads", "group": "Who is asked"}
        help_texts = {
            "expression": (
                "CEL over action, subject, payload, amount, currency, confidence, alternatives, context, model and "
                "requested_by, such as: amount > 100.0. Test a field before you read it: "
                'has(payload.text) && payload.text.contains("lawyer")'
            ),
            "group": "Empty: the workflow's review group.",
            "verdicts_needed": "People who must agree, 1 to 3.",
        }
        widgets = {"expression": ExpressionInput(), "sentence": forms.TextInput(attrs={"class": "vTextField"})}

    def clean_expression(self) -> str:
        source: str = self.cleaned_data["expression"]
        try:
            compile_rule(source)
        except ExpressionError as error:
            where = "" if error.position is None else f" (at character {error.position + 1})"
            raise ValidationError(f"{error.message}{where}") from None
        return source

    def clean_position(self) -> int:
        position: int | None = self.cleaned_data["position"]
        return LAST if position is None else position

    def validate_constraints(self) -> None:
        """Left out: rules are put in order after all of them are saved, so two may meet on the way."""


LAST: Final = 32_001
"""Behind every place that can be typed."""


class RuleFormSet(forms.BaseInlineFormSet):
    """The rules of a draft."""

    def validate_unique(self) -> None:
        """Left out: see RuleForm."""


def _take_over(form: ActionTypeForm | ThresholdForm, values: Mapping[str, Any]) -> None:
    """Let the instance say what was typed, so that it can be judged as a whole."""
    for name in form.Meta.fields:
        if name in values:
            setattr(form.instance, name, values[name])


def _add(form: forms.ModelForm, problems: Any, *, prefix: str) -> None:
    found: Problem
    for found in problems:
        name = found.pointer.rsplit("/", 1)[-1]
        name = FIELD_OF.get(name, name)
        form.add_error(name if name in form.fields else None, found.detail.removeprefix(prefix))


class RestoreForm(ReasonForm):
    """Why a policy is rolled back, and a new reason for each row that evidence withdrew."""

    def __init__(self, *args: Any, withdrawn: Mapping[str, str], **kwargs: Any) -> None:
        """`withdrawn` names the rows that would stay withdrawn, by the names of their fields."""
        super().__init__(*args, **kwargs)
        for name, title in withdrawn.items():
            self.fields[name] = forms.CharField(
                required=False,
                max_length=2_000,
                label=title,
                widget=forms.Textarea(attrs={"rows": 2}),
                help_text="Evidence withdrew it. Empty: it stays withdrawn. A new reason lets it run alone again.",
            )
