"""What the policy says of a proposal: pure, and monotone by construction.

It reads as "automatic only if": `_may_run_alone` is a conjunction of positive tests, and everything else in here only
explains. Whatever is missing, ambiguous, broken or unknown is a reason to ask a person; nothing that is added to a
policy (a row's limit, a rule, a stop) can turn a reason into none. No clock, no database, no randomness: what the
moment brings comes in `Facts`, and the draw from the decision's id, so that a replay gives the same answer.
"""

import hmac
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Context, Decimal
from typing import Final
from uuid import UUID

from policies.domain import reasons
from policies.domain.spec import (
    MAY_BE_AUTOMATED,
    ActionSpec,
    Assessment,
    BudgetClaim,
    Facts,
    Policy,
    Proposal,
    Reason,
    ThresholdSpec,
)
from policies.domain.stakes import (
    MOST_VERDICTS,
    BrokenPolicy,
    Stakes,
    amount_limit,
    count_limit,
    people,
    reasons_against,
    stakes_of,
)
from policies.domain.vocabulary import Autonomy, ReasonCode, Route

EVIDENCE_LIMIT: Final = timedelta(minutes=10)
"""How long ago the evidence may have been assessed for anything to run alone."""

_TWO_ACTS: Final = frozenset({ReasonCode.IRREVERSIBLE, ReasonCode.HIGH_VALUE, ReasonCode.UNKNOWN_ACTION})
# Looking a member up in its class costs as much as a comparison, and this is the hot path.
_AUTO: Final = Route.AUTO
_REVIEW: Final = Route.REVIEW
_BY_CONFIDENCE: Final = Autonomy.BY_CONFIDENCE
_ORDER: Final[Mapping[str, int]] = {code: place for place, code in enumerate(ReasonCode)}
_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


def evaluate(
    policy: Policy | None,
    proposal: Proposal,
    facts: Facts,
    *,
    draw: Decimal,
    evidence_limit: timedelta = EVIDENCE_LIMIT,
) -> Assessment:
    """Judge `proposal` by `policy` (None where none is in force) at the moment of `facts`.

    `draw` in [0, 1) is the decision's own (`audit_draw`): it is in the sample where that is below the row's audit rate.
    `evidence_limit` is how long ago the evidence may have been assessed. All reasons that apply are given, in the order
    of `ReasonCode`. Never raises: what goes wrong is `policy_error`.
    """
    try:
        return _judge(policy, proposal, facts, draw, evidence_limit)
    except Exception as error:  # noqa: BLE001 - whatever it is, a person decides
        return _failed(policy, error)


def assess_stakes(policy: Policy | None, proposal: Proposal) -> Assessment:
    """Judge what a person wants to run instead (an edit, an override), for its stakes alone.

    These are the limit, reversibility, rules and whether the action is known, with what they demand of people; not
    confidence, model, evidence and switches. The route is always `review`: it is a person who answers. Never raises.
    """
    try:
        stakes = stakes_of(policy, proposal)
        return _assessment(stakes, list(stakes.reasons), route=Route.REVIEW)
    except Exception as error:  # noqa: BLE001
        return _failed(policy, error)


def audit_draw(decision_id: UUID, key: bytes) -> Decimal:
    """A number in [0, 1) that nobody without `key` can foresee and that is the same for one decision for ever."""
    drawn = hmac.digest(key, decision_id.bytes, "sha256")[:8]
    return _EXACT.divide(Decimal(int.from_bytes(drawn)), _TWO_TO_64)


_EXACT: Final = Context(prec=64)
_TWO_TO_64: Final = Decimal(2**64)


# ---- The whole ------------------------------------------------------------------------------------------------------


def _judge(
    policy: Policy | None, proposal: Proposal, facts: Facts, draw: Decimal, evidence_limit: timedelta
) -> Assessment:
    if not isinstance(draw, Decimal) or not _ZERO <= draw < _ONE:
        raise BrokenPolicy(f"{draw} is no draw")
    stakes = stakes_of(policy, proposal)
    budgets, of_budgets = _budgets_of(proposal, facts, stakes)
    found = [
        *stakes.reasons,
        *_reasons_of_the_moment(policy, proposal, facts),
        *_reasons_of_the_row(policy, proposal, facts, stakes, evidence_limit),
        *of_budgets,
    ]
    alone = _may_run_alone(policy, proposal, facts, stakes, budgets, evidence_limit)
    if not alone and not found:
        found.append(reasons.policy_error("not all that lets it run alone is there."))
    automatic = alone and not found
    rate = _ZERO if stakes.row is None else stakes.row.audit_rate
    return _assessment(
        stakes,
        found,
        route=_AUTO if automatic else _REVIEW,
        requester_matched=facts.requester_matched is True,
        audit_rate=rate,
        flagged=draw < rate,
        budgets=budgets if automatic and budgets else (),
    )


