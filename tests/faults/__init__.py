"""The promises of docs/reliability.md, kept while things break: `make faults`, or `python -m tests.faults`.

Not a part of the suite: it takes minutes and kills processes. Each module breaks one thing; `counts.py` says how often,
`stage.py` starts the product so that its parts can be killed, `__main__.py` runs it all and prints the table.
"""
