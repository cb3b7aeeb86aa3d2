"""Why a person is asked, in words: each reason with its figures and a question."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from policies.domain.figures import budget_of, confidence_figure, moment, money, round_money, span_of
from policies.domain.spec import ActionSpec, Proposal, Reason, RuleSpec, ThresholdSpec, plain_decimal
from policies.domain.vocabulary import ReasonCode, Reversibility

# ---- Confidence -----------------------------------------------------------------------------------------------------


def low_confidence(action: ActionSpec, *, confidence: Decimal, least: Decimal) -> Reason:
    return Reason(
        code=ReasonCode.LOW_CONFIDENCE,
        message=f"Confidence {confidence_figure(confidence, least=least)} is below {plain_decimal(least)}, "
        f"the least for {action.key}.",
        field="confidence",
        operator=">=",
        limit=plain_decimal(least),
        observed=plain_decimal(confidence),
        ask=_ask(action, f"Is {_called(action)} right here, or does something else fit better?"),
    )


def missing_confidence(action: ActionSpec, *, is_null: bool, least: Decimal) -> Reason:
    found = "gave no confidence" if is_null else "gave a confidence that is no number from 0 to 1"
    return Reason(
        code=ReasonCode.MISSING_CONFIDENCE,
        message=f"The AI {found}; {action.key} needs {plain_decimal(least)}.",
        field="confidence",
        operator=">=",
        limit=plain_decimal(least),
        ask=_ask(action, f"Is {_called(action)} right here, or does something else fit better?"),
    )


# ---- Stakes ---------------------------------------------------------------------------------------------------------


def high_value(action: ActionSpec, *, amount: Decimal, largest: Decimal, currency: str) -> Reason:
    message = f"{money(amount, currency)} is above {money(largest, currency)}, the most that runs alone."
    return _too_much(ReasonCode.HIGH_VALUE, message, action, amount=amount, most=largest, currency=currency)


def _too_much(
    code: ReasonCode, message: str, action: ActionSpec, *, amount: Decimal, most: Decimal, currency: str
) -> Reason:
    return Reason(
        code=code,
        message=message,
        field=_in_payload(action.amount_pointer),
        operator="<=",
        limit=money(most),
        observed=money(amount),
        ask=_ask(action, f"Is {money(amount, currency)} the right amount, and should it be that much?"),
    )


def missing_amount(action: ActionSpec, *, row: ThresholdSpec, found: str) -> Reason:
    """`found` says what stands in the amount's place: "no amount", "a negative amount" or "no plain number"."""
    return Reason(
        code=ReasonCode.MISSING_AMOUNT,
        message=f"{action.key} runs alone only within a limit in {row.currency or 'some currency'}, "
        f"and its payload gives {found} at {action.amount_pointer or 'any place'}.",
        field=_in_payload(action.amount_pointer),
        operator="<=",
        limit="" if row.largest_amount is None else money(row.largest_amount),
        ask="How much is it about, and may that much run?",
    )


def currency_mismatch(action: ActionSpec, *, currency: str, row: ThresholdSpec) -> Reason:
    found = f"The amount is in {currency}" if currency else "The payload names no currency"
    return Reason(
        code=ReasonCode.CURRENCY_MISMATCH,
        message=f"{found}; the limit of {action.key} is in {row.currency or 'no currency'}.",
        field=_in_payload(action.currency_pointer),
        operator="==",
        limit=row.currency,
        observed=currency,
        ask="What is the amount worth in the limit's currency, and may that much run?",
    )


def irreversible(action: ActionSpec) -> Reason:
    return Reason(
        code=ReasonCode.IRREVERSIBLE,
        message=f"{action.key} can't be undone once it has run."
        if action.reversibility == Reversibility.IRREVERSIBLE
        else f"Nobody has said whether {action.key} can be undone, so it counts as irreversible.",
        field="action",
        observed=action.key,
        ask=_ask(action, "Are you sure of every detail? This can't be taken back."),
    )


