"""The project checks its own shape: the contracts in pyproject.toml, as import-linter reads them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_contract_between_and_inside_the_apps_is_kept():
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    found = subprocess.run([*lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_no_module_has_a_name_that_says_nothing():
    meaningless = {"utils", "helpers", "common", "core", "managers", "signals"}
    named = {path for app in ("config", "policies", "reviews", "feedback") for path in (ROOT / app).rglob("*.py")}
    assert [path for path in named if path.stem in meaningless or path.parent.name in meaningless] == []
