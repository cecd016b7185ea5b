# The verbs of this project. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NPM ?= npm
UV_VERSION := 0.13.9
CORPUS ?= $(or $(SOC_CORPUS),$(wildcard $(abspath ../shared/data)))
export SOC_CORPUS := $(CORPUS)
QUICK := not slow and not elastic and not celery and not browser and not root

.DEFAULT_GOAL := help
.PHONY: help install run test check lint types map accept bench lock licences long-kills long-fuzz long-correlations long-forecast long-namespaces long-national long-stores long-convert bench-detect clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed soc/console/static/manifest.json ## make .venv with the locked dependencies, build the web assets

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, but '$(PYTHON)' is not one. Install python3.11 and python3-venv, or run: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@touch .writable 2>/dev/null && rm -f .writable || { \
	  echo "This folder is read-only: $(CURDIR). Copy the project to a folder that you may write, and run make there." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -type f -print)
soc/console/static/manifest.json: $(WEB_SOURCES)
	@command -v node >/dev/null 2>&1 || { \
	  echo "Node.js 18 or newer is needed to build the pages' assets, and 'node' was not found. Install nodejs and npm, then run make again." >&2; exit 2; }
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)' || { \
	  echo "Node.js 18 or newer is needed; this one is $$(node --version). Install a newer nodejs, then run make again." >&2; exit 2; }
	@cd web && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error && $(NPM) run --silent build

run: install ## start the small site with a demo province and print its address
	@exec $(BIN)/soc up --demo

test: install ## the whole suite; what lacks a component is skipped with its name
	@$(BIN)/python -m pytest

check: lint types map ## lint, types, map and the quick tests
	@$(BIN)/python -m pytest -q -n auto --dist loadfile -m "$(QUICK)"

lint: install ## ruff, and the generated tables of the docs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/sigma check -i -c rules/validation.yaml rules
	@$(BIN)/cog -P --check docs/*.md

types: install ## mypy, strict
	@$(BIN)/mypy

map: install ## who may import whom
	@$(BIN)/lint-imports

accept: install ## write the golden outputs anew; read the diff before you commit
	@$(BIN)/python -m tests.sources.accept

bench: install ## events/s for read, match, store and end to end, with memory
	@$(BIN)/python -m bench

bench-detect: install ## the matcher alone; BESIDE=program.py runs another one in turn with it
	@$(BIN)/python -m bench.detect $(if $(BESIDE),--beside $(BESIDE))

long-kills: install ## the kill test in full: 200 kills, 50,000 records
	@SOC_KILLS=200 SOC_KILL_RECORDS=50000 $(BIN)/python -m pytest -q -s --timeout 3000 tests/flow/test_kill.py

long-correlations: install ## correlations: 2,000 orders of arrival, 10,000 random windows of each type
	@SOC_CORRELATION_ORDERS=120 SOC_CORRELATION_ROUNDS=10000 $(BIN)/python -m pytest -q --timeout 0 tests/detect/correlation

long-fuzz: install ## the differential fuzz of the matcher, longer
	@SOC_FUZZ_PAIRS=1000000 $(BIN)/python -m pytest -q -s --timeout 7200 tests/detect -k differential

long-forecast: install ## the forecast of all SigmaHQ rules over 10 million stored events
	@$(BIN)/python -m bench.forecast --events 10000000

long-namespaces: install ## attacks through relay and sensor in network namespaces, the line cut for ten minutes
	@SOC_CUT_SECONDS=600 $(BIN)/python -m pytest -q -s --timeout 3000 tests/flow/test_namespaces.py

long-national: install ## 5,000 reports to a national centre that misbehaves: nothing lost, nothing double
	@SOC_NATIONAL_MESSAGES=5000 $(BIN)/python -m pytest -q -s --timeout 3000 tests/report/test_national_reconcile.py

long-stores: install ## both event stores with up to 50,000 real events: the same answers
	@SOC_DIFFERENTIAL_EVENTS=50000 $(BIN)/python -m pytest -q -s --timeout 3000 tests/store/test_store_elastic_differential.py

long-convert: install ## all SigmaHQ Windows rules on Elasticsearch beside the matcher; writes docs/convert-differences.md
	@SOC_CONVERT=all $(BIN)/python -m pytest -q -s --timeout 3000 tests/detect/test_convert_differential.py

lock: ## pin the dependencies anew
	@$(BIN)/uv pip compile -q pyproject.toml --extra sensor --extra reports --group test --group dev --universal --python-version 3.11 --generate-hashes --no-header -o requirements.lock

licences: install ## write docs/third-party-licences.md anew
	@$(BIN)/python -m bench.licences > docs/third-party-licences.md

clean: ## remove what was built, keep var/
	@rm -rf $(VENV) web/node_modules soc/console/static
