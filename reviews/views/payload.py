"""A payload arranged for the renderer of its workflow: what stands where, and nothing left out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from policies.domain.pointers import value_at
from policies.domain.spec import ActionSpec
from policies.domain.vocabulary import Layout, WorkflowKind
from reviews.domain.fields import Field, fields_of

# By these names a message's envelope and a moderated item's rule are known among the fields.
ENVELOPE = frozenset({"from", "to", "cc", "bcc", "reply_to", "subject", "date"})
RULE = frozenset({"rule", "rule_text", "policy"})


@dataclass(frozen=True, slots=True)
class Payload:
    """The fields of a payload by their place in the renderer of its workflow."""

    blocks: tuple[Field, ...]
    facts: tuple[Field, ...]
    envelope: tuple[Field, ...] = ()
    rule: tuple[Field, ...] = ()
    amount: Decimal | None = None
    currency: str = ""
    sensitive: bool = False
    amount_differs: bool = False

    @property
    def one_block(self) -> bool:
        return len(self.blocks) == 1


def arranged(
    payload: Mapping[str, Any],
    *,
    kind: str,
    action: ActionSpec | None,
    sensitive: bool,
    differing: Collection[str] = (),
) -> Payload:
    """Every field of `payload` at its place; a transaction's amount and currency stand on top instead.

    Those in which the places of `differing` (JSON Pointers) lie are marked.
    """
    amount, currency = amount_of(payload, action=action), _currency_of(payload, action=action)
    on_top: set[str] = set()
    if kind == WorkflowKind.TRANSACTION and action is not None and amount is not None:
        on_top = {action.amount_pointer, *([action.currency_pointer] if currency else [])}
    places: dict[str, list[Field]] = {"blocks": [], "facts": [], "envelope": [], "rule": []}
    for each in fields_of(payload, layout=action.layout if action else {}):
        if each.pointer not in on_top:
            differs = any(place == each.pointer or place.startswith(f"{each.pointer}/") for place in differing)
            places[_place_of(each, kind=kind)].append(replace(each, differs=differs))
    return Payload(
        **{place: tuple(fields) for place, fields in places.items()},
        amount=amount,
        currency=currency,
        sensitive=sensitive,
        amount_differs=not on_top.isdisjoint(differing),
    )


def amount_of(payload: Mapping[str, Any], *, action: ActionSpec | None) -> Decimal | None:
    """What the payload says, since that is what runs."""
    return as_number(value_at(payload, action.amount_pointer)) if action and action.amount_pointer else None


def as_number(value: object) -> Decimal | None:
    """A JSON value, or a decimal as text, as an exact number; None for anything else."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _currency_of(payload: Mapping[str, Any], *, action: ActionSpec | None) -> str:
    found = value_at(payload, action.currency_pointer) if action and action.currency_pointer else None
    return found if isinstance(found, str) else ""


def _place_of(each: Field, *, kind: str) -> str:
    name = each.pointer.rpartition("/")[2]
    if kind == WorkflowKind.COMMUNICATION and name in ENVELOPE and not each.is_block:
        return "envelope"
    if kind == WorkflowKind.MODERATION and name in RULE:
        return "rule"
    return "blocks" if each.is_block or each.layout == Layout.MARKDOWN else "facts"
