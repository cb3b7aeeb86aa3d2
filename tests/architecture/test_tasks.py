"""Bells are rung by name; a name that no worker knows would be a bell that nobody hears."""

import ast
from pathlib import Path

from celery import current_app

ROOT = Path(__file__).resolve().parents[2]


def rung_names() -> dict[str, str]:
    """Each literal first argument of ring(), with the file that rings it."""
    names = {}
    for app in ("policies", "reviews", "feedback"):
        for path in (ROOT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "ring" and node.args:
                    name = node.args[0]
                    assert isinstance(name, ast.Constant), f"{path}: ring a literal name, so that it can be checked"
                    names[str(name.value)] = str(path.relative_to(ROOT))
    return names


def test_every_bell_that_is_rung_has_a_task_of_that_name():
    current_app.loader.import_default_modules()
    unknown = {name: path for name, path in rung_names().items() if name not in current_app.tasks}
    assert unknown == {}


def test_bells_are_rung_at_all():
    assert rung_names()
