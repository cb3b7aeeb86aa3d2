"""Docs under test: what exists is written down, by the name that it has in the code."""

import ast
import re
from pathlib import Path

from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from policies.domain.vocabulary import ReasonCode

ROOT = Path(__file__).resolve().parents[2]
APPS = ("config", "policies", "reviews", "feedback")


def docs() -> str:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return "\n".join(page.read_text() for page in pages if page.exists())


def variables() -> set[str]:
    """Every name that config/ asks of env.py."""
    readers = {"text", "words", "flag", "whole", "number", "database", "given", "mail", "path"}
    names = {"VAR_DIR"}
    for path in (ROOT / "config").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute)):
                continue
            if ast.unparse(node.func.value) == "env" and node.func.attr in readers:
                assert isinstance(node.args[0], ast.Constant), f"{path}: name the variable where it is read"
                names.add(str(node.args[0].value))
    return names


def endpoints(resolver: URLResolver, prefix: str = "") -> set[str]:
    """The paths of the API, with `{id}` for whatever varies."""
    found = set()
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found |= endpoints(pattern, path)
        elif isinstance(pattern, URLPattern) and path.startswith("api/v1/"):
            found.add("/" + re.sub(r"<[^>]+>", "{id}", path))
    return found


def test_every_setting_has_a_row_in_operations():
    rows = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))
    assert variables() - rows == set(), "not documented"
    assert rows - variables() == set(), "documented, but nothing reads it"


def test_every_variable_of_the_example_is_one_that_is_read():
    names = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    of_compose = {"POSTGRES_PASSWORD", "OWNER_PASSWORD", "APP_PASSWORD", "REDIS_PASSWORD"}
    assert names - of_compose - variables() == set()


def test_every_command_of_ours_is_documented():
    ours = {name for name, app in get_commands().items() if app in APPS and name != "migrate"}
    assert {name for name in ours if f"manage.py {name}" not in docs()} == set()


def test_every_make_target_is_listed_by_help():
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split())
    listed = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert phony - listed == {"browser"}


def test_every_endpoint_of_the_api_is_documented():
    written = re.sub(r"\{[^}]+\}|<[^>]+>", "{id}", docs())
    assert {path for path in endpoints(get_resolver()) if path.removeprefix("/api/v1") not in written} == set()


def test_every_reason_code_is_documented():
    assert {code for code in ReasonCode.values if f"`{code}`" not in docs()} == set()


def test_reviewing_lists_the_keys_that_the_console_has():
    keys = re.findall(r'\{ key: "([^"]+)", says: "([^"]+)"', (ROOT / "static" / "js" / "keys.js").read_text())
    section = (ROOT / "docs" / "reviewing.md").read_text().partition("## All keys")[2].partition("\n## ")[0]
    assert len(keys) > 20
    assert re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE) == keys
