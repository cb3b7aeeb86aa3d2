"""`python -m tests.faults`. Django reads the environment when it is set up, so that comes before all that needs it."""

import os
import runpy
import sys

import django

from tests.faults.prepare import prepare

if __name__ == "__main__":
    if not {"-h", "--help"} & set(sys.argv):
        os.environ.update(prepare())
        django.setup()
    runpy.run_module("tests.faults.run", run_name="__main__", alter_sys=True)
