# Two commands do everything on a fresh machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CONFIG ?= deploy/settings.example.yaml

.PHONY: demo test fuzz check bench pages serve lock clean

demo: $(VENV)/.run ## a region goes dark: the whole product on this machine, about a minute
	@$(BIN)/responder demo

test: check ## everything: linters, types, arrows, all tests
	$(BIN)/python -m pytest -m "not alone"
	$(BIN)/python -m pytest tests/scenarios tests/cli -m alone --numprocesses=2 --dist=load

fuzz: $(VENV)/.dev ## kill -9 at every moment of every course, each in a course of its own, on both stores: under half an hour
	RESPONDER_TEST_PROFILE=fuzz $(BIN)/python -m pytest tests/scenarios -k test_kills --timeout=3600 --numprocesses=2 --dist=load

check: $(VENV)/.dev ## linters, types and the arrows between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## ratios to bare clients, measured in one run
	$(BIN)/python -m tests.benchmarks

pages: $(VENV)/.dev ## write anew what of the documents the program writes: tables, examples, the picture
	$(BIN)/python -m tests.cli.pages

serve: $(VENV)/.run ## the daemon: make serve CONFIG=my.yaml
	$(BIN)/responder serve --config $(CONFIG)

lock: $(VENV)/.dev ## write constraints.txt anew from what is installed
	$(PIP) freeze --exclude-editable | grep -v '^pip==' > constraints.txt

clean: ## remove what make made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a minute or two, once) ..."
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --constraint constraints.txt --editable '.[simulator]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(PIP) install --constraint constraints.txt --group dev
	@touch $@
