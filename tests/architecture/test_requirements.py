"""What is installed is what was asked for, to the byte, and says nothing of where it was fetched."""

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"


def pinned(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package, version in re.findall(
        r"^([a-z0-9-]+)==([^ ]+)", (REQUIREMENTS / f"{name}.txt").read_text(), re.MULTILINE
    ):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("name", ["base", "oidc", "parquet", "dev"])
def test_everything_asked_for_is_pinned(name):
    pins = pinned(name)
    for line in (REQUIREMENTS / f"{name}.in").read_text().splitlines():
        if not line or line.startswith(("#", "-r")):
            continue
        package, version = re.match(r"([A-Za-z0-9_-]+)(?:\[[^]]*\])?(?:==([^ ;]+))?", line).groups()
        assert package.lower() in pins, f"run `make requirements`: {package} is not in {name}.txt"
        assert version is None or any(pin.startswith(version) for pin in pins[package.lower()]), line


def test_tests_run_on_what_production_runs_on():
    base, dev = pinned("base"), pinned("dev")
    assert {package: pins for package, pins in base.items() if dev.get(package) != pins} == {}


@pytest.mark.parametrize("name", ["base", "oidc", "parquet", "dev"])
def test_every_pin_has_hashes_and_no_line_names_a_registry(name):
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    assert "://" not in text
    pins = re.findall(r"^[a-z0-9-]+==", text, re.MULTILINE)
    hashed = re.findall(r"^[a-z0-9-]+==.* \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(pins) == len(hashed) > 50
