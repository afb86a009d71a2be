# The development commands. They need Python 3.11 or newer, pip and make, and install everything else into .venv.

# The first Python that runs and is new enough. Some names on the PATH can be shims for versions that are not installed.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
# What judges the template needs other versions of some packages than the project.
JUDGES := .build/judges
ARGS ?=
# Some images forbid Python to write bytecode. The tests start hundreds of processes, which would all compile again.
export PYTHONDONTWRITEBYTECODE :=
# The name of the stamp has a checksum of the requirements, so changed requirements are installed again.
stamp = $(VENV)/.installed-$(1)-$(shell cksum requirements/$(1).txt | cut -d' ' -f1)

.PHONY: local test check compiled unit engine browser faults judges fuzz test-sagemaker definitions pictures old-stage lock clean

local: $(call stamp,base)  ## Run everything on the local engine: publish, end sample loops, show the results
	$(BIN)/python deploy.py local $(ARGS)

# Three processes keep two cores busy: tests on the engine wait for it a part of their time. Each gets whole modules, so
# that fixtures of a module are made once, in the order of tests/conftest.py: the longest first.
test: $(call stamp,dev)  ## Run all checks and tests: lint, types, unit, engine and browser tests
	$(MAKE) --no-print-directory -j2 check compiled
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(call stamp,dev)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# mypy keeps one core busy. The other one compiles the tests once, which each process of pytest would do otherwise.
compiled: $(call stamp,dev)
	@$(BIN)/python -m pytest --collect-only -qq >/dev/null 2>&1 || true

unit: $(call stamp,dev)  ## Run the unit tests, and check the coverage of each module
	$(BIN)/python -m pytest tests/unit -n 2 --dist worksteal --cov --cov-report=term --cov-report=json:.build/coverage.json $(ARGS)
	$(BIN)/python -m tests.coverage_by_module .build/coverage.json

engine browser: $(call stamp,dev)
	$(BIN)/python -m pytest tests/$@ $(ARGS)

faults: $(call stamp,dev)  ## Try 10,000 schedules of faults in a simulated account, and that they notice missing conditions
	$(BIN)/python -m tests.faults $(ARGS)
	$(BIN)/python -m tests.faults.mutations

fuzz: $(call stamp,dev)  ## Send thousands of random hostile inputs through each door, some minutes
	$(BIN)/python -m pytest tests/fuzz -n 2 --hypothesis-profile=fuzz $(ARGS)

judges: $(call stamp,dev) $(JUDGES)/.installed-$(shell cksum requirements/judges.txt | cut -d' ' -f1)  ## Run checkov, cfn-lint and an IAM linter (430 MB of packages, a minute)
	$(BIN)/python -m tests.judges $(JUDGES)/bin

$(JUDGES)/.installed-%: | $(BIN)/python
	$(BIN)/python -m venv $(JUDGES)
	$(JUDGES)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/judges.txt
	@touch $@

test-sagemaker: $(call stamp,dev)  ## Test workflow/steps.py with the SageMaker SDK installed (250 MB, a minute)
	$(BIN)/python tests/sagemaker_environment.py

definitions: $(call stamp,base)  ## Render definitions/ and docs/reference/ after a change of the code
	$(BIN)/python deploy.py render
	$(BIN)/python -m docs.generate

pictures: $(call stamp,dev)  ## Take the pictures of the documentation again, with Chromium, four minutes
	$(BIN)/python -m docs.generate.pictures

old-stage: $(call stamp,dev)  ## Build the stage of an earlier commit from git, for the upgrade test
	$(BIN)/python -m tests.engine.upgrade.make_fixture 657dd37

lock: $(call stamp,dev)  ## Resolve requirements/ from pyproject.toml again
	$(BIN)/python -m uv pip compile -q --upgrade $(COMPILE) pyproject.toml --extra dev -o requirements/dev.txt
	grep -E '^[a-z0-9-]+==' requirements/dev.txt | sed 's/ .*//' > $(VENV)/pins.txt
	$(BIN)/python -m uv pip compile -q $(COMPILE) pyproject.toml -c $(VENV)/pins.txt -o requirements/base.txt
	$(BIN)/python -m uv pip compile -q $(COMPILE) requirements/lambdas.in -c $(VENV)/pins.txt -o requirements/lambdas.txt
	$(BIN)/python -m uv pip compile -q --upgrade $(COMPILE) requirements/judges.in -o requirements/judges.txt

COMPILE := --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11

clean:
	rm -rf $(VENV) .build

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Afterloop needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-%: | $(BIN)/python
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/$(firstword $(subst -, ,$*)).txt
	@touch $@
