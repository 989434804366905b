# Every target makes the virtual environments it needs; Python 3.11 or later and make are enough.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := worker dispatcher tidegate examples tests
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV := .venv/bin/uv --quiet --system-certs
INSTALL := pip install --no-deps --require-hashes

.DEFAULT_GOAL := help
.PHONY: help demo test check format unit integration acceptance template lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo.stamp .venv-cloud/stamp ## run the whole system on a local cloud, with real input
	@$(BIN)/python -m tidegate demo

test: check unit integration acceptance ## lint, types, template and all three levels of tests

check: .venv/dev.stamp template ## lint and types
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/mypy $(PACKAGES)

template: .venv/dev.stamp ## lint the CloudFormation template and the Dockerfile
	$(BIN)/cfn-lint --include-checks I -- infra/cloudformation.yaml
	$(BIN)/hadolint Dockerfile

unit: .venv/dev.stamp ## tests on fakes, in seconds
	$(BIN)/python -m pytest tests/unit

integration: .venv/dev.stamp ## tests against moto's server
	$(BIN)/python -m pytest tests/integration

acceptance: .venv/dev.stamp .venv-cloud/stamp ## tests of real processes on the local cloud
	$(BIN)/python -m pytest tests/acceptance

format: .venv/dev.stamp ## format the code and mend what the linter can
	$(BIN)/ruff check --fix $(PACKAGES)
	$(BIN)/ruff format $(PACKAGES)

lock: .venv/uv.stamp ## pin requirements/*.in again, with hashes
	@cd requirements && for name in bootstrap image demo dev cloud; do \
	  ../$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header --output-file $$name.txt $$name.in || exit 1; done

clean: ## remove the virtual environments, caches and the demo's outputs
	rm -rf .venv .venv-cloud .mypy_cache .pytest_cache .ruff_cache demo-output
	find $(PACKAGES) -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs a locked list many times faster than pip does; pip's one job is to fetch it, by hash.
.venv/uv.stamp: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tidegate needs Python 3.11 or later; say which: make PYTHON=python3.12 ...")'
	@echo "making .venv and .venv-cloud (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --no-deps --require-hashes -r requirements/bootstrap.txt
	@touch $@

.venv/demo.stamp: requirements/demo.txt .venv/uv.stamp
	@$(UV) $(INSTALL) --python $(BIN)/python -r requirements/demo.txt
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/uv.stamp
	@$(UV) $(INSTALL) --python $(BIN)/python -r requirements/dev.txt
	@touch $@ .venv/demo.stamp

.venv-cloud/stamp: requirements/cloud.txt .venv/uv.stamp
	@test -x .venv-cloud/bin/python || $(UV) venv --python $(BIN)/python .venv-cloud
	@$(UV) $(INSTALL) --python .venv-cloud/bin/python -r requirements/cloud.txt
	@touch $@
