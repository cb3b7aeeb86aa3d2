"""What the insights pages are asked: read and bounded before anything is counted."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Q

from feedback.domain.vocabulary import CommentKind, ExportFormat, ExportShape
from feedback.queries.figures import ALPHAS
from feedback.queries.labels import Key, Scope
from feedback.queries.overrides import Window
from policies.domain.figures import per_cent
from policies.models import Workflow
from reviews.models import Decision

DAYS = ((28, "4 weeks"), (90, "90 days"), (365, "a year"))
SHOWN_DAYS = 90
LONGEST_COMMENT = 4_000
LONGEST_QUERY = 600
ANY = ("", "any")


class Choice(forms.Form):
    """Which figures are shown. What isn't understood narrows nothing, so that an old link still opens the page."""

    workflow = forms.ChoiceField(label="Workflow", required=False)
    action = forms.ChoiceField(label="Action", required=False)
    model = forms.ChoiceField(label="Model and version", required=False)
    days = forms.TypedChoiceField(label="Over", required=False, choices=DAYS, coerce=int)

    def __init__(self, data: Mapping[str, Any], *, workflows: list[Workflow], chosen: Workflow, keys: Iterable[Key]):
        known = tuple(keys)
        models = sorted({(name, version) for _, name, version in known})
        asked = {name: value for name, value in data.items() if value}
        super().__init__({"days": SHOWN_DAYS, **asked, "workflow": chosen.key})
        choices = {
            "workflow": [(workflow.key, workflow.title) for workflow in workflows],
            "action": [ANY, *((action, action) for action in sorted({action for action, _, _ in known}))],
            "model": [ANY, *((_joined(*model), " ".join(model)) for model in models)],
        }
        for name, of_field in choices.items():
            self.fields[name].choices = of_field  # type: ignore[attr-defined]
        self._workflow = chosen
        self._models = {_joined(*model): model for model in models}
        self.full_clean()

    def window(self, *, now: datetime) -> Window:
        """For the tallies."""
        name, version = self.model_chosen
        return Window(
            workflow=self._workflow,
            since=(now - timedelta(days=self.cleaned_data.get("days") or SHOWN_DAYS)).date(),
            action=self.cleaned_data.get("action", ""),
            model_name=name,
            model_version=version,
        )

    def scope(self) -> Scope:
        """For the labels: evidence is of all the time there was."""
        name, version = self.model_chosen
        action = self.cleaned_data.get("action", "")
        return Scope(workflow=self._workflow, action=action, model_name=name, model_version=version)

    @property
    def model_chosen(self) -> tuple[str, str]:
        return self._models.get(self.cleaned_data.get("model", ""), ("", ""))

    def narrows(self) -> bool:
        return bool(self.cleaned_data.get("action") or self.cleaned_data.get("model"))


def _joined(name: str, version: str) -> str:
    """Both in one value; a name may hold anything but this."""
    return f"{name}\u001f{version}"


class DraftForm(forms.Form):
    """Of which recommendation a draft is made: the page's own query, and the error rate that is promised."""

    query = forms.CharField(required=False, max_length=LONGEST_QUERY)
    alpha = forms.FloatField(min_value=0.0001, max_value=0.5)


class LookForm(forms.Form):
    """One look at labels to come: the page's own query, the error rate to promise, and how many decisions to wait for.

    Which numbers make sense depends on the rate, and is known to `plan_look`.
    """

    query = forms.CharField(required=False, max_length=LONGEST_QUERY, widget=forms.HiddenInput)
    alpha = forms.TypedChoiceField(
        label="Wrong at most", choices=[(alpha, per_cent(alpha)) for alpha in ALPHAS], coerce=float, initial=0.02
    )
    n = forms.IntegerField(label="Decisions of the random sample to wait for", min_value=1, initial=1000)


class WithdrawForm(forms.Form):
    """Why a planned look is given up."""

    why = forms.CharField(label="Reason", max_length=300)


class BacktestForm(forms.Form):
    """How far back a version is tried."""

    decisions = forms.IntegerField(label="The newest decisions", min_value=1, max_value=100_000, initial=10_000)


class AcknowledgeForm(forms.Form):
    """What somebody makes of an alarm."""

    note = forms.CharField(
        label="What you make of it, and what is done about it",
        max_length=LONGEST_COMMENT,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say what you make of it."},
    )


class SeedForm(forms.Form):
    """A settled decision to set aside as a known answer."""

    decision = forms.CharField(label="Its id, or its external id", max_length=255)
    evidence = forms.CharField(label="How its truth is known beyond doubt", max_length=300)

    def __init__(self, data: Mapping[str, Any] | None, *, workflow: Workflow):
        super().__init__(data)
        self._workflow = workflow

    def clean_decision(self) -> Decision:
        named = self.cleaned_data["decision"].strip()
        known_as = Q(external_id=named)
        with suppress(ValueError):
            known_as |= Q(pk=UUID(named))
        found: list[Decision] = list(
            Decision.objects.filter(known_as, workflow=self._workflow).select_related("workflow")[:2]
        )
        if len(found) != 1:
            raise forms.ValidationError(
                "Several decisions go by this external id: give the id." if found else "There is no such decision here."
            )
        (decision,) = found
        return decision


class CommentForm(forms.Form):
    """What somebody says of a decision."""

    kind = forms.ChoiceField(label="It is a", choices=CommentKind.choices)
    text = forms.CharField(
        label="Comment",
        max_length=LONGEST_COMMENT,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Write what there is to say."},
    )
    suggested_answer = forms.CharField(
        label="What would have been right (optional)",
        max_length=LONGEST_COMMENT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class ExportForm(forms.Form):
    """What an export is of. Days are in UTC, the last one included."""

    workflow = forms.ModelChoiceField(Workflow.objects.order_by("title"), empty_label=None)
    shape = forms.ChoiceField(label="A line is", choices=ExportShape.choices)
    format = forms.ChoiceField(
        label="File", choices=ExportFormat.choices, required=False, initial=ExportFormat.JSON_LINES
    )
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    action = forms.CharField(label="Action", required=False, max_length=80)
    model = forms.CharField(label="Model", required=False, max_length=120)
    model_version = forms.CharField(label="Its version", required=False, max_length=120)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        since, until = values.get("since"), values.get("until")
        if since and until and until < since:
            raise forms.ValidationError("The last day comes before the first.")
        values["since"] = datetime.combine(since, time(), tzinfo=UTC) if since else None
        values["until"] = datetime.combine(until, time(), tzinfo=UTC) + timedelta(days=1) if until else None
        return values
