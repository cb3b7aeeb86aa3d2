"""`python -m tests.faults`. Django reads the environment when it is set up, so that comes before all that needs it."""

import os
import runpy
import sys
import tempfile

import django

from tests.faults.prepare import prepare

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as nowhere:
        if {"-h", "--help"} & set(sys.argv):
            # Preparing empties a directory, and in the usual one a run may be under way.
            os.environ["VAR_DIR"] = nowhere
        os.environ.update(prepare())
        django.setup()
        runpy.run_module("tests.faults.run", run_name="__main__", alter_sys=True)
