"""docs/api.md leaves nothing out."""

import json
import re
from pathlib import Path

import pytest

from reviews.api.problems import CODES
from reviews.domain.vocabulary import DecisionStatus, LineState, Scope, WebhookType
from reviews.queries.feed import FED

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "api.md").read_text()
EVENTS = {str(kind) for kind in FED}


def operations() -> list[str]:
    paths = json.loads((Path(__file__).parent / "openapi.json").read_text())["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]


@pytest.mark.parametrize("operation", operations())
def test_every_operation_is_documented(operation):
    method, path = operation.split()
    if path.startswith("/api/v1/insights/"):
        assert path.removeprefix("/api/v1") in (ROOT / "docs" / "evidence.md").read_text()
        return
    written = re.sub(r"\{\w+\}", "{id}", TEXT)
    path = re.sub(r"\{\w+\}", "{id}", path)
    assert f"{method} {path}" in written or f"`{path}`" in written


@pytest.mark.parametrize(
    "word", sorted({*DecisionStatus.values, *LineState.values, *Scope.values, *WebhookType.values, *EVENTS, *CODES})
)
def test_every_status_scope_event_and_code_is_documented(word):
    assert f"`{word}`" in TEXT
