"""A sealed log of a test's own."""

from pathlib import Path
from typing import Any

import pytest

from reviews.services.signing import create_key_file
from tests.conftest import _as_owner
from tests.factories import NOW


@pytest.fixture
def log(settings: Any, tmp_path: Path) -> Any:
    """An empty log, with its key and its file of checkpoints; the test commits, and may restore."""
    settings.LOG_KEY_FILE = tmp_path / "keys" / "log.json"
    settings.LOG_ANCHOR_FILE = tmp_path / "checkpoints"
    settings.LOG_NAME = "log.example"
    create_key_file(settings.LOG_KEY_FILE, now=NOW)
    yield settings
    with _as_owner() as owner:
        owner.execute("ALTER TABLE reviews_event ALTER COLUMN epoch SET DEFAULT 1")  # A restore raises it.
