# The chores. A fresh machine needs Python 3.11 or newer, pip and make; everything else goes into .venv.

# The first Python that runs and is new enough: a name on the PATH may be a shim of a version that is not there.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# A hash of the list names the stamp: another list, another install.
stamp = $(VENV)/.installed-$(1)-$(shell cksum requirements/$(1).txt | cut -d' ' -f1)

.PHONY: local test check unit engine browser test-sagemaker definitions old-stage lock clean

local: $(call stamp,base)  ## The main job on the embedded engine: publish, sample loops, a table of what happened
	$(BIN)/python deploy.py local $(ARGS)

test: check  ## Everything that is checked: lint, types, judges, unit, engine and browser tests
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

check: $(call stamp,dev)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

unit: $(call stamp,dev)  ## The unit tests with their coverage, module by module
	$(BIN)/python -m pytest tests/unit -n 2 --dist worksteal --cov --cov-report=term --cov-report=json:.build/coverage.json $(ARGS)
	$(BIN)/python -m tests.coverage_by_module .build/coverage.json

engine browser: $(call stamp,dev)
	$(BIN)/python -m pytest tests/$@ $(ARGS)

test-sagemaker: $(call stamp,dev)  ## The door to the SDK where the real SageMaker SDK is installed (250 MB, a minute)
	$(BIN)/python tests/sagemaker_environment.py

definitions: $(call stamp,base)  ## Render definitions/ and docs/reference/ anew, after a change of the code
	$(BIN)/python deploy.py render
	$(BIN)/python -m docs.generate

old-stage: $(call stamp,dev)  ## Make the stage of an earlier commit anew from git, for the test of an upgrade
	$(BIN)/python -m tests.engine.upgrade.make_fixture 657dd37

lock: $(call stamp,dev)  ## Resolve requirements/ anew from pyproject.toml
	$(BIN)/python -m uv pip compile -q --upgrade $(COMPILE) pyproject.toml --extra dev -o requirements/dev.txt
	grep -E '^[a-z0-9-]+==' requirements/dev.txt | sed 's/ .*//' > $(VENV)/pins.txt
	$(BIN)/python -m uv pip compile -q $(COMPILE) pyproject.toml -c $(VENV)/pins.txt -o requirements/base.txt
	$(BIN)/python -m uv pip compile -q $(COMPILE) requirements/lambdas.in -c $(VENV)/pins.txt -o requirements/lambdas.txt

COMPILE := --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11

clean:
	rm -rf $(VENV) .build

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Afterloop needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-%: | $(BIN)/python
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/$(firstword $(subst -, ,$*)).txt
	@touch $@
