"""What differs between two policies, in words, and whether it lets more run or asks more people.

`Effect.LOOSENS` is said of whatever lets something run alone that didn't, or asks fewer people, and `Effect.MAY_LOOSEN`
where that can't be told from the documents alone (another expression, another place for the amount). So if neither is
said, what runs alone by the later policy ran alone by the earlier one.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import product
from typing import Any, Final

from policies.domain.problems import row_name
from policies.domain.row_parts import PARTS, basis, claim, runs_alone
from policies.domain.sentences import describe
from policies.domain.spec import ActionSpec, Policy, RuleSpec, ThresholdSpec
from policies.domain.vocabulary import Reversibility


class Effect(StrEnum):
    """Which way a difference goes."""

    LOOSENS = "loosens"  # lets more run alone, or asks fewer people
    MAY_LOOSEN = "may loosen"  # depends on what is proposed
    TIGHTENS = "tightens"  # lets less run alone, or asks more people
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the later policy says otherwise, as a sentence."""

    sentence: str
    effect: Effect


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What `after` says otherwise than `before` (None: there was no policy); both are documents of policies.

    Empty only where the two are equal. Raises SpecError for a document that can't be read.
    """
    later = Policy.from_canonical(after, "", number=0)
    earlier = Policy(later.workflow, 0, "", {}, ()) if before is None else Policy.from_canonical(before, "", number=0)
    return (*_in_rows(earlier, later), *_in_rules(earlier, later), *_in_actions(earlier, later))


def row_in_words(row: ThresholdSpec, policy: Policy) -> str:
    """What a row of `policy` lets its action do, and what that stands on, as sentences."""
    return f"{describe(row, policy.actions.get(row.action))}. {basis_in_words(row)}".rstrip()


def basis_in_words(row: ThresholdSpec) -> str:
    """What it stands on that a row lets something run alone, as a sentence; "" where it doesn't."""
    if not runs_alone(row):
        return ""
    claimed = "" if row.alpha is None and row.delta is None else f"; {claim(row)}"
    return f"It {basis(row).removeprefix('it ')}{claimed}."


# ---- Rows -----------------------------------------------------------------------------------------------------------


def _in_rows(before: Policy, after: Policy) -> Iterator[Difference]:
    old = {row.key: row for row in before.thresholds}
    new = {row.key: row for row in after.thresholds}
    for key in sorted({*old, *new}):
        if key not in old:
            yield Difference(f"New row: {row_in_words(new[key], after)}", _effect_of_row(key, before, after))
        elif key not in new:
            yield Difference(f"Row dropped: {row_in_words(old[key], before)}", _effect_of_row(key, before, after))
        elif old[key].autonomy != new[key].autonomy:
            yield Difference(
                f"{row_in_words(new[key], after)} Before: {row_in_words(old[key], before)}",
                _effect_between(old[key], new[key]),
            )
        else:
            yield from _in_row(old[key], new[key])


def _effect_of_row(key: tuple[str, str, str], before: Policy, after: Policy) -> Effect:
    """What it does that the row `key` stands in one policy only: to all that it governs there."""
    effects = set()
    for action, (model_name, model_version) in product(_actions_in(before, after), _models_in(before, after)):
        old, new = (
            policy.row_for(action=action, model_name=model_name, model_version=model_version)
            for policy in (before, after)
        )
        if any(row is not None and row.key == key for row in (old, new)):
            effects.add(_effect_between(old, new))
    return _strongest(effects)


# A name that no row holds stands for everything that rows don't name.
_OTHER: Final = "\x00"


def _actions_in(*policies: Policy) -> set[str]:
    return {_OTHER, *(row.action for policy in policies for row in policy.thresholds if row.action)}


def _models_in(*policies: Policy) -> set[tuple[str, str]]:
    named = {(row.model_name, row.model_version) for policy in policies for row in policy.thresholds if row.model_name}
    return {(_OTHER, _OTHER), *((name, version or _OTHER) for name, version in named), *((n, _OTHER) for n, _ in named)}


def _effect_between(old: ThresholdSpec | None, new: ThresholdSpec | None) -> Effect:
    """What it does to the same decisions when `new` governs them in the place of `old`."""
    was, now = old or ThresholdSpec(), new or ThresholdSpec()
    effects = set()
    if runs_alone(was) != runs_alone(now):
        effects.add(_effect(loosens=runs_alone(now), tightens=runs_alone(was)))
    effects |= {difference.effect for difference in _in_row(was, now)}
    return _strongest(effects)


def _strongest(effects: Iterable[Effect]) -> Effect:
    found = set(effects)
    return next((effect for effect in (Effect.LOOSENS, Effect.TIGHTENS) if effect in found), Effect.NEITHER)


def _effect(*, loosens: bool, tightens: bool) -> Effect:
    return Effect.LOOSENS if loosens else Effect.TIGHTENS if tightens else Effect.NEITHER


def _in_row(old: ThresholdSpec, new: ThresholdSpec) -> Iterator[Difference]:
    """What two rows say otherwise, apart from whether they let anything run alone."""
    alone = runs_alone(old) and runs_alone(new)
    currency_told = old.currency == new.currency
    for part in PARTS:
        if all(getattr(old, name) == getattr(new, name) for name in part.fields):
            continue
        matters = alone or not part.only_alone
        effect = _effect(loosens=matters and part.loosens(old, new), tightens=matters and part.tightens(old, new))
        now, then = part.words(new), part.words(old)
        if now != then:
            yield Difference(f"{row_name(new)}: {now}; before, {then}.", effect)
            currency_told = currency_told or "currency" in part.fields
        elif "currency" not in part.fields:
            yield Difference(f"{row_name(new)}: {now}, written otherwise.", effect)
    if not currency_told:
        now, then = new.currency or "no currency", old.currency or "no currency"
        yield Difference(f"{row_name(new)}: its amounts are in {now}; before, in {then}.", Effect.NEITHER)


