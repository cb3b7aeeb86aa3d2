"""What a person may change in a payload, and whether the changed one can run: pure checks, each with its place.

A finding is a pair of a JSON Pointer into the payload and a sentence.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jsonschema
from referencing import Registry

from policies.domain.canonical import canonical_bytes
from policies.domain.pointers import pointer_to
from policies.domain.strict_json import InputError, parse_strict

Finding = tuple[str, str]
MOST_FINDINGS = 20
LONGEST_SENTENCE = 300


def changed_places(before: object, after: object, *, at: str = "") -> Iterator[str]:
    """The pointers of the smallest places in which two JSON documents differ, as canonical JSON sees them."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            place = at + pointer_to(key)
            if key in before and key in after:
                yield from changed_places(before[key], after[key], at=place)
            else:
                yield place
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from changed_places(old, new, at=f"{at}/{index}")
    elif canonical_bytes(before) != canonical_bytes(after):
        yield at


def forbidden_changes(before: object, after: object, *, editable: Collection[str]) -> list[Finding]:
    """What was changed outside the fields that the action opens."""
    return [
        (place, "This field can't be edited.")
        for place in changed_places(before, after)
        if not any(place == field or place.startswith(f"{field}/") for field in editable)
    ][:MOST_FINDINGS]


def unreadable_parts(payload: Mapping[str, Any]) -> list[Finding]:
    """What no strict reader would take: NUL, lone surrogates, numbers past a double, too deep, too much."""
    try:
        parse_strict(canonical_bytes(payload))
    except InputError as error:
        return [(error.pointer, error.detail)]
    except (ValueError, TypeError, RecursionError) as error:
        return [("", f"This has no canonical JSON: {error}")]
    return []


def schema_errors(payload: Mapping[str, Any], *, schema: Mapping[str, Any] | None) -> list[Finding]:
    """What the action's JSON Schema finds wrong. References that lead elsewhere are never fetched.

    A schema that can't be applied is a finding too: what can't be checked doesn't run.
    """
    if schema is None:
        return []
    validator = jsonschema.Draft202012Validator(schema, registry=Registry())
    try:
        errors = sorted(validator.iter_errors(payload), key=lambda error: list(map(str, error.absolute_path)))
    except Exception as error:  # noqa: BLE001 - a broken schema raises whatever it likes
        return [("", f"The schema of the action can't be applied: {error}"[:LONGEST_SENTENCE])]
    return [
        (pointer_to(*map(str, error.absolute_path)), error.message[:LONGEST_SENTENCE])
        for error in errors[:MOST_FINDINGS]
    ]
