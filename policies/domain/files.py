"""A policy as a file that people keep in git: the document in YAML, which reads back to the same digest."""

from collections.abc import Mapping
from typing import Any

import yaml

from policies.domain.pointers import pointer_to
from policies.domain.spec import Policy, SpecError, digest_of


class _Loader(yaml.SafeLoader):
    """Plain data; a key that stands twice is refused, not overwritten."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    pairs = [(loader.construct_object(key, deep=True), value) for key, value in node.value]
    names = [name for name, _ in pairs]
    if twice := next((name for name in names if not isinstance(name, str) or names.count(name) > 1), None):
        raise SpecError(f"Line {node.start_mark.line + 1}: the key {twice!r} stands twice, or is no text.")
    return {name: loader.construct_object(value, deep=True) for name, value in pairs}


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def to_yaml(document: Mapping[str, Any], *, heading: str) -> str:
    """`document` as YAML under a heading of comments, with its digest."""
    comments = "".join(f"# {line}\n" for line in [*heading.splitlines(), digest_of(document)])
    body: str = yaml.safe_dump(dict(document), allow_unicode=True, sort_keys=False, width=110)
    return comments + body


def from_yaml(text: str) -> dict[str, Any]:
    """The document in `text`. Raises SpecError where that is no policy, with the place."""
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506  a safe loader of our own
    except yaml.YAMLError as error:
        raise SpecError(f"This is no YAML: {error}") from None
    return checked(found)


def checked(found: Any) -> dict[str, Any]:
    """`found` where it is the document of a policy. Raises SpecError."""
    if not isinstance(found, dict):
        raise SpecError("A policy is an object with format, workflow, actions, thresholds and rules.")
    policy = Policy.from_canonical(found, "", number=0)
    if (again := policy.to_document()) != found:
        place = next(name for name in again if again[name] != found[name])
        raise SpecError(
            "This isn't written as an export writes it: rows and actions stand in order.", pointer_to(place)
        )
    return again