# ---- Rules ----------------------------------------------------------------------------------------------------------


def _in_rules(before: Policy, after: Policy) -> Iterator[Difference]:
    old, new = list(before.rules), list(after.rules)
    pairs: list[tuple[RuleSpec, RuleSpec]] = []
    for alike in (_same, lambda a, b: a.expression == b.expression, lambda a, b: a.sentence == b.sentence):
        for rule in list(new):
            match = next((each for each in old if alike(each, rule)), None)
            if match is not None:
                pairs.append((match, rule))
                old.remove(match)
                new.remove(rule)
    for rule in old:
        yield Difference(f"Rule dropped: {rule_in_words(rule)}", Effect.LOOSENS)
    for rule in new:
        yield Difference(f"New rule: {rule_in_words(rule)}", Effect.TIGHTENS)
    for was, now in pairs:
        if not _same(was, now):
            effect = _effect(
                loosens=now.verdicts_needed < was.verdicts_needed, tightens=now.verdicts_needed > was.verdicts_needed
            )
            if now.expression != was.expression and effect != Effect.LOOSENS:
                effect = Effect.MAY_LOOSEN
            yield Difference(f"Rule changed: {rule_in_words(now)} Before: {rule_in_words(was)}", effect)
    if [was.position for was, _ in sorted(pairs, key=lambda pair: pair[1].position)] != sorted(
        was.position for was, _ in pairs
    ):
        yield Difference(
            "The rules stand in another order; of those that fire, the first names the group.", Effect.NEITHER
        )


def _same(old: RuleSpec, new: RuleSpec) -> bool:
    return all(
        getattr(old, each.name) == getattr(new, each.name) for each in fields(RuleSpec) if each.name != "position"
    )


def rule_in_words(rule: RuleSpec) -> str:
    """What a rule does, as a sentence."""
    asked = f" Asked: {rule.ask}" if rule.ask else ""
    return f"“{rule.sentence.rstrip('.')}” where {rule.expression}: it goes to {whom_a_rule_asks(rule)}.{asked}"


def whom_a_rule_asks(rule: RuleSpec) -> str:
    """Who answers where a rule fires, and how many of them."""
    agree = "" if rule.verdicts_needed == 1 else f", of which {rule.verdicts_needed} people must agree"
    return f"{rule.group or 'the review group'}{agree}"


# ---- Actions --------------------------------------------------------------------------------------------------------


def _in_actions(before: Policy, after: Policy) -> Iterator[Difference]:
    for key in sorted({*before.actions, *after.actions}):
        old, new = before.actions.get(key), after.actions.get(key)
        if new is None:
            yield Difference(
                f"{key} is no longer registered: a person decides, and can only reject or override.", Effect.TIGHTENS
            )
        elif old is None:
            alone = any(runs_alone(each) for each in after.thresholds if each.action in (key, ""))
            effect = _effect(loosens=alone and _can_run(new), tightens=False)
            yield Difference(f"{key} (“{new.title}”) is registered: {_REVERSIBLE[new.reversibility]}.", effect)
        else:
            yield from _in_action(old, new)


_REVERSIBLE: Final[Mapping[str, str]] = {
    Reversibility.READ_ONLY: "it changes nothing",
    Reversibility.REVERSIBLE: "we can undo it ourselves",
    Reversibility.EXTERNALLY_REVERSIBLE: "it is undone only with somebody else's help",
    Reversibility.IRREVERSIBLE: "it can't be undone, so a person confirms it first",
}


def _can_run(action: ActionSpec) -> bool:
    return action.active and action.reversibility != Reversibility.IRREVERSIBLE


def _in_action(old: ActionSpec, new: ActionSpec) -> Iterator[Difference]:
    for each in fields(ActionSpec):
        was, now = getattr(old, each.name), getattr(new, each.name)
        if was == now:
            continue
        effect = Effect.NEITHER
        if each.name in {"active", "reversibility"} and _can_run(old) != _can_run(new):
            effect = _effect(loosens=_can_run(new), tightens=_can_run(old))
        elif each.name in {"amount_pointer", "currency_pointer"}:
            effect = Effect.MAY_LOOSEN
        words = _ACTION_WORDS[each.name]
        yield Difference(f"{new.key}: {words(now)}; before, {words(was)}.", effect)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values) or "nothing"


_ACTION_WORDS: Final[Mapping[str, Callable[[Any], str]]] = {
    "title": lambda title: f"it is called “{title}”",
    "what": lambda what: f"what it does reads “{what}”",
    "ask": lambda ask: f"the reviewer is asked “{ask}”",
    "reversibility": lambda reversibility: _REVERSIBLE[reversibility],
    "payload_schema": lambda schema: (
        "its payload may be anything" if schema is None else f"its payload must fit the schema {_json(schema)}"
    ),
    "amount_pointer": lambda pointer: f"its amount is read at {pointer or 'no place'}",
    "currency_pointer": lambda pointer: f"its currency is read at {pointer or 'no place'}",
    "editable": lambda pointers: f"reviewers may edit {_listed(pointers)}",
    "layout": lambda layout: f"its fields are shown as {_json(dict(layout))}",
    "allowed_verdicts": lambda verdicts: f"reviewers may {_listed(verdicts)}",
    "hold_seconds": lambda seconds: f"a verdict can be undone for {seconds} s",
    "active": lambda active: "it is switched on" if active else "it is switched off, so a person decides",
    "sensitive": lambda sensitive: "it is blurred at first" if sensitive else "it is shown at once",
}
