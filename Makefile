# `make` prints what there is. `make demo` and `make test` set up their own .venv.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help demo test check bench browser clean

help:  ## print this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: .venv/demo  ## build a store of films, songs and books and open the console (ARGS="--port 8765 --no-browser")
	$(BIN)/segue demo $(ARGS)

test: check browser  ## style, types, imports, then every test with coverage
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

check: .venv/dev  ## style, types and import directions only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev  ## every benchmark at its full setting (hours; each resumes; see benchmarks/README.md)
	$(BIN)/python -m benchmarks $(ARGS)

browser:  # the console's tests open a real Chromium
	@command -v chromium >/dev/null || { \
	  echo "The console's tests need Chromium; installing it with apt-get."; \
	  apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  { echo "Install Chromium first: apt-get install chromium"; exit 1; }

clean:  ## remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage build *.egg-info

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --upgrade "pip>=23.2"

.venv/demo: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[demo]"
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	@touch $@ .venv/demo
