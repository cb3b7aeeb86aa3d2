"""What pages send: read, named and bounded, before a service sees it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms

from policies.domain.pointers import pointer_to, value_at
from policies.domain.spec import ActionSpec
from policies.domain.strict_json import InputError, parse_strict
from policies.domain.vocabulary import ReasonCode, Route, VerdictKind
from reviews.domain.changes import Change, changes_between
from reviews.domain.fields import LONGEST_FACT, Field, NoSuchField, fields_of, text_of, with_value
from reviews.domain.vocabulary import DecisionStatus, LeadReason, RejectReason, Theme, TicketKind
from reviews.queries import LogFilters, QueueFilters
from reviews.queries.decisions import BANDS, NO_CONFIDENCE

ANY = ("", "any")
# A known answer is not to be told from the gate that it pretends to be, so it is not offered apart.
TOLD_APART = [kind for kind in TicketKind if kind != TicketKind.KNOWN_ANSWER]
LONGEST_NOTE = 4_000


class FilterForm(forms.Form):
    """Filters as an address carries them."""

    def set_names(self) -> tuple[str, ...]:
        """The fields that filter."""
        self.full_clean()
        return tuple(name for name in self.fields if self.cleaned_data.get(name) not in (None, ""))

    def query(self) -> str:
        """The address's part that keeps these filters."""
        return urlencode({name: str(self.cleaned_data[name]) for name in self.set_names()})


class DeskFilters(FilterForm):
    """What of the queue is shown. What isn't understood filters nothing, so that an old link still opens the desk."""

    text = forms.CharField(label="Search", required=False, max_length=200)
    workflow = forms.ChoiceField(label="Workflow", required=False)
    reason = forms.ChoiceField(label="Why", required=False, choices=[ANY, *ReasonCode.choices])
    kind = forms.ChoiceField(
        label="Kind", required=False, choices=[ANY, *((str(kind), kind.label) for kind in TOLD_APART)]
    )

    def __init__(self, *args: Any, workflows: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["workflow"].choices = [ANY, *workflows]  # type: ignore[attr-defined]

    def filters(self) -> QueueFilters:
        self.full_clean()
        return QueueFilters(**{name: self.cleaned_data.get(name, "") for name in self.fields})


def _of_band(band: str) -> str:
    return "none given" if band == NO_CONFIDENCE else f"{int(band) / 10:.1f}–{(int(band) + 1) / 10:.1f}"


class LogFilterForm(FilterForm):
    """What of the log is shown. What isn't understood filters nothing."""

    workflow = forms.CharField(required=False, max_length=50)
    action = forms.CharField(required=False, max_length=80)
    status = forms.ChoiceField(required=False, choices=[ANY, *DecisionStatus.choices])
    route = forms.ChoiceField(required=False, choices=[ANY, *Route.choices])
    verdict = forms.ChoiceField(required=False, choices=[ANY, *VerdictKind.choices])
    reason = forms.ChoiceField(label="Why", required=False, choices=[ANY, *ReasonCode.choices])
    model = forms.CharField(required=False, max_length=120)
    model_version = forms.CharField(label="Model's version", required=False, max_length=120)
    policy = forms.IntegerField(label="Policy version", required=False, min_value=0, max_value=2_147_483_647)
    band = forms.ChoiceField(
        label="Confidence", required=False, choices=[ANY, *((each, _of_band(each)) for each in BANDS)]
    )
    least = forms.DecimalField(label="Confidence from", required=False, min_value=0, max_value=1, max_digits=8)
    below = forms.DecimalField(label="Confidence below", required=False, min_value=0, max_value=1, max_digits=8)
    reviewer = forms.CharField(required=False, max_length=150)
    external_id = forms.CharField(label="External id", required=False, max_length=255)
    subject = forms.CharField(label="Subject's id", required=False, max_length=255)
    since = forms.DateField(label="From (UTC)", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="Before (UTC)", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def filters(self) -> LogFilters:
        self.full_clean()
        given: dict[str, Any] = {name: self.cleaned_data.get(name) or "" for name in self.fields}
        for name in ("since", "until"):
            given[name] = _start_of(self.cleaned_data.get(name))
        given |= {name: self.cleaned_data.get(name) for name in ("policy", "least", "below")}
        return LogFilters(**given)


def _start_of(day: date | None) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)


class PreferencesForm(forms.Form):
    """How a reviewer wants the console."""

    theme = forms.ChoiceField(choices=Theme.choices, widget=forms.RadioSelect)
    shows_sensitive = forms.BooleanField(required=False)
    away = forms.BooleanField(required=False)


class SavedFilterForm(forms.Form):
    """A name for the filter of the desk that is shown."""

    title = forms.CharField(max_length=80, error_messages={"required": "Give the filter a name."})


class EndClaimForm(forms.Form):
    """Why a lead ends a claim."""

    reason = forms.ChoiceField(
        label="Because", choices=[("", "choose"), *LeadReason.choices], error_messages={"required": "Say why."}
    )


class MoveForm(EndClaimForm):
    """Where a lead puts a ticket, and why."""

    group = forms.ChoiceField(label="To", error_messages={"required": "Say to which group."})
    field_order = ("group", "reason")

    def __init__(self, *args: Any, groups: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "choose"), *((group, group) for group in groups)]
        self.fields["group"].choices = choices  # type: ignore[attr-defined]


