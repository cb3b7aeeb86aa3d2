"""The environment of a run: a directory, a database and a broker of its own, and none that was set."""

import os
import shutil
from pathlib import Path

from config import embedded
from tests.product import OF_THE_SESSION, ROOT

# What a test of faults wants otherwise than a console in use.
OURS = {
    "MIN_SECONDS_BEFORE_VERDICT": "0",
    "ALLOW_LOOPBACK_WEBHOOKS": "1",
    "WEBHOOK_TIMEOUT_SECONDS": "5",
    "LOG_LEVEL": "WARNING",
}


def var_dir() -> Path:
    """Where `faults.json` goes; the run itself has a directory in it."""
    return Path(os.environ.get("FAULTS_VAR_DIR") or os.environ.get("VAR_DIR") or ROOT / "var").resolve()


def prepare() -> dict[str, str]:
    """What this process and all that it starts get. The directory is emptied."""
    kept = var_dir()
    directory = kept / "faults"
    shutil.rmtree(directory, ignore_errors=True)
    for name in OF_THE_SESSION:
        os.environ.pop(name, None)
    return {
        **embedded.plan(directory).variables,
        **OURS,
        "VAR_DIR": str(directory),
        "FAULTS_VAR_DIR": str(kept),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
