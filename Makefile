# Every target makes the virtual environments it needs; Python 3.11 or later and make are enough.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := worker dispatcher tidegate examples tests benchmarks
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV := .venv/bin/uv --quiet --system-certs
INSTALL := pip install --no-deps --require-hashes

.DEFAULT_GOAL := help
.PHONY: help demo test levels chaos image-test rehearsal bench check format unit integration acceptance search template lock clean

# What `make chaos` runs: so many simulated schedules, and real processes once for each of the seeds.
SCHEDULES ?= 20000
SEEDS ?= 1 2 3

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo.stamp .venv-cloud/stamp ## run the whole system on a local cloud, with real input
	@$(BIN)/python -m tidegate demo

test: check levels ## lint, types, template, all three levels of tests, and a short search
	@echo "all tests passed"

# Two at a time, the longest first, as most of them wait for processes; each says what it has to say when it is done.
levels: .venv/dev.stamp .venv-cloud/stamp
	@echo "acceptance, integration, search and unit tests: some minutes, two at a time"
	@$(MAKE) --no-print-directory -j 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
	  acceptance integration search unit

chaos: .venv/dev.stamp .venv-cloud/stamp ## break everything at once: simulated, by the thousand, and for real
	$(BIN)/python -m tests.search --schedules $(SCHEDULES)
	$(BIN)/python -m tests.waking --schedules $(SCHEDULES)
	$(BIN)/python -m pytest tests/chaos $(foreach seed,$(SEEDS),--seed $(seed))

ENGINE ?= docker
image-test: .venv/dev.stamp .venv-cloud/stamp ## run the image as ECS does, and have it drain a queue; or another one: IMAGE=name ENGINE=podman
	ENGINE="$(ENGINE)" IMAGE="$(IMAGE)" $(BIN)/python -m pytest tests/image

rehearsal: .venv/dev.stamp .venv-cloud/stamp ## go up, change under load and go down on the local cloud; print it to docs/going-up.txt
	$(BIN)/python -m pytest tests/acceptance/test_going_up.py --transcript docs/going-up.txt

bench: .venv-bench/stamp .venv-cloud/stamp ## measure the worker beside what people would use instead (QUICK=1: less of it)
	.venv-bench/bin/python -m benchmarks $(if $(QUICK),--quick,--results benchmarks/results)
	$(if $(QUICK),,.venv-bench/bin/python -m benchmarks.memory)

check: .venv/dev.stamp template ## lint, types, and which room imports which
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports --no-logo

template: .venv/dev.stamp .venv-checks/stamp ## lint the CloudFormation template and the Dockerfile
	$(BIN)/cfn-lint --include-checks I -- infra/cloudformation.yaml
	$(BIN)/hadolint Dockerfile
	.venv-checks/bin/checkov --config-file infra/checkov.yaml

unit: .venv/dev.stamp ## tests on fakes, in seconds
	$(BIN)/python -m pytest tests/unit

integration: .venv/dev.stamp ## tests against moto's server
	$(BIN)/python -m pytest tests/integration

acceptance: .venv/dev.stamp .venv-cloud/stamp ## tests of real processes on the local cloud
	$(BIN)/python -m pytest tests/acceptance

search: .venv/dev.stamp ## play 300 schedules of faults each for engine and dispatcher, and some with a fault in those
	$(BIN)/python -m pytest tests/search tests/waking

format: .venv/dev.stamp ## format the code and mend what the linter can
	$(BIN)/ruff check --fix $(PACKAGES)
	$(BIN)/ruff format $(PACKAGES)

lock: .venv/uv.stamp ## pin requirements/*.in again, with hashes
	@cd requirements && for name in bootstrap image onnx demo dev cloud checks; do \
	  ../$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header --output-file $$name.txt $$name.in || exit 1; done
	@cd requirements && ../$(UV) pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --override bench.overrides \
	  --output-file bench.txt bench.in

clean: ## remove the virtual environments, caches and the demo's outputs
	rm -rf .venv .venv-cloud .venv-bench .venv-checks .mypy_cache .pytest_cache .ruff_cache demo-output
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

.venv-bench/stamp: requirements/bench.txt .venv/uv.stamp
	@test -x .venv-bench/bin/python || $(UV) venv --python $(BIN)/python .venv-bench
	@$(UV) $(INSTALL) --python .venv-bench/bin/python -r requirements/bench.txt
	@touch $@

.venv-checks/stamp: requirements/checks.txt .venv/uv.stamp
	@test -x .venv-checks/bin/python || $(UV) venv --python $(BIN)/python .venv-checks
	@$(UV) $(INSTALL) --python .venv-checks/bin/python -r requirements/checks.txt
	@touch $@

include infra/aws.mk