class ClaimForm(forms.Form):
    """What every act on a held ticket carries."""

    claim_epoch = forms.IntegerField(min_value=0)
    note = forms.CharField(required=False, max_length=LONGEST_NOTE)


class QuestionForm(ClaimForm):
    """A question to upstream."""

    question = forms.CharField(max_length=LONGEST_NOTE, error_messages={"required": "Write what you need to know."})


class VerdictForm(ClaimForm):
    """A verdict as the bar sends it. Each reason is a button: `reject` rejects for it, `reason` overrides for it."""

    kind = forms.ChoiceField(choices=VerdictKind.choices, required=False)
    reject = forms.ChoiceField(choices=RejectReason.choices, required=False)
    reason = forms.ChoiceField(choices=RejectReason.choices, required=False)
    version = forms.IntegerField(min_value=0)
    shown_sha256 = forms.RegexField(r"^[0-9a-f]{64}$")
    request_key = forms.RegexField(r"^[0-9a-zA-Z-]{1,64}$")
    action = forms.CharField(required=False, max_length=80)
    material = forms.ChoiceField(choices=[("yes", "yes"), ("no", "no")], required=False)
    reasoning_rating = forms.TypedChoiceField(
        choices=[(value, value) for value in range(1, 6)], coerce=int, required=False, empty_value=None
    )
    confirmation = forms.CharField(required=False, max_length=200)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("reject"):
            data["kind"] = str(VerdictKind.REJECT)
        elif not data.get("kind"):
            raise forms.ValidationError("Say what you decide.")
        return data


