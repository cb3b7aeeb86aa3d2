"""How fast it is, against the limits of the same machine in the same run: `python -m benchmarks`. See README.md."""
