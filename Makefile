# The one place that says how things are done here; `make help` lists it.
PORT ?= 8000
VAR_DIR ?= var
# What may be read of the log depends on the oldest transaction of a whole server: a server of your own serves one worker.
TEST_WORKERS ?= $(if $(DATABASE_URL),1,2)
export PORT VAR_DIR

# The system's own Python first: it is built with profile-guided optimisation. One that a version manager has compiled
# seldom is, and takes up to twice as long for everything here.
PYTHONS := python3.11 python3.12 python3.13 python3
PYTHON ?= $(shell for name in $(addprefix /usr/bin/,$(PYTHONS)) $(PYTHONS); do \
	if command -v $$name >/dev/null && $$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then command -v $$name; break; fi; done)
BIN := .venv/bin
# A changed requirement installs again, a fresh clone once.
BASE := .venv/base.stamp
DEV := .venv/dev.stamp
# Enough to read the settings; the checks need no server.
CHECKING := env SECRET_KEY=check COUNTERSIGN_AUDIT_KEY=check DATABASE_URL=postgresql://check@localhost:1/check REDIS_URL=redis://check

.PHONY: help run demo test check bench faults guards screenshots clean requirements browser

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(BASE)  ## start everything, with demo data, on PORT (8000), keeping its data in VAR_DIR (var/)
	@exec $(BIN)/python manage.py up

demo: run  ## the same as run

test: $(DEV) browser check  ## check, then all tests, in a database of their own
	$(BIN)/pytest -n $(TEST_WORKERS) --dist loadgroup

check: $(DEV)  ## format, lint, types, templates, layers, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(CHECKING) $(BIN)/python -W ignore manage.py makemigrations --check --dry-run
	$(CHECKING) $(BIN)/mypy .
	git ls-files -z 'templates/*.html' '*/templates/*.html' | xargs -0 -r $(BIN)/djade --target-version 5.2 --check
	$(BIN)/lint-imports

bench: $(DEV)  ## measure speed against the database's own limits
	$(BIN)/python -m benchmarks

faults: $(DEV)  ## break things on purpose, for eleven minutes; not part of test (FAULTS=--quick: 3 %)
	$(BIN)/python -W ignore -m tests.faults $(FAULTS)

guards: $(DEV)  ## remove guards one at a time, in a copy, and see that tests turn red
	$(BIN)/python -m tests.faults.guards

screenshots: $(DEV)  ## take the pictures in docs/images of the demo that runs on PORT (needs Chromium)
	$(BIN)/python -m docs.screenshots --url http://127.0.0.1:$(PORT) --demo $(VAR_DIR)/demo.json

clean:  ## remove the virtual environment and caches; VAR_DIR is kept
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles

browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Chromium for the browser tests …"; \
		(apt-get install -y -qq --no-install-recommends chromium || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }) >/dev/null 2>&1 || true; \
	fi

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer, with venv, is needed and was not found; set PYTHON." >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(BASE): requirements/base.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(DEV): requirements/dev.txt requirements/base.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $(BASE) $@

requirements:  ## pin requirements/*.in again, with hashes (uv); versions already pinned are kept
	for name in base oidc parquet dev; do $(BIN)/uv --no-config pip compile requirements/$$name.in --output-file requirements/$$name.txt \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet; done
