# Each target sets up what it needs. Only Python 3.11 or newer and make have to be there, and apt for the lab.
# PYTHON=/path/to/python3 picks the Python; VENV=/path the place of the virtual environment.

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_OPTIONS ?=
# Most of a lab test is waiting for hosts, so several at once even on two cores; each worker has a lab of its own.
WORKERS ?= 2
LAB_WORKERS ?= 3
SOAK := build/soak
MODEL_EXAMPLES ?= 20000

.PHONY: help setup demo test lab-packages soak lint format bench update-readme clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1@\2/p' Makefile | awk -F@ '{ printf "%-20s %s\n", $$1, $$2 }'

setup: $(STAMP) ## virtual environment with rebalancer, editable, and all tools

$(STAMP): pyproject.toml .ci/venv
	[ -x $(BIN)/pip ] || PYTHON='$(PYTHON)' .ci/venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,fast]'
	$(BIN)/python -m rebalancer.native
	$(BIN)/python -m compileall -q rebalancer drivers
	@touch $@

demo: $(STAMP) ## the whole pipeline on a simulated cluster
	$(BIN)/rebalance demo

test: $(STAMP) lint lab-packages ## lint and all tests, the lab of real hosts included where it can run
	$(BIN)/pytest --ignore tests/benchmarks -m "not lab" -n $(WORKERS) --dist loadfile $(PYTEST_OPTIONS)
	$(BIN)/pytest tests/lab --ignore tests/lab/test_predictions.py -n $(LAB_WORKERS) --dist worksteal $(PYTEST_OPTIONS)

lab-packages:
	sh tests/lab/packages.sh

lint: $(STAMP) ## style, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy rebalancer drivers
	$(BIN)/lint-imports

format: $(STAMP) ## rewrite the code in house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

soak: $(STAMP) lab-packages ## all campaigns on real hosts and the model check, for hours; their figures go to docs/campaigns.md
	mkdir -p $(SOAK)
	rm -rf $(SOAK)/*
	-$(BIN)/python -m tests.lab.campaigns kills -o $(SOAK)/kills.json
	-$(BIN)/python -m tests.lab.campaigns faults -o $(SOAK)/faults.json
	MODEL_EXAMPLES=$(MODEL_EXAMPLES) $(BIN)/pytest tests/execution/test_model.py
	REBALANCE_LAB_PLANS=20 $(BIN)/pytest tests/lab/test_predictions.py -s
	echo '{"examples": $(MODEL_EXAMPLES)}' > $(SOAK)/model.json
	$(BIN)/python -m tests.lab.campaigns.report docs/campaigns.md $(SOAK)

bench: $(STAMP) ## how good and how fast searching and planning are
	$(BIN)/pytest tests/benchmarks -s $(PYTEST_OPTIONS)

update-readme: $(STAMP) ## run the README's commands again and put in what they print
	$(BIN)/python -m tests.readme README.md

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
