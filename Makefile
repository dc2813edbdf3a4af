# `make` lists the targets. Everything happens inside this folder: .venv holds the tools, .uv the installer where uv is missing.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && echo $$p && break; done)
UV ?= $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)
BIN := .venv/bin
# A command that finds its libraries compiled starts in a third of the time; `setup` imports them once for that.
unexport PYTHONDONTWRITEBYTECODE
STAMP := .venv/.setup-done
COMPILE := .uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
ONE_BY_ONE := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
SWEEP := find src tests examples benchmarks -name

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format format-check lint types imports unit bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Build .venv from the hashed lock file; does nothing when nothing changed

demo: setup ## Run the support desk example: real tickets, a local model, no key and no server
	@$(BIN)/roadworthy demo --project examples/support_desk

# Three for two cores, since many tests wait for a process or a clock; who is done takes tests from the others.
test: setup ## Run all tests: unit, contract, end to end, crash; three at a time
	@$(BIN)/pytest --numprocesses=3 --dist=worksteal $(or $(ARGS),--ignore=tests/browser)
	@$(if $(ARGS),,$(BIN)/pytest tests/browser --numprocesses=2 --dist=loadfile)

check: setup ## Format, lint, types, imports and fast tests, side by side, in seconds
	@$(MAKE) --no-print-directory --keep-going --jobs=3 $(ONE_BY_ONE) types unit lint format-check imports
	@echo "All checks passed."

format: setup ## Format the code and apply the linter's safe fixes
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

format-check: setup
	@$(BIN)/ruff format --quiet --check . || { $(BIN)/ruff format --check .; echo "Run: make format"; exit 1; }

lint: setup ## Lint with Ruff
	@$(BIN)/ruff check --quiet --output-format=concise .

types: setup ## Check types with Pyright, strict
	@$(BIN)/pyright --level error > .venv/pyright.log 2>&1 || { cat .venv/pyright.log; exit 1; }

imports: setup ## Check which folder imports which
	@$(BIN)/lint-imports --no-logo > .venv/imports.log 2>&1 || { cat .venv/imports.log; exit 1; }

unit: setup ## Run the fast tests only
	@$(BIN)/pytest tests/unit --quiet --no-header -m "not postgres and not local_model and not slow" --hypothesis-profile=quick $(ARGS)

bench: setup ## Run every benchmark, the short way
	@set -e; for file in benchmarks/[!_]*.py; do echo "== $$file"; $(BIN)/python $$file --quick; done

lock: .uv/bin/uv ## Resolve requirements/ again; LOCKFLAGS=--upgrade takes the newest versions
	@$(COMPILE) $(LOCKFLAGS) --all-extras --group dev pyproject.toml --output-file requirements/dev.txt
	@$(COMPILE) --constraint requirements/dev.txt --extra otlp pyproject.toml --output-file requirements/service.txt
	@$(COMPILE) --constraint requirements/dev.txt requirements/build.in --output-file requirements/build.txt
	@$(COMPILE) $(LOCKFLAGS) requirements/uv.in --output-file requirements/uv.txt
	@for peers in peers evals_peers litellm_proxy mlflow_gateway; do \
		$(COMPILE) $(LOCKFLAGS) benchmarks/$$peers.in --output-file benchmarks/$$peers.txt || exit 1; done
	@! grep -nE '://|file:|==[^ ;]+\+' requirements/*.txt benchmarks/*.txt || { echo "A lock file names an address or a private build."; exit 1; }

clean: ## Remove what the other targets made
	@rm -rf .venv .uv .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
	@$(SWEEP) __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	@$(SWEEP) .roadworthy -prune -exec rm -rf {} + 2>/dev/null || true

$(STAMP): pyproject.toml requirements/dev.txt $(filter .uv/%,$(UV))
	@$(BIN)/python -c '' 2>/dev/null || { $(need-python) rm -rf .venv && $(UV) venv --quiet --no-python-downloads --python $(PYTHON) .venv; }
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import dbos, uvicorn, roadworthy.dashboard, roadworthy.models.providers.clients'
	@touch $@

.uv/bin/uv: requirements/uv.txt
	@$(need-python) $(PYTHON) -m venv .uv || { echo "Could not make a virtual environment. On Debian: apt-get install python3-venv"; exit 1; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
	@touch $@

define need-python
test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.14 found. Install one, or say which: make setup PYTHON=/path/to/python3"; exit 1; };
endef
