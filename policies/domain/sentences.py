"""A row of the policy in words: what it lets run alone."""

from collections.abc import Iterator

from policies.domain.figures import budget_of, moment, round_money
from policies.domain.spec import MAY_BE_AUTOMATED, ActionSpec, ThresholdSpec, plain_decimal
from policies.domain.vocabulary import Autonomy


def describe(row: ThresholdSpec, action: ActionSpec | None) -> str:
    """What `row` lets its action do, in one sentence that leaves nothing of the row out.

    `action` is the row's own, as the policy pins it; None for the default row, and where nobody registered it.
    """
    barred = _barred(row, action)
    runs_alone = row.autonomy == Autonomy.BY_CONFIDENCE and not barred
    clauses = [_alone(row) if runs_alone else f"always goes to a person{barred}"]
    unsafe = action is not None and (not action.active or action.reversibility not in MAY_BE_AUTOMATED)
    two_acts = row.deliberate_acts > 1 or unsafe or (row.action != "" and action is None)
    clauses += _what_follows(row, runs_alone=runs_alone, two_acts=two_acts)
    return f"{_whose(row)} {'; '.join(clauses)}"


def _whose(row: ThresholdSpec) -> str:
    if row.model_name:
        model = f" by {row.model_name} {row.model_version or 'of any version'}"
    else:
        model = ""
    if row.action:
        return f"{row.action}{model}"
    undone = " that can be undone" if row.autonomy == Autonomy.BY_CONFIDENCE else ""
    return f"Every action without a row of its own{undone}{model and f', if proposed{model},'}"


def _barred(row: ThresholdSpec, action: ActionSpec | None) -> str:
    """Why nothing that this row governs runs alone whatever its autonomy, after a colon; "" where something may."""
    if row.action and action is None:
        return ": the action is not registered"
    if action is not None and not action.active:
        return ": the action is switched off"
    if action is not None and action.reversibility not in MAY_BE_AUTOMATED:
        return ": it can't be undone"
    if row.autonomy == Autonomy.WITHDRAWN:
        return ": the evidence for letting it run alone failed"
    if row.autonomy != Autonomy.BY_CONFIDENCE:
        return ""
    if row.least_confidence is None or not 0 < row.least_confidence <= 1 or not 0 < row.audit_rate <= 1:
        return ": the row is not complete"
    if row.daily_count == 0 or row.subject_daily_count == 0:
        return ": its daily budget is 0"
    if not row.certificate_id.strip() and not row.basis_reason.strip():
        return ": nothing is given for letting it run alone"
    return ""


def _alone(row: ThresholdSpec) -> str:
    least = plain_decimal(row.least_confidence) if row.least_confidence is not None else "no confidence"
    limits = [f"runs alone at {least} and above"]
    if row.largest_amount is not None:
        limits.append(f"up to {round_money(row.largest_amount, row.currency)}")
    for name, whose in (("day", ""), ("subject", " for one subject")):
        if most := budget_of(row, name):
            limits.append(f"at most {most} a day{whose}")
    return ", ".join(limits)


def _what_follows(row: ThresholdSpec, *, runs_alone: bool, two_acts: bool) -> Iterator[str]:
    share = "all" if row.audit_rate == 1 else f"{plain_decimal(row.audit_rate * 100)} %"
    if runs_alone:
        yield f"{share} of those are checked afterwards"
    elif row.audit_rate:
        yield f"{share} of them are drawn for the figures"
    if not runs_alone and row.largest_amount is not None:
        yield f"above {round_money(row.largest_amount, row.currency)} it counts as high value"
    if row.verdicts_needed > 1:
        yield f"{'otherwise ' if runs_alone else ''}{row.verdicts_needed} people must agree"
    if two_acts:
        yield "approving takes two deliberate acts"
    if row.separation:
        yield "two people must agree where nobody knows who asked for it"
    if runs_alone and row.basis_holds_until is not None:
        yield f"from {moment(row.basis_holds_until)} on it always goes to a person"
