"""What is at stake in a proposal, whoever makes it and however sure they are: the action, its amount, the rules."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from policies.domain import reasons
from policies.domain.expressions import ExpressionError, Scope, compile_rule
from policies.domain.pointers import value_at
from policies.domain.spec import (
    MAY_BE_AUTOMATED,
    ActionSpec,
    Policy,
    Proposal,
    Reason,
    RuleSpec,
    ThresholdSpec,
)

MOST_VERDICTS: Final = 3
"""The most people, and acts, that a policy can ask for."""


class BrokenPolicy(ValueError):
    """A figure of the policy can't be one: nothing is judged by it."""


@dataclass(frozen=True, slots=True)
class Money:
    """What a payload says of an amount. `value` is None where there is none to be used, and `found` says what is."""

    value: Decimal | None
    found: str
    currency: str


@dataclass(slots=True)
class Stakes:
    """What is at stake, and what that demands. `action` is a stand-in where none of that key is `registered`."""

    action: ActionSpec
    registered: bool
    row: ThresholdSpec | None
    money: Money
    reasons: tuple[Reason, ...]
    rules_are_silent: bool
    verdicts_needed: int
    group: str


def stakes_of(policy: Policy | None, proposal: Proposal) -> Stakes:
    """The row that governs `proposal` and the reasons that lie in what it would do.

    A rule that can't be judged counts as fired, with the verdicts and the group that it asks for. Raises BrokenPolicy.
    """
    registered = None if policy is None else policy.actions.get(proposal.action)
    action = registered or ActionSpec(key=proposal.action, title="", what="", reversibility="")
    money = _money_in(proposal.payload, action)
    if policy is None:
        return Stakes(action, False, None, money, (), True, 1, "")
    row = policy.row_for(action=proposal.action, model_name=proposal.model_name, model_version=proposal.model_version)
    found: list[Reason] = []
    if registered is None or action.active is not True:
        found.append(reasons.unknown_action(action, workflow=proposal.workflow, registered=registered is not None))
    if registered is not None and action.reversibility not in MAY_BE_AUTOMATED:
        found.append(reasons.irreversible(action))
    if row is not None and row.largest_amount is not None:
        found += reasons_against(action, money, row=row, largest=row.largest_amount)
    fired: tuple[RuleSpec, ...] = ()
    if policy.rules:
        of_rules, fired = _reasons_of_the_rules(policy, proposal, money)
        found += of_rules
    return Stakes(
        action=action,
        registered=registered is not None,
        row=row,
        money=money,
        reasons=tuple(found),
        rules_are_silent=not fired,
        verdicts_needed=max(people(rule.verdicts_needed) for rule in fired) if fired else 1,
        group=next((rule.group for rule in fired if rule.group), "") if fired else "",
    )


def reasons_against(
    action: ActionSpec, money: Money, *, row: ThresholdSpec, largest: Decimal | None
) -> Iterator[Reason]:
    """Why this much may not run alone where the row limits amounts, to `largest` or (None) to a day's budget."""
    if money.value is None:
        yield reasons.missing_amount(action, row=row, found=money.found)
    elif not money.currency or money.currency != row.currency:
        yield reasons.currency_mismatch(action, row=row, currency=money.currency)
    elif largest is not None and not money.value <= amount_limit(largest):
        yield reasons.high_value(action, amount=money.value, largest=largest, currency=money.currency)


def people(number: Any) -> int:
    """How many people, or acts, the policy asks for. Raises BrokenPolicy unless that is a number from 1 to 3."""
    if type(number) is not int or not 1 <= number <= MOST_VERDICTS:
        raise BrokenPolicy(f"{number!r} is no number of verdicts or acts")
    return number


def amount_limit(value: Any) -> Decimal:
    """A limit on amounts. Raises BrokenPolicy unless it is a finite number of the right type."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise BrokenPolicy(f"{value!r} is no limit of an amount")
    return value


def count_limit(value: Any) -> int:
    """A limit on how often. Raises BrokenPolicy unless it is a whole number."""
    if type(value) is not int:
        raise BrokenPolicy(f"{value!r} is no limit of a count")
    return value


def _reasons_of_the_rules(
    policy: Policy, proposal: Proposal, money: Money
) -> tuple[list[Reason], tuple[RuleSpec, ...]]:
    scope = Scope(proposal, amount=money.value, currency=money.currency)
    found, fired = [], []
    for rule in policy.rules:
        try:
            if compile_rule(rule.expression).fires(scope) is False:
                continue
            found.append(reasons.rule_fired(rule))
        except ExpressionError as error:
            found.append(reasons.rule_error(rule, problem=error.message))
        fired.append(rule)
    return found, tuple(fired)


# ---- The amount -----------------------------------------------------------------------------------------------------

# Digits in ASCII, as every program reads them: no sign, no exponent, no leading zero, no blank.
_PLAIN_AMOUNT: Final = re.compile(r"(?:0|[1-9][0-9]{0,27})(?:\.[0-9]{1,12})?")
_LONGEST_CURRENCY: Final = 16


def _money_in(payload: Mapping[str, Any], action: ActionSpec) -> Money:
    """What the payload says, since the payload is what runs. A pointer of "" means that the action has none."""
    value = value_at(payload, action.amount_pointer) if action.amount_pointer else None
    currency = value_at(payload, action.currency_pointer) if action.currency_pointer else None
    if not isinstance(currency, str) or len(currency) > _LONGEST_CURRENCY:
        currency = ""
    if value is None:
        return Money(None, "no amount", currency)
    amount = _amount_of(value)
    if amount is None or not amount.is_finite():
        return Money(None, "no plain number", currency)
    if amount.is_signed():
        return Money(None, "a negative amount", currency)
    return Money(amount, "", currency)


def _amount_of(value: object) -> Decimal | None:
    if isinstance(value, str):
        return Decimal(value) if _PLAIN_AMOUNT.fullmatch(value.removeprefix("-")) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return Decimal(repr(value))
    return Decimal(value) if isinstance(value, int | Decimal) else None
