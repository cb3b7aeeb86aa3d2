"""Parts of a payload that tell of a person, masked for whoever needn't see them."""

import copy
from collections.abc import Iterable
from typing import Any, Final

from policies.domain.pointers import pointer_tokens

MASK: Final = "•••"


def redact(payload: Any, pointers: Iterable[str], *, mask: str = MASK) -> Any:
    """A copy of the payload in which what the JSON Pointers name is replaced. Pointers to nothing are passed over.

    A `*` stands for every member of a list or object on the way.
    """
    result = copy.deepcopy(payload)
    for pointer in pointers:
        tokens = pointer_tokens(pointer)
        if not tokens:
            return mask
        _redact_at(result, tokens, mask=mask)
    return result


def _redact_at(value: Any, tokens: tuple[str, ...], *, mask: str) -> None:
    head, rest = tokens[0], tokens[1:]
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value) if head == "*" else [head] if head in value else []
    elif isinstance(value, list):
        keys = list(range(len(value))) if head == "*" else [int(head)] if _is_index(head, value) else []
    for key in keys:
        if rest:
            _redact_at(value[key], rest, mask=mask)
        else:
            value[key] = mask


def _is_index(token: str, values: list[Any]) -> bool:
    return token.isascii() and token.isdigit() and int(token) < len(values)
