"""`python -m benchmarks`. Django reads the environment when it is set up, so that comes before all that measures."""

import os
import runpy

import django

from benchmarks.stage import prepare

if __name__ == "__main__":
    os.environ.update(prepare())
    django.setup()
    runpy.run_module("benchmarks.measure", run_name="__main__", alter_sys=True)