def _may_run_alone(
    policy: Policy | None,
    proposal: Proposal,
    facts: Facts,
    stakes: Stakes,
    budgets: tuple[BudgetClaim, ...] | None,
    evidence_limit: timedelta,
) -> bool:
    """Everything that must hold. A figure that is missing, of another type or NaN passes none of these."""
    action, row, money, confidence = stakes.action, stakes.row, stakes.money, proposal.confidence
    return (
        policy is not None
        and facts.live_versions == 1
        and facts.paused == ""
        and stakes.registered
        and action.active is True
        and action.reversibility in MAY_BE_AUTOMATED
        and row is not None
        and row.autonomy == _BY_CONFIDENCE
        and _has_basis(row)
        and (row.basis_holds_until is None or facts.now < row.basis_holds_until)
        and facts.evidence_assessed_at is not None
        and abs(facts.now - facts.evidence_assessed_at) <= evidence_limit
        and isinstance(row.audit_rate, Decimal)
        and _ZERO < row.audit_rate <= _ONE
        and isinstance(row.least_confidence, Decimal)
        and isinstance(confidence, Decimal)
        and confidence.is_finite()
        and _ZERO < row.least_confidence <= confidence <= _ONE
        and (
            row.largest_amount is None
            or (
                money.value is not None
                and money.value <= amount_limit(row.largest_amount)
                and money.currency == row.currency != ""
            )
        )
        and budgets is not None
        and not facts.budget_spent
        and stakes.rules_are_silent
    )


def _assessment(
    stakes: Stakes,
    found: list[Reason],
    *,
    route: Route,
    requester_matched: bool = True,
    audit_rate: Decimal = _ZERO,
    flagged: bool = False,
    budgets: tuple[BudgetClaim, ...] = (),
) -> Assessment:
    row = stakes.row
    verdicts_needed, separation = stakes.verdicts_needed, False
    acts = 1 if stakes.registered else 2  # Nobody knows what it does.
    if row is not None:
        verdicts_needed = max(verdicts_needed, people(row.verdicts_needed))
        acts, separation = people(row.deliberate_acts), row.separation is not False
    if separation and not requester_matched:  # Whoever asked for it may be among the reviewers.
        verdicts_needed = max(verdicts_needed, 2)
    if len(found) > 1:
        found.sort(key=_place)
    return Assessment(
        route=route,
        reasons=tuple(found),
        threshold=row.least_confidence if row is not None and row.autonomy == _BY_CONFIDENCE else None,
        row=row,
        audit_rate=audit_rate,
        flagged=flagged,
        verdicts_needed=verdicts_needed,
        deliberate_acts=2 if found and any(reason.code in _TWO_ACTS for reason in found) else acts,
        separation=separation,
        group=stakes.group,
        amount=stakes.money.value,
        currency=stakes.money.currency,
        budgets=budgets,
    )


def _failed(policy: Policy | None, error: Exception) -> Assessment:
    """What is left when judging itself went wrong: a person, under the strictest that the policy asks of anybody."""
    try:
        rows, rules = (policy.thresholds, policy.rules) if policy is not None else ((), ())
        asked = [row.verdicts_needed for row in rows] + [rule.verdicts_needed for rule in rules]
        separation = any(row.separation is not False for row in rows)
        verdicts_needed = max(1 + separation, *(number for number in asked if type(number) is int), 1)
    except Exception:  # noqa: BLE001 - not even that can be read
        verdicts_needed, separation = MOST_VERDICTS, True
    return Assessment(
        route=Route.REVIEW,
        reasons=(reasons.policy_error(f"{error if isinstance(error, BrokenPolicy) else type(error).__name__}."),),
        threshold=None,
        row=None,
        audit_rate=_ZERO,
        flagged=False,
        verdicts_needed=min(MOST_VERDICTS, verdicts_needed),
        deliberate_acts=2,
        separation=separation,
        group="",
        amount=None,
        currency="",
        budgets=(),
    )


def _place(reason: Reason) -> int:
    return _ORDER[reason.code]


# ---- The moment -----------------------------------------------------------------------------------------------------


def _reasons_of_the_moment(policy: Policy | None, proposal: Proposal, facts: Facts) -> Iterator[Reason]:
    if policy is None or facts.live_versions != 1:
        yield reasons.no_policy(proposal, live_versions=0 if policy is None else facts.live_versions)
    if facts.paused != "":
        yield reasons.paused(proposal, what=facts.paused)


# ---- The row: what the AI has earned --------------------------------------------------------------------------------