# ---- A payload, field by field --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Entry:
    """One field of a payload that can be written into. `like` is a value whose JSON type it must keep."""

    field: Field
    like: object
    text: str
    absent: bool = False
    error: str = ""

    @property
    def id(self) -> str:
        return "field" + "".join(c if c.isalnum() else "-" for c in self.field.pointer)

    @property
    def many_lines(self) -> bool:
        return self.field.is_block or "\n" in self.text or len(self.text) > LONGEST_FACT

    @property
    def height(self) -> int:
        return min(24, max(2, self.text.count("\n") + 1 + len(self.text) // 90))

    def value(self) -> object:
        """The text as the JSON value that it stands for. Raises ValueError with a sentence."""
        if self.text == _normal(text_of(self.like)) and not self.absent:
            return self.like
        if isinstance(self.like, str) or self.like is None:
            return self.text
        try:
            value = parse_strict(self.text.encode())
        except InputError as error:
            raise ValueError(f"{_due(self.like)} is due here.") from error
        numbers = (int, float)
        if isinstance(self.like, numbers) and not isinstance(self.like, bool):
            fits = isinstance(value, numbers) and not isinstance(value, bool)
        else:
            fits = type(value) is type(self.like)
        if not fits:
            raise ValueError(f"{_due(self.like)} is due here.")
        return value


@dataclass
class PayloadForm:
    """The payload of an action, to be written into where that is open.

    `base` is what it starts from, `original` what the AI proposed; `given` what was sent, by the names of the fields.
    """

    spec: ActionSpec
    base: Mapping[str, Any]
    original: Mapping[str, Any]
    open_fields: tuple[str, ...]
    given: Mapping[str, str] | None = None
    begins_typing: bool = False
    errors_of_whole: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        shown = fields_of(self.base, layout=self.spec.layout, editable=self.open_fields)
        self.entries = [self._entry(each, each.value) for each in shown if each.editable]
        present = {each.pointer for each in shown}
        self.entries += [self._absent(pointer) for pointer in self.open_fields if pointer not in present]
        self.fixed = tuple(each for each in shown if not each.editable)

    @property
    def focused(self) -> Entry | None:
        """Where writing goes on: at what is wrong or missing. With everything filled in, a digit may follow at once."""
        first = self.entries[0] if self.entries and self.begins_typing else None
        return next((entry for entry in self.entries if entry.error or not entry.text), first)

    @property
    def action(self) -> str:
        return self.spec.key

    @property
    def payload(self) -> dict[str, Any]:
        return self.read()

    def read(self) -> dict[str, Any]:
        """The payload as it is written here. What can't be read keeps its old value and gets its error."""
        made: Any = dict(self.base)
        for entry in self.entries:
            if entry.absent and not entry.text:
                continue
            try:
                made = with_value(made, entry.field.pointer, entry.value())
            except ValueError as error:
                entry.error = str(error)
            except NoSuchField:
                entry.error = "There is no place for this in the payload."
        return dict(made)

    @property
    def is_valid(self) -> bool:
        self.read()
        return not self.errors_of_whole and not any(entry.error for entry in self.entries)

    @property
    def changes(self) -> tuple[Change, ...]:
        return changes_between(self.original, self.payload)

    def add_errors(self, errors: Iterable[tuple[str, str]]) -> None:
        """Put each error at the field that its JSON Pointer names (below /payload), or over all of them."""
        by_pointer = {f"/payload{entry.field.pointer}": entry for entry in self.entries}
        for pointer, detail in errors:
            entry = by_pointer.get(pointer)
            if entry is None:
                self.errors_of_whole.append(detail)
            else:
                entry.error = detail

    def _entry(self, each: Field, like: object) -> Entry:
        sent = None if self.given is None else self.given.get(each.name)
        return Entry(each, like, _normal(each.text if sent is None else sent))

    def _absent(self, pointer: str) -> Entry:
        like = _like(_schema_at(self.spec.payload_schema, pointer))
        layout = self.spec.layout.get(pointer, "text")
        label = fields_of({pointer.rpartition("/")[2]: ""}, layout={})[0].label
        each = Field(pointer, label, layout, "", editable=True)
        sent = "" if self.given is None else self.given.get(each.name, "")
        return Entry(each, like, _normal(sent), absent=True)


def edit_form(
    spec: ActionSpec, *, payload: Mapping[str, Any], original: Mapping[str, Any], given: Mapping[str, str] | None = None
) -> PayloadForm:
    """To edit the proposal in the fields that the workflow opens."""
    present = tuple(pointer for pointer in spec.editable if value_at(payload, pointer) is not None)
    return PayloadForm(spec, payload, original, present, given, begins_typing=given is None)


def override_form(
    spec: ActionSpec, *, payload: Mapping[str, Any], original: Mapping[str, Any], given: Mapping[str, str] | None = None
) -> PayloadForm:
    """To put another action in the proposal's place: its own fields, prefilled where they match."""
    properties = (spec.payload_schema or {}).get("properties")
    if not isinstance(properties, Mapping):
        return PayloadForm(spec, payload, original, spec.editable, given)
    prefilled = {name: payload[name] for name in properties if name in payload}
    return PayloadForm(spec, prefilled, original, tuple(pointer_to(str(name)) for name in properties), given)


def _schema_at(schema: Mapping[str, Any] | None, pointer: str) -> Mapping[str, Any]:
    name = pointer[1:].replace("~1", "/").replace("~0", "~")
    found = (schema or {}).get("properties", {}).get(name, {})
    return found if isinstance(found, Mapping) else {}


def _like(schema: Mapping[str, Any]) -> object:
    """A value of the type that the schema asks for; text where it doesn't say."""
    kinds: dict[str, object] = {"number": 0, "integer": 0, "boolean": False, "object": {}, "array": []}
    return kinds.get(str(schema.get("type")), "")


def _due(like: object) -> str:
    if isinstance(like, bool):
        return "true or false"
    return "A number" if isinstance(like, int | float) else f"JSON, such as {json.dumps(like)[:40]},"


def _normal(text: str) -> str:
    """Line ends as everything but browsers writes them."""
    return text.replace("\r\n", "\n")
