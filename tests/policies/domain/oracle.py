"""What the policy says, worked out a second time, from what is promised and not from the code.

It shares nothing with `policies.domain.evaluate` but the input: it reads documents instead of objects, counts in
fractions, ranks all rows instead of looking them up, judges rules in Python, and lists who is to be asked instead of
passing tests. Slow, long-winded, and not to be made to look like what it checks.
"""

import math
import re
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from policies.domain.spec import Facts, Proposal

Error = type("Error", (), {})


def expected(policy: dict[str, Any] | None, proposal: Proposal, facts: Facts, draw: Any) -> dict[str, Any]:
    """The route, codes, verdicts, acts, group, flag and budgets that an assessment by this document must have."""
    document = policy or {"actions": {}, "thresholds": [], "rules": []}
    action = document["actions"].get(proposal.action)
    row = _governing(document["thresholds"], proposal)
    amount, currency = _money(proposal, action)
    said: dict[str, bool] = {}

    said["no_policy"] = policy is None or facts.live_versions in (0, 2)
    said["paused"] = facts.paused in ("workflow", "everything")
    said["unknown_action"] = policy is not None and (action is None or not action["active"])
    said["irreversible"] = action is not None and action["reversibility"] not in (
        "read_only", "reversible", "externally_reversible",
    )  # fmt: skip

    fired = []
    for rule in document["rules"]:
        outcome = _rule(rule["expression"], proposal, amount, currency)
        if outcome is not False:
            fired.append(rule)
            said["rule_error" if outcome is Error else "rule"] = True

    budgets: list[tuple[str, str, str, Fraction]] = []
    if policy is not None and row is None:
        named = [one for one in document["thresholds"] if one["model_name"] and one["action"] in ("", proposal.action)]
        said["unproven_model" if named else "always_review"] = True
    if row is not None:
        said["always_review"] = row["autonomy"] == "never"
        said["autonomy_withdrawn"] = row["autonomy"] == "withdrawn"
    alone = row is not None and row["autonomy"] == "by_confidence"
    if row is not None and row["largest_amount"] is not None:
        _limit(said, amount, currency, row, row["largest_amount"])
    if alone:
        _confidence(said, proposal, row)
        _evidence(said, facts, row)
        said["policy_error"] = Fraction(row["audit_rate"]) == 0
        said["budget_spent"] = bool(facts.budget_spent)
        budgets = _budgets(said, proposal, amount, currency, row)
    elif facts.budget_spent:
        said["budget_spent"] = True

    codes = {code for code, holds in said.items() if holds}
    needed = [1] + [rule["verdicts_needed"] for rule in fired]
    if row is not None:
        needed += [row["verdicts_needed"], 2 if row["separation"] and not facts.requester_matched else 1]
    two = codes & {"irreversible", "high_value", "unknown_action"} or policy is None
    return {
        "route": "review" if codes else "auto",
        "codes": codes,
        "verdicts_needed": max(needed),
        "deliberate_acts": 2 if two else row["deliberate_acts"] if row else 1,
        "group": ([rule["group"] for rule in fired if rule["group"]] + [""])[0],
        "flagged": row is not None and Fraction(draw) < Fraction(row["audit_rate"]),
        "budgets": [] if codes else budgets,
    }


def _governing(rows: list[dict[str, Any]], proposal: Proposal) -> dict[str, Any] | None:
    """Of all rows that could speak of this proposal, the most particular."""
    fitting = [
        row
        for row in rows
        if row["action"] in ("", proposal.action)
        and (row["model_name"] in ("", proposal.model_name))
        and (row["model_version"] in ("", proposal.model_version))
    ]
    return max(fitting, default=None, key=lambda r: 4 * (r["action"] != "") + 2 * (r["model_name"] != "") +
               (r["model_version"] != ""))  # fmt: skip


def _money(proposal: Proposal, action: dict[str, Any] | None) -> tuple[Fraction | None, str]:
    place: Any = proposal.payload
    if action and action["amount_pointer"] == "/total/value":
        place = proposal.payload.get("total", {})
        raw, unit = place.get("value"), place.get("unit")
    else:
        raw, unit = place.get("amount"), place.get("currency")
    unit = unit if isinstance(unit, str) and len(unit) <= 16 else ""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return None, unit
    if isinstance(raw, str):
        if len(raw) > 40 or not re.match(r"^(0|[1-9][0-9]*)(\.[0-9]+)?\Z", raw):
            return None, unit
    elif math.isnan(raw) or math.isinf(raw) or math.copysign(1, raw) < 0:
        return None, unit
    return Fraction(str(raw)), unit


