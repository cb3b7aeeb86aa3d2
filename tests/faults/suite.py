"""Promises whose figures the ordinary tests show: run by their names, so that one table holds them all."""

import re
import subprocess
import sys

from tests.faults.counts import Counts, Shown
from tests.faults.prepare import OURS
from tests.faults.stage import Stage
from tests.product import ROOT, environment_of

LONGEST_SECONDS = 900


def log_shows_tampering(stage: Stage, counts: Counts) -> Shown:
    shown = Shown(
        promise="the log shows tampering",
        did="10,000 events, 600 tamperings (edit, delete, insert, swap, truncate, renumber), also as the owner",
    )
    return passed(stage, shown, "tests/clients/test_verify_log.py", "tests/reviews/services/test_seal.py")


def it_comes_back(stage: Stage, counts: Counts) -> Shown:
    shown = Shown(
        promise="it comes back", did="backups older than the log, logs rewritten and emptied: RESTORED, auto off"
    )
    return passed(stage, shown, "tests/reviews/services/test_restored.py")


def never_automatic(stage: Stage, counts: Counts) -> Shown:
    shown = Shown(
        promise="never automatic by accident",
        did="10,000 generated decision × policy pairs against an independent oracle; faults injected into judging",
    )
    return passed(
        stage,
        shown,
        "tests/policies/domain/test_evaluate_generated.py",
        "tests/policies/domain/test_evaluate_faults.py",
        "tests/reviews/services/test_submit_races.py",
    )


def immutable_rows(stage: Stage, counts: Counts) -> Shown:
    shown = Shown(promise="immutable rows", did="every change that the database refuses, tried as the application role")
    return passed(stage, shown, "tests/reviews/refusals", "tests/policies/test_guards.py")


def passed(stage: Stage, shown: Shown, *tests: str) -> Shown:
    """Whether all of them pass, on servers of their own."""
    command = [sys.executable, "-W", "ignore", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", *tests]
    ours = {*OURS, "DJANGO_SETTINGS_MODULE"}  # The tests make up their own.
    environment = {
        name: value for name, value in environment_of(stage.planned.directory / "suite").items() if name not in ours
    }
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
    )
    counted = {what: int(number) for number, what in re.findall(r"(\d+) (passed|failed|error|skipped)", ran.stdout)}
    shown.figures = {"tests": counted, "in": ", ".join(f"`{test}`" for test in tests)}
    shown.expect(
        holds=ran.returncode == 0 and counted.keys() == {"passed"}, otherwise=(ran.stdout + ran.stderr)[-1500:]
    )
    return shown
