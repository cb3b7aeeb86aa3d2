"""What keeps a policy from being published: every problem at once, in words, each with its place."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema
from jsonschema.exceptions import SchemaError

from policies.domain import expressions
from policies.domain.pointers import pointer_to, pointer_tokens
from policies.domain.spec import ActionSpec, RuleSpec, ThresholdSpec
from policies.domain.vocabulary import Autonomy, Layout, VerdictKind


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at `pointer` of the policy's document; `position` counts characters of an expression from 0."""

    pointer: str
    detail: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class WithdrawnBasis:
    """What a row stood on when evidence withdrew its autonomy."""

    action: str
    model_name: str
    model_version: str
    certificate_id: str
    basis_reason: str


def is_spent(row: ThresholdSpec, withdrawn: Iterable[WithdrawnBasis]) -> bool:
    """Whether all that `row` stands on was withdrawn by evidence. That never serves again.

    A certificate is spent wherever it is named, a written reason in the row that it was written for.
    """
    certificates = {basis.certificate_id for basis in withdrawn}
    reasons = {
        _one_line(basis.basis_reason)
        for basis in withdrawn
        if (basis.action, basis.model_name, basis.model_version) == row.key
    }
    has_certificate = row.certificate_id != "" and row.certificate_id not in certificates
    has_reason = row.basis_reason.strip() != "" and _one_line(row.basis_reason) not in reasons
    return not has_certificate and not has_reason


def _one_line(text: str) -> str:
    return " ".join(text.split()).casefold()


def problems_of(
    *,
    actions: Collection[ActionSpec],
    thresholds: Collection[ThresholdSpec],
    rules: Collection[RuleSpec],
    groups: Collection[str],
    withdrawn: Collection[WithdrawnBasis],
) -> tuple[Problem, ...]:
    """Everything that is wrong with a policy of these parts; `groups` are those that exist."""
    found: list[Problem] = []
    for action in sorted(actions, key=lambda action: action.key):
        found += problems_of_action(action, pointer_to("actions", action.key))
    if not thresholds:
        found.append(Problem("/thresholds", "There is no row. A default row that lets nothing run alone is a start."))
    known = {action.key for action in actions}
    for at, row in enumerate(sorted(thresholds, key=lambda row: row.key)):
        found += problems_of_row(row, pointer_to("thresholds", str(at)), known, withdrawn)
    for at, rule in enumerate(sorted(rules, key=lambda rule: rule.position)):
        found += _problems_of_rule(rule, pointer_to("rules", str(at)), groups)
    return tuple(found)


def problems_of_action(action: ActionSpec, place: str = "") -> Iterable[Problem]:
    """What is wrong with an action; the last part of each pointer names the field."""
    layout = action.layout if isinstance(action.layout, Mapping) else {}
    if layout is not action.layout:
        yield Problem(
            f"{place}/layout", f"{action.key}: the layout is an object, from JSON Pointers to how they are shown."
        )
    pointers = {
        "amount_pointer": [action.amount_pointer],
        "currency_pointer": [action.currency_pointer],
        "editable": list(action.editable),
        "layout": list(layout),
    }
    for name, values in pointers.items():
        for value in values:
            try:
                pointer_tokens(value)
            except ValueError as error:
                yield Problem(f"{place}/{name}", f"{action.key}: {error}")
    for value in layout.values():
        if value not in Layout.values:
            yield Problem(f"{place}/layout", f"{action.key}: {value!r} is no layout; use {', '.join(Layout.values)}.")
    for verdict in action.allowed_verdicts:
        if verdict not in VerdictKind.values:
            yield Problem(f"{place}/allowed_verdicts", f"{action.key}: {verdict!r} is no kind of verdict.")
    if not action.allowed_verdicts:
        yield Problem(f"{place}/allowed_verdicts", f"{action.key}: no verdict is allowed, so nobody could answer.")
    for detail in schema_problems(action.payload_schema):
        yield Problem(f"{place}/payload_schema", f"{action.key}: {detail}")


def schema_problems(schema: Any) -> Iterable[str]:
    """What is wrong with a JSON Schema of a payload, in sentences; None is no schema."""
    if schema is None:
        return
    if not isinstance(schema, Mapping):
        yield "A JSON Schema is an object."
        return
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield f"This is no JSON Schema: at {pointer_to(*map(str, error.absolute_path)) or 'the top'}, {error.message}"
    if any(not target.startswith("#") for target in _references(schema)):
        yield "A JSON Schema may only refer to its own parts ($ref starting with #)."


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key in {"$ref", "$dynamicRef"} and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def problems_of_row(
    row: ThresholdSpec, place: str, known: Collection[str], withdrawn: Collection[WithdrawnBasis]
) -> Iterable[Problem]:
    """What is wrong with a row, by the keys of the `known` actions; each pointer ends in the name of the field."""
    name = row_name(row)
    if row.action and row.action not in known:
        yield Problem(f"{place}/action", f"{name}: the workflow has no action of this key.")
    if row.model_version and not row.model_name:
        yield Problem(f"{place}/model_name", f"{name}: a model's version needs the model's name.")
    amounts = (row.largest_amount, row.daily_amount, row.subject_daily_amount)
    if any(amount is not None for amount in amounts) and not row.currency:
        yield Problem(f"{place}/currency", f"{name}: an amount needs its currency, such as EUR.")
    if row.audit_rate > 1:
        yield Problem(f"{place}/audit_rate", f"{name}: the audit rate is a share between 0 and 1.")
    for field, most in (("verdicts_needed", 3), ("deliberate_acts", 2)):
        if not 1 <= getattr(row, field) <= most:
            yield Problem(f"{place}/{field}", f"{name}: {field.replace('_', ' ')} is 1 to {most}.")
    if row.autonomy != Autonomy.BY_CONFIDENCE:
        return
    if row.least_confidence is None or not 0 < row.least_confidence <= 1:
        yield Problem(f"{place}/least_confidence", f"{name}: to run alone it needs a confidence above 0 and up to 1.")
    if not row.audit_rate > 0:
        yield Problem(
            f"{place}/audit_rate", f"{name}: what runs alone is checked afterwards; the audit rate is above 0."
        )
    if not row.certificate_id and not row.basis_reason.strip():
        yield Problem(f"{place}/basis_reason", f"{name}: to run alone it needs a certificate or a written reason.")
    elif is_spent(row, withdrawn):
        yield Problem(
            f"{place}/basis_reason",
            f"{name}: evidence withdrew what this row stands on. It needs a new certificate or another written reason.",
        )


def _problems_of_rule(rule: RuleSpec, place: str, groups: Collection[str]) -> Iterable[Problem]:
    name = f"Rule {rule.position + 1}"
    if not rule.sentence.strip():
        yield Problem(f"{place}/sentence", f"{name}: the reviewer needs a sentence to read.")
    if not 1 <= rule.verdicts_needed <= 3:
        yield Problem(f"{place}/verdicts_needed", f"{name}: verdicts needed is 1 to 3.")
    if rule.group and rule.group not in groups:
        yield Problem(f"{place}/group", f"{name}: there is no group called {rule.group}.")
    try:
        expressions.compile_rule(rule.expression)
    except expressions.ExpressionError as error:
        where = "" if error.position is None else f" (at character {error.position + 1})"
        yield Problem(f"{place}/expression", f"{name}: {error.message}{where}", error.position)


def row_name(row: ThresholdSpec) -> str:
    """What a row is called in a sentence: its action and model."""
    model = f"{row.model_name} {row.model_version}".strip()
    return f"{row.action or 'Every other action'}{f' by {model}' if model else ''}"