def _reasons_of_the_row(
    policy: Policy | None, proposal: Proposal, facts: Facts, stakes: Stakes, evidence_limit: timedelta
) -> Iterator[Reason]:
    row, action = stakes.row, stakes.action
    if policy is None:
        return
    if row is None:
        if policy.names_other_models(proposal.action):
            yield reasons.unproven_model(action, proposal=proposal)
        else:
            yield reasons.always_review(action, row=None)
    elif row.autonomy == _BY_CONFIDENCE:
        yield from _reasons_of_the_confidence(proposal, action, row)
        yield from _reasons_of_the_evidence(facts, action, row, evidence_limit)
    elif row.autonomy == Autonomy.WITHDRAWN:
        yield reasons.autonomy_withdrawn(action)
    else:
        yield reasons.always_review(action, row=row)


def _reasons_of_the_confidence(proposal: Proposal, action: ActionSpec, row: ThresholdSpec) -> Iterator[Reason]:
    least, confidence = row.least_confidence, proposal.confidence
    if not isinstance(least, Decimal) or not _ZERO < least <= _ONE:
        yield reasons.policy_error(f"the row for {action.key} has no least confidence above 0 and up to 1.")
    elif not isinstance(confidence, Decimal) or not confidence.is_finite() or not _ZERO <= confidence <= _ONE:
        yield reasons.missing_confidence(action, is_null=confidence is None, least=least)
    elif not confidence >= least:
        yield reasons.low_confidence(action, confidence=confidence, least=least)
    if not isinstance(row.audit_rate, Decimal) or not _ZERO < row.audit_rate <= _ONE:
        yield reasons.policy_error(f"the row for {action.key} has no audit rate above 0 and up to 1.")


def _reasons_of_the_evidence(
    facts: Facts, action: ActionSpec, row: ThresholdSpec, evidence_limit: timedelta
) -> Iterator[Reason]:
    if not _has_basis(row):
        yield reasons.evidence_expired(action, held_until=None)
    elif row.basis_holds_until is not None and not facts.now < row.basis_holds_until:
        yield reasons.evidence_expired(action, held_until=row.basis_holds_until)
    assessed_at = facts.evidence_assessed_at
    # Clocks differ a little, so an assessment may come from the near future; one from the far future proves nothing.
    if assessed_at is None or not abs(facts.now - assessed_at) <= evidence_limit:
        age = None if assessed_at is None else facts.now - assessed_at
        yield reasons.unmonitored(action, age=age, limit=evidence_limit)


def _has_basis(row: ThresholdSpec) -> bool:
    return bool(row.certificate_id.strip() or row.basis_reason.strip())


# ---- Budgets: what may run alone in a day ---------------------------------------------------------------------------


def _budgets_of(
    proposal: Proposal, facts: Facts, stakes: Stakes
) -> tuple[tuple[BudgetClaim, ...] | None, list[Reason]]:
    """What running alone takes from the day's budgets, None where that can't be taken; and the reasons against it."""
    row, action = stakes.row, stakes.action
    claims: list[BudgetClaim] = []
    found = [reasons.budget_spent(action, name=name, row=row) for name in facts.budget_spent]
    limits = list(_budgets_in(row)) if row is not None and row.autonomy == _BY_CONFIDENCE else []
    for name, limit_count, limit_amount in limits:
        amount, currency, subject = _ZERO, "", ""
        if row is not None and limit_amount is not None:
            if against := list(reasons_against(action, stakes.money, row=row, largest=None)):
                found += [reason for reason in against if reason not in (*stakes.reasons, *found)]
                continue
            amount, currency = stakes.money.value or _ZERO, stakes.money.currency
        if name == "subject" and not (subject := _subject_of(proposal)):
            found.append(reasons.no_subject(action))
        elif (limit_count is None or count_limit(limit_count) >= 1) and (
            limit_amount is None or amount <= amount_limit(limit_amount)
        ):
            claims.append(
                BudgetClaim(
                    action=proposal.action,
                    subject=subject,
                    currency=currency,
                    count=1,
                    amount=amount,
                    limit_count=limit_count,
                    limit_amount=limit_amount,
                )
            )
        elif name in facts.budget_spent:
            continue
        elif limit_amount is None or amount <= limit_amount:
            found.append(reasons.no_budget(action, name=name))
        else:
            found.append(reasons.above_budget(action, name=name, amount=amount, most=limit_amount, currency=currency))
    return tuple(claims) if len(claims) == len(limits) else None, found


def _budgets_in(row: ThresholdSpec) -> Iterator[tuple[str, int | None, Decimal | None]]:
    if row.daily_count is not None or row.daily_amount is not None:
        yield "day", row.daily_count, row.daily_amount
    if row.subject_daily_count is not None or row.subject_daily_amount is not None:
        yield "subject", row.subject_daily_count, row.subject_daily_amount


def _subject_of(proposal: Proposal) -> str:
    """The key that a subject's budget is kept under; "" where the decision doesn't say whom it is about."""
    kind, key = proposal.subject.get("type"), proposal.subject.get("id")
    return f"{kind or ''}:{key}" if key and isinstance(key, str) else ""
