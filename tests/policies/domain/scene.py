"""The usual refund, the row that lets it run alone, and the moment: what most tests of judging start from."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from policies.domain.evaluate import evaluate
from policies.domain.spec import ActionSpec, Assessment, Facts, Policy, Proposal, RuleSpec, ThresholdSpec
from tests.policies.domain.generated import NOW

REFUND = ActionSpec(key="refund_fee", title="Refund a fee", what="", reversibility="reversible")
CLOSE = ActionSpec(key="close_account", title="Close the account", what="", reversibility="irreversible")
ROW = ThresholdSpec(
    action="refund_fee",
    autonomy="by_confidence",
    least_confidence=Decimal("0.850000"),
    largest_amount=Decimal("50.0000"),
    currency="EUR",
    audit_rate=Decimal("0.0200"),
    basis_reason="Watched for a year.",
)
ANY = replace(ROW, action="")
PROPOSAL = Proposal(
    workflow="support",
    action="refund_fee",
    payload={"message": "Do you charge?", "amount": "12.00", "currency": "EUR"},
    subject={"type": "customer", "id": "c-77"},
    confidence=Decimal("0.853044"),
    model_name="support-router",
    model_version="1.0",
)
FACTS = Facts(now=NOW, evidence_assessed_at=NOW - timedelta(minutes=3), requester_matched=True)


def policy(
    *rows: ThresholdSpec, rules: tuple[RuleSpec, ...] = (), actions: tuple[ActionSpec, ...] = (REFUND, CLOSE)
) -> Policy:
    """Version 7 of `support`, with the usual row unless others are given."""
    return Policy("support", 7, "sha256:7", {action.key: action for action in actions}, rows or (ROW,), rules)


def judge(
    *rows: ThresholdSpec,
    rules: tuple[RuleSpec, ...] = (),
    facts: Mapping[str, Any] | None = None,
    draw: str = "0.5",
    **proposal: Any,
) -> Assessment:
    """The assessment of the usual refund by the usual row, but for what is said."""
    return evaluate(
        policy(*rows, rules=rules), replace(PROPOSAL, **proposal), replace(FACTS, **facts or {}), draw=Decimal(draw)
    )


def row(**changes: Any) -> ThresholdSpec:
    return replace(ROW, **changes)


def named(action: str, name: str = "", version: str = "", least: str = "0.5") -> ThresholdSpec:
    return row(action=action, model_name=name, model_version=version, least_confidence=Decimal(least))


def rule(expression: str, **changes: Any) -> RuleSpec:
    return replace(RuleSpec(0, expression, "It mentions a lawyer."), **changes)


def codes(assessment: Assessment) -> list[str]:
    return [str(reason.code) for reason in assessment.reasons]


def payload(**changes: Any) -> dict[str, Any]:
    return {**PROPOSAL.payload, **changes}