def _limit(said: dict[str, bool], amount: Fraction | None, currency: str, row: dict[str, Any], most: Any) -> None:
    if amount is None:
        said["missing_amount"] = True
    elif currency != row["currency"]:
        said["currency_mismatch"] = True
    elif most is not None and amount > Fraction(most):
        said["high_value"] = True


def _confidence(said: dict[str, bool], proposal: Proposal, row: dict[str, Any]) -> None:
    digits = str(proposal.confidence)
    usable = type(proposal.confidence).__name__ == "Decimal" and re.match(r"^[0-9.]+\Z", digits) is not None
    if not usable or Fraction(digits) > 1:
        said["missing_confidence"] = True
    elif Fraction(digits) < Fraction(row["least_confidence"]):
        said["low_confidence"] = True


def _evidence(said: dict[str, bool], facts: Facts, row: dict[str, Any]) -> None:
    until = row["basis_holds_until"]
    none_given = not row["certificate_id"] and not row["basis_reason"].strip()
    said["evidence_expired"] = none_given or (until is not None and datetime.fromisoformat(until) <= facts.now)
    at = facts.evidence_assessed_at
    ten_minutes = timedelta(seconds=600)
    said["unmonitored"] = at is None or at < facts.now - ten_minutes or at > facts.now + ten_minutes


def _budgets(
    said: dict[str, bool], proposal: Proposal, amount: Fraction | None, currency: str, row: dict[str, Any]
) -> list[tuple[str, str, str, Fraction]]:
    taken = []
    for name, prefix in (("day", ""), ("subject", "subject_")):
        count, most = row[f"{prefix}daily_count"], row[f"{prefix}daily_amount"]
        if count is None and most is None:
            continue
        if most is not None:
            _limit(said, amount, currency, row, None)
        who = proposal.subject.get("id", "")
        money_is_clear = most is None or (amount is not None and currency == row["currency"])
        if money_is_clear and ((name == "subject" and not who) or count == 0 or (most and amount > Fraction(most))):
            said["budget_spent"] = True
        key = f"customer:{who}" if name == "subject" else ""
        taken.append((name, key, row["currency"] if most else "", amount if most else Fraction(0)))
    return taken


def _rule(expression: str, proposal: Proposal, amount: Fraction | None, currency: str) -> Any:
    """True, False or Error."""
    if "payload" in expression:
        return _rule_of_the_payload(expression, proposal.payload)
    simple = {
        "true": True,
        "false": False,
        "amount > 20.0": Error if amount is None else amount > 20,
        "model.version == '2'": proposal.model_version == "2",
        "alternatives.exists(other, other.action == 'close')": "close" in [o.action for o in proposal.alternatives],
        "subject.id == 'c-2'": proposal.subject["id"] == "c-2" if "id" in proposal.subject else Error,
        "currency == 'USD' || requested_by == 'ana@example.org'": currency == "USD" or "ana" in proposal.requested_by,
        "confidence != null && confidence < 0.95": _below_95(proposal.confidence),
    }
    return simple.get(expression, Error)


def _below_95(confidence: Any) -> Any:
    if confidence is None:
        return False
    if isinstance(confidence, bool | str):
        return Error  # true < 0.95 compares what can't be compared.
    digits = str(confidence)
    if "n" in digits.lower() or len(digits) > 19:
        return Error  # Not finite, or more digits than the double that a rule sees.
    return Fraction(digits) < Fraction("0.95")


def _rule_of_the_payload(expression: str, payload: Any) -> Any:
    message, lines = payload.get("message"), payload.get("lines")
    inside = [*payload.values(), *payload.get("total", {}).values()]
    if any(isinstance(value, float) and not math.isfinite(value) for value in inside):
        return Error
    if lines is not None and len(lines) > 200:
        return Error
    if expression == "payload.message.contains('lawyer')":
        return "lawyer" in message if isinstance(message, str) else Error
    if expression == "has(payload.note) && payload.note == 'x'":
        return payload.get("note") == "x"
    if expression == "payload.lines.exists(line, line > 3)":
        return Error if lines is None else any(line > 3 for line in lines)
    return Error