def unknown_action(action: ActionSpec, *, workflow: str, registered: bool) -> Reason:
    return Reason(
        code=ReasonCode.UNKNOWN_ACTION,
        message=f"{action.key} is switched off in {workflow}."
        if registered
        else f"{action.key} is not a registered action of {workflow}.",
        field="action",
        observed=action.key,
        ask="What would it do, and which registered action fits, if any?",
    )


def rule_fired(rule: RuleSpec) -> Reason:
    return Reason(
        code=ReasonCode.RULE,
        message=rule.sentence or "A rule of the policy asks for a person.",
        field=_rule(rule),
        ask=rule.ask or "Does what the rule found stand in the way?",
    )


def rule_error(rule: RuleSpec, *, problem: str) -> Reason:
    return Reason(
        code=ReasonCode.RULE_ERROR,
        message=f"The rule “{rule.sentence}” could not be judged: {problem}",
        field=_rule(rule),
        ask=rule.ask or "Does this case fall under the rule?",
    )


# ---- The row and what it stands on ----------------------------------------------------------------------------------


def always_review(action: ActionSpec, *, row: ThresholdSpec | None) -> Reason:
    return Reason(
        code=ReasonCode.ALWAYS_REVIEW,
        message=f"The policy has no row for {action.key}, so a person decides."
        if row is None
        else f"The policy never lets {action.key} run alone.",
        field="action",
        observed=action.key,
        ask=_ask(action, f"Is {_called(action)} right here?"),
    )


def unproven_model(action: ActionSpec, *, proposal: Proposal) -> Reason:
    return Reason(
        code=ReasonCode.UNPROVEN_MODEL,
        message=f"{_model(proposal)} has not earned to run {action.key} alone; the policy names other models.",
        field="model",
        observed=_model(proposal),
        ask=_ask(action, f"Is {_called(action)} right here? This model is new to it."),
    )


def autonomy_withdrawn(action: ActionSpec) -> Reason:
    return Reason(
        code=ReasonCode.AUTONOMY_WITHDRAWN,
        message=f"{action.key} no longer runs alone: the evidence for it failed.",
        field="action",
        observed=action.key,
        ask=_ask(action, f"Is {_called(action)} right here? The AI has lately been wrong too often."),
    )


def evidence_expired(action: ActionSpec, *, held_until: datetime | None) -> Reason:
    return Reason(
        code=ReasonCode.EVIDENCE_EXPIRED,
        message=f"Nothing is given for letting {action.key} run alone: no certificate and no reason."
        if held_until is None
        else f"What let {action.key} run alone held until {moment(held_until)}.",
        field="policy",
        operator="<",
        limit="" if held_until is None else moment(held_until),
        ask=_ask(action, f"Is {_called(action)} right here?"),
    )


def unmonitored(action: ActionSpec, *, age: timedelta | None, limit: timedelta) -> Reason:
    if age is None:
        message = "Nobody has yet assessed whether the evidence still holds."
    elif age < timedelta(0):
        message = "The last assessment of the evidence is dated in the future."
    else:
        message = f"Whether the evidence still holds was assessed {span_of(age)} ago; {span_of(limit)} is the limit."
    return Reason(
        code=ReasonCode.UNMONITORED,
        message=message,
        field="evidence",
        operator="<=",
        limit=span_of(limit),
        observed="" if age is None else span_of(age),
        ask=_ask(action, f"Is {_called(action)} right here?"),
    )


def budget_spent(action: ActionSpec, *, name: str, row: ThresholdSpec | None) -> Reason:
    """`name` is that of the budget: "day", or "subject" for the one that each subject has."""
    most = "" if row is None else budget_of(row, name)
    whose = f"{action.key}{' for this subject' if name == 'subject' else ''}"
    return Reason(
        code=ReasonCode.BUDGET_SPENT,
        message=f"Today's budget of {whose} leaves no room for it"
        + (f": at most {most} a day run alone." if most else "."),
        field="subject" if name == "subject" else "action",
        operator="<=",
        limit=most,
        ask=_ask(action, f"Is {_called(action)} right here, after so many before it?"),
    )


