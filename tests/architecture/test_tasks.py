"""Bells are rung by name; a name that no worker knows would be a bell that nobody hears."""

import ast
import re
from pathlib import Path

from celery import current_app

ROOT = Path(__file__).resolve().parents[2]
TASK = re.compile(r"(policies|reviews|feedback)\.tasks\.\w+")


def names_in_services() -> dict[str, str]:
    """Each string that has the form of a task's name, with a file that says it; the tasks' own files apart."""
    names = {}
    for app in ("policies", "reviews", "feedback"):
        for path in (ROOT / app).rglob("*.py"):
            if path.name == "tasks.py":
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and TASK.fullmatch(node.value):
                    names[node.value] = str(path.relative_to(ROOT))
    return names


def test_every_bell_that_is_rung_has_a_task_of_that_name():
    current_app.loader.import_default_modules()
    rung = names_in_services()
    assert rung
    assert {name: path for name, path in rung.items() if name not in current_app.tasks} == {}


def test_every_task_has_somebody_who_rings_it():
    current_app.loader.import_default_modules()
    ours = {name for name in current_app.tasks if TASK.fullmatch(name)}
    assert ours - names_in_services().keys() == set()
