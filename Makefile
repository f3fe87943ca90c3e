# make up     everything on this machine, in the foreground
# make test   all checks and tests, on servers they start themselves
# make test-scheduler   every time zone through a year of ticks (minutes)
# make test-llm  every model of LLM_MODELS with your keys (costs money)
# make chaos     10,000 jobs under 200 faults (about an hour); ARGS="--seed 1 --engine celery"
# make console  the pages of the console alone (make up builds them too)
# make screenshots  every page of the console, light and dark, into docs/screenshots/
# make wheel  the package to install elsewhere, console included, in dist/
# make topology  docker-compose.yml on hosts of their own, without Docker; ARGS="--small", ARGS="--pooled"
# make fuzz   some 60,000 odd requests to the API, webhooks, files, tokens and sockets; ARGS="--scale 0.1 --seed 1"
# make scan   secrets in the repository, known vulnerabilities of dependencies
# make docs   the docs as a site, strictly, in build/site; make docs-pages makes the pages that come from the code
# make docs-test  every block of code in the docs, and what was run and what was not
# make env    the environment alone (.venv); make lint; make clean

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin

# Without bytecode each process compiles all that it imports: a worker then takes four seconds of CPU to start, not one.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: up test test-scheduler test-llm chaos topology fuzz scan console screenshots wheel docs docs-pages docs-test env lint clean help

up: env
	@scripts/build-console $(VENV) || :
	@exec $(BIN)/buildos up

test: env lint
	@scripts/build-console $(VENV) || :
	@scripts/get-chromium $(VENV)
	@exec $(BIN)/python -m pytest -n 4 --dist loadfile $(ARGS)

test-scheduler: env
	@ZONES=all $(BIN)/python -m pytest tests/unit/schedules tests/integration/schedules tests/integration/sms/test_reminder_times.py tests/integration/sms/test_reminder_year.py $(ARGS)

test-llm: env
	@exec $(BIN)/python -m tests.live

chaos: env
	@exec $(BIN)/python -m tests.chaos $(ARGS)

fuzz: env
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

scan: env
	@exec scripts/scan $(VENV)

topology: env
	@exec $(BIN)/python -m tests.topology $(ARGS)

console: env
	@scripts/build-console $(VENV)

screenshots: console
	@scripts/get-chromium $(VENV)
	@exec $(BIN)/python -m tests.browser

wheel: console
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

docs: env
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

docs-pages: env
	@exec $(BIN)/python -m tests.docs.pages

docs-test: env
	@DOCS=all $(BIN)/python -m pytest -q -s tests/docs/test_blocks.py $(ARGS)

lint: env
	@$(BIN)/ruff check .

env: $(VENV)/ready

$(VENV)/ready: requirements-build.txt requirements-dev.txt pyproject.toml scripts/make-env
	@scripts/make-env $(VENV)

clean:
	rm -rf $(VENV) app/web/console console/node_modules console/node_modules.cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@sed -n 's/^# //p' Makefile