def no_budget(action: ActionSpec, *, name: str) -> Reason:
    return Reason(
        code=ReasonCode.BUDGET_SPENT,
        message=f"The daily budget of {action.key}{' for one subject' if name == 'subject' else ''} is 0 decisions.",
        field="subject" if name == "subject" else "action",
        operator="<=",
        limit="0 decisions",
        ask=_ask(action, f"Is {_called(action)} right here?"),
    )


def above_budget(action: ActionSpec, *, name: str, amount: Decimal, most: Decimal, currency: str) -> Reason:
    """The amount alone is more than the budget of a whole day, whatever was spent of it."""
    whose = f"{action.key}{' and one subject' if name == 'subject' else ''}"
    message = f"{money(amount, currency)} is above the daily budget of {round_money(most, currency)} for {whose}."
    return _too_much(ReasonCode.BUDGET_SPENT, message, action, amount=amount, most=most, currency=currency)


def no_subject(action: ActionSpec) -> Reason:
    return Reason(
        code=ReasonCode.BUDGET_SPENT,
        message=f"{action.key} has a daily budget for each subject, and the decision names no subject.",
        field="subject",
        ask="Whom is it about, and how much of this did they get today?",
    )


# ---- The moment -----------------------------------------------------------------------------------------------------


def no_policy(proposal: Proposal, *, live_versions: int) -> Reason:
    return Reason(
        code=ReasonCode.NO_POLICY,
        message=f"{live_versions} policies are live for {proposal.workflow}; one may be."
        if live_versions > 1
        else f"No policy is in force for {proposal.workflow}.",
        field="policy",
        operator="==",
        limit="1",
        observed=str(live_versions),
        ask="Should this run? No policy says so.",
    )


_PAUSED: Final = {
    "everything": "Everything is paused.",
    "restored": "The console was restored from a backup, or its log was changed, and that is not cleared up yet.",
}


def paused(proposal: Proposal, *, what: str) -> Reason:
    return Reason(
        code=ReasonCode.PAUSED,
        message=_PAUSED.get(what) or f"{proposal.workflow} is paused.",
        field="switch",
        operator="==",
        observed=what,
        ask=f"Is {proposal.action} right here? While this is paused nothing runs alone.",
    )


def policy_error(detail: str) -> Reason:
    return Reason(
        code=ReasonCode.POLICY_ERROR,
        message=f"The policy could not be applied: {detail}",
        field="policy",
        ask="Should this run? The policy could not say.",
    )


# ---- A reason on a page ---------------------------------------------------------------------------------------------

# These speak in an admin's words, or in the machine's: no key of ours is sought in them.
_IN_OTHERS_WORDS: Final = frozenset({ReasonCode.RULE, ReasonCode.RULE_ERROR, ReasonCode.POLICY_ERROR})


def for_people(reason: Reason, *, action: str, title: str) -> str:
    """The reason's sentence as a page says it: with the action's title where the API's message has its key."""
    if not title or reason.code in _IN_OTHERS_WORDS:
        return reason.message
    return re.sub(rf"(?<![\w.-]){re.escape(action)}(?![\w-])", lambda _: f"“{title}”", reason.message)


# ---- Words of several reasons ---------------------------------------------------------------------------------------


def _ask(action: ActionSpec, otherwise: str) -> str:
    return action.ask or otherwise


def _called(action: ActionSpec) -> str:
    return f"“{action.title}”" if action.title else action.key


def _model(proposal: Proposal) -> str:
    return f"{proposal.model_name} {proposal.model_version}".strip() or "A model without a name"


def _in_payload(pointer: str) -> str:
    return f"payload{pointer}"


def _rule(rule: RuleSpec) -> str:
    return f"rule {rule.position + 1}"
