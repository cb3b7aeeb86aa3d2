"""What is broken, missing, hostile or of another type: more than five hundred faults, and none runs alone."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from policies.domain.evaluate import evaluate
from policies.domain.spec import Policy
from policies.domain.vocabulary import ReasonCode, Route
from tests.policies.domain.generated import NOW
from tests.policies.domain.scene import FACTS, PROPOSAL, REFUND, codes, payload, policy, row, rule

NAN, SNAN, INF = Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")


class Hostile:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")


WRONG = (None, "", "x", True, False, 1.5, math.nan, [], {}, object(), Hostile())
NO_LIMIT = ("", "50", True, False, 1.5, 50, math.nan, math.inf, [], {}, object(), Hostile(), NAN, SNAN, INF, -INF)
PROOF_ROW = row(
    daily_count=5, daily_amount=Decimal(500), subject_daily_count=5, subject_daily_amount=Decimal(50),
    basis_holds_until=NOW + timedelta(days=1),
)  # fmt: skip
FAULTS_OF_ROWS = {
    "action": (None, "x", True, 1.5, object(), "close_account"),
    "model_name": ("other", "x", 1, True),
    "model_version": ("1.1", "x", 1, True),
    "autonomy": (*WRONG, "never", "withdrawn", "always", "BY_CONFIDENCE", "by_confidence ", 1),
    "least_confidence": (*NO_LIMIT, None, 0, 1, Decimal(0), Decimal("-0.5"), Decimal("1.000001"), Decimal("0.853045")),
    "largest_amount": (*NO_LIMIT, Decimal("11.99"), Decimal(-1), Decimal(0)),
    "currency": (*WRONG, "USD", "eur", "EUR "),
    "verdicts_needed": (*WRONG, 0, -1, 4, 1.0, Decimal(1), "1"),
    "audit_rate": (*NO_LIMIT, None, 0, 1, Decimal(0), Decimal("-0.02"), Decimal("1.0001")),
    "deliberate_acts": (*WRONG, 0, -1, 4, 1.0, Decimal(1), "1"),
    "daily_count": ("", "5", True, False, 5.0, math.nan, [], {}, object(), Hostile(), 0, -1, NAN, Decimal(5)),
    "daily_amount": (*NO_LIMIT, Decimal("11.99"), Decimal(-1), Decimal(0)),
    "subject_daily_count": ("", "5", True, False, 5.0, math.nan, [], {}, object(), Hostile(), 0, -1, NAN, Decimal(5)),
    "subject_daily_amount": (*NO_LIMIT, Decimal("11.99"), Decimal(-1), Decimal(0)),
    "basis_reason": (None, "", " \n", False, 0, [], {}, object(), Hostile()),
    "certificate_id": (None, 0, 7, [], object(), Hostile()),
    "basis_holds_until": (
        "", "2030-01-01", True, 1.5, [], object(), Hostile(), NOW, NOW - timedelta(1), date(2030, 1, 1),
        datetime(2030, 1, 1),  # noqa: DTZ001
    ),
}  # fmt: skip
FAULTS_OF_ACTIONS = {
    "reversibility": (*WRONG, "irreversible", "REVERSIBLE", "reversible ", "unknown", 1),
    "active": (None, False, 0, 1, "", "yes", [], object(), Hostile()),
    "amount_pointer": (None, "", "amount", "/nowhere", "/message", "/amount/0", "/currency", 5, 1.5, [], object()),
    "currency_pointer": (None, "", "currency", "/nowhere", "/message", "/amount", 5, 1.5, [], object()),
}
FAULTS_OF_PROPOSALS = {
    "action": (*WRONG, "close_account", "frobnicate", "refund_fee ", "REFUND_FEE"),
    "confidence": (*WRONG, 0, 1, "0.9", NAN, SNAN, INF, -INF, Decimal(2), Decimal("-0.9"), Decimal("0.849999"), 0.9),
    "subject": (None, "", "c-77", [], {}, {"id": ""}, {"id": None}, {"id": 7}, {"type": "customer"}, {"id": ["c-77"]}),
    "payload": (
        None, "", [], {}, 5, object(), Hostile(), [("amount", "12.00")],
        *(
            {"amount": amount, "currency": "EUR"}
            for amount in (
                None, "", "x", True, False, math.nan, [], {}, object(), Hostile(),
                "-12.00", "+12.00", " 12.00", "12.00 ", "12,00", "1e1", "0x10", "012", ".5", "5.", "1_000",
                "１２",
                "NaN", "Infinity", "12.00\n", "9" * 29, "0." + "1" * 13, -12, -0.01, -0.0, math.inf, -math.inf, NAN,
                SNAN, INF, Decimal(-1), ["12.00"], {"value": "12.00"}, b"12.00", "50.01", 51, 2**80, "twelve",
            )
        ),
        *({"amount": "12.00", "currency": currency} for currency in (*WRONG, "USD", "eur", "EUR ", "E" * 17, 978)),
    ),
}  # fmt: skip
FAULTS_OF_FACTS = {
    "now": (None, "", "2026-03-02T09:00:00Z", 5, datetime(2026, 3, 2, 9), date(2026, 3, 2), NOW + timedelta(days=2)),  # noqa: DTZ001
    "paused": (None, False, 0, "workflow", "everything", "x", " ", [], object(), Hostile()),
    "live_versions": (None, 0, 2, -1, "1", math.nan, [], object(), Hostile()),
    "evidence_assessed_at": (
        None, "", "2026-03-02T09:00:00Z", 5, datetime(2026, 3, 2, 9), date(2026, 3, 2),  # noqa: DTZ001
        NOW - timedelta(minutes=11), NOW + timedelta(days=1), Hostile(),
    ),
    "budget_spent": (None, ("day",), ("subject",), ("x",), (None,), "day", 5, object(), Hostile()),
}  # fmt: skip
FAULTS_OF_RULES = (
    "", " ", "(", ")", "1", "'true'", "null", "[]", "true true", "payload", "payload.nowhere", "nowhere", "amount >",
    "amount > '5'", "amount / 0.0", "int(payload.message) > 1", "payload.message > 5", "action.nowhere", "1 / 0 == 1",
    "payload.all(x, y)", "{}", "{'a': true}", "a.b.c", "true &&", "!", "!1", "true ? 1 : 2", "payload.message.size()",
    "payload.map(x, x)", "payload.message.matches('(')", "payload.message.matches(action)", "cel.bind(x, true, x)",
    "payload.exists(x, payload.exists(y, true))", "true" + " " * 2_000, "(" * 900 + "true" + ")" * 900, "now()", "\x00",
    "'a", '"""true"""', "b'true'", "true // quietly", "`payload`", "payload.?nowhere",
    "timestamp('x') < timestamp('y')",
    "9223372036854775807 + 1 > 0", "'é' > 5", "double('NaN') < 1.0", "[1][5] == 1", "confidence > 'x'", "false || 7",
    None, 5, b"false", [], Hostile(),
)  # fmt: skip
FAULTS_OF_DRAWS = (None, "", "0.5", 0.5, math.nan, 1, 0, Decimal(1), Decimal(-1), NAN, SNAN, INF, object(), Hostile())
UNFIT_FOR_RULES = (
    {"big": list(range(201))}, {"big": "x" * 10_001}, {"big": "é" * 5_001}, {"big": {str(n): n for n in range(201)}},
    {"big": math.nan}, {"big": math.inf}, {"big": 2**70}, {"big": {1, 2}}, {"big": object()}, {"big": b"x"},
    {"big": Hostile()}, {"big": Decimal("0.1234567890123456789")}, {"big": "\ud800"},
)  # fmt: skip


SOUND = policy(PROOF_ROW), PROPOSAL, FACTS, Decimal("0.5")
Case = tuple[str, Any, Any, Any, Any]


def in_the_policy() -> Iterator[tuple[str, Any]]:
    for name, value in each(FAULTS_OF_ROWS):
        yield f"row {name} {shown(value)}", unchecked(thresholds=(replace(PROOF_ROW, **{name: value}),))
    for name, value in each(FAULTS_OF_ACTIONS):
        yield f"action {name} {shown(value)}", unchecked(actions={"refund_fee": replace(REFUND, **{name: value})})
    for value in (None, "", 5, object(), Hostile(), {}, {"refund_fee": None}, {"refund_fee": "x"}, {"x": REFUND}):
        yield f"actions {shown(value)}", unchecked(actions=value)
    for value in ((None,), "x", 5, object(), Hostile(), [1]):
        yield f"rules {shown(value)}", unchecked(rules=value)
    for source in FAULTS_OF_RULES:
        yield f"rule {shown(source)}", unchecked(rules=(rule("false"), rule(source)))
    for value in (None, "", "x", 5, object(), Hostile()):
        yield f"policy {shown(value)}", value


def faulty() -> Iterator[Case]:
    """Everything that can be wrong with one decision, one at a time: what, policy, proposal, facts and draw."""
    for what, broken in in_the_policy():
        yield what, broken, *SOUND[1:]
    for extra in UNFIT_FOR_RULES:
        wary = unchecked(rules=(rule("payload.amount == 'x'"),))
        yield f"given to a rule: {shown(extra)}", wary, replace(PROPOSAL, payload=payload(**extra)), *SOUND[2:]
    for name, value in each(FAULTS_OF_PROPOSALS):
        yield f"proposal {name} {shown(value)}", SOUND[0], replace(PROPOSAL, **{name: value}), *SOUND[2:]
    for name, value in each(FAULTS_OF_FACTS):
        yield f"facts {name} {shown(value)}", *SOUND[:2], replace(FACTS, **{name: value}), SOUND[3]
    for value in (None, "", "x", 5, object(), Hostile()):
        yield f"proposal {shown(value)}", SOUND[0], value, *SOUND[2:]
        yield f"facts {shown(value)}", *SOUND[:2], value, SOUND[3]
    for value in FAULTS_OF_DRAWS:
        yield f"draw {shown(value)}", *SOUND[:3], value


def each(faults: Mapping[str, Iterable[Any]]) -> Iterator[tuple[str, Any]]:
    for name, values in faults.items():
        for value in values:
            yield name, value


def shown(value: Any) -> str:
    return f"{type(value).__name__} {object.__repr__(value) if isinstance(value, Hostile) else repr(value):.60}"


def unchecked(**changes: Any) -> Policy:
    """The sound policy with parts that no document would give it, found where a sound row would be."""
    made = policy(PROOF_ROW)
    for name, value in changes.items():
        object.__setattr__(made, name, value)
    (governing,) = made.thresholds
    object.__setattr__(made, "_rows", {governing.key: governing})
    return made


def test_no_fault_makes_anything_run_alone():
    assert evaluate(*SOUND[:3], draw=SOUND[3]).route == Route.AUTO, "Sound, it would."
    judged = [(what, evaluate(broken, proposal, facts, draw=draw)) for what, broken, proposal, facts, draw in faulty()]
    assert len(judged) >= 500
    assert [what for what, assessment in judged if assessment.route != Route.REVIEW] == []
    assert [what for what, assessment in judged if not assessment.reasons] == []
    for what, assessment in judged:
        assert assessment.verdicts_needed in (1, 2, 3), what
        assert assessment.deliberate_acts in (1, 2), what
        assert all(reason.code in ReasonCode.values for reason in assessment.reasons), what


@pytest.mark.parametrize("error", [MemoryError, RecursionError, ZeroDivisionError, AssertionError])
def test_whatever_is_raised_inside_is_a_reason_to_ask_a_person(error):
    class Raising(dict):
        def get(self, *args: Any) -> Any:
            raise error

    assessment = evaluate(policy(), replace(PROPOSAL, payload=Raising()), FACTS, draw=Decimal(0))
    assert codes(assessment) == ["policy_error"]
    assert error.__name__ in assessment.reasons[0].message


def test_what_asks_the_process_to_stop_is_not_swallowed():
    class Stopping(dict):
        def get(self, *args: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(policy(), replace(PROPOSAL, payload=Stopping()), FACTS, draw=Decimal(0))
