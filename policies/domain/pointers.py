"""JSON Pointers (RFC 6901): where in a document something stands."""

import re
from functools import lru_cache
from typing import Final


def pointer_to(*steps: str) -> str:
    """The JSON Pointer of these keys and indexes."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


@lru_cache(maxsize=1_024)
def pointer_tokens(pointer: str) -> tuple[str, ...]:
    """The keys and indexes that `pointer` names. Raises ValueError when it isn't a JSON Pointer."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is not a JSON Pointer: it starts with /, or is empty for the whole document.")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def value_at(document: object, pointer: str) -> object:
    """What `pointer` names in `document`; None when there is nothing. Raises ValueError for a bad pointer."""
    for token in pointer_tokens(pointer):
        if isinstance(document, dict):
            document = document.get(token)
        elif isinstance(document, list) and _INDEX.fullmatch(token) and int(token) < len(document):
            document = document[int(token)]
        else:
            return None
    return document


_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")
