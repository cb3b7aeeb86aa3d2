"""Many clients at one moment, in processes of their own, each a thread that submits what would run alone."""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.db import connections
from django.utils import timezone

from reviews.models import Client
from tests.factories import submit_one

ROOT = Path(__file__).resolve().parents[1]
ENDS_WITHIN_SECONDS = 120
# The models that this module names can only be read once Django is set up.
MAIN = "import django; django.setup(); from tests.submitters import main; main(*__import__('sys').argv[1:])"


def submit_in_processes(numbers: Mapping[int, int], *, processes: int) -> None:
    """As many submissions of each client, by its id, as `numbers` says; the processes begin together.

    Raises CalledProcessError where one of them fails.
    """
    database = str(connections["default"].settings_dict["NAME"])
    shares = [f"{client}:{number}" for client, number in numbers.items()]
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", MAIN, database, *shares[place::processes]],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for place in range(processes)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in running:
            if code := process.wait(ENDS_WITHIN_SECONDS):
                raise subprocess.CalledProcessError(code, process.args)
    finally:
        for process in running:
            process.kill()
            process.communicate()


def main(database: str, *shares: str) -> None:
    """One of the processes: says that it is ready, and begins when a line comes in."""
    connections.settings["default"]["NAME"] = database
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(len(shares)) as pool:
        list(pool.map(_submit, shares))


def _submit(share: str) -> None:
    client_id, number = map(int, share.split(":"))
    try:
        client = Client.objects.get(pk=client_id)
        for _ in range(number):
            submit_one(client=client, now=timezone.now(), confidence=0.95)
    finally:
        connections.close_all()
