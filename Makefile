# Every target makes the virtual environments that it needs. Python 3.11 or later and make are enough.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := worker dispatcher notifier reconciler tidegate examples tests benchmarks website
SOURCES := $(PACKAGES) hatch_build.py
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV := .venv/bin/uv --quiet --system-certs
INSTALL := pip install --no-deps --require-hashes
# Many tests start programs in Python. Where bytecode is not kept, each of them compiles its sources again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: integration-aws integration-worker acceptance-deploy acceptance-run search-worker search-dispatcher wheel wheel-test coverage test-pythons test-boosters
.PHONY: help demo test test-under-load levels chaos image-test report-test rehearsal bench docs docs-walk reference check release-notes format unit robustness integration acceptance search template lock clean

# `make chaos` plays this many simulated schedules, and breaks real processes once for each seed.
SCHEDULES ?= 20000
SEEDS ?= 1 2 3

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo.stamp .venv-cloud/stamp ## run the whole system on a local cloud, with real input
	@$(BIN)/python -m tidegate demo

test: levels ## everything that continuous integration runs: `check`, then every level of tests
	@echo "all tests passed"

# No test may depend on how long something takes: a machine may be slow, or have much else to do.
BUSY_LOOPS ?= 16
test-under-load: .venv/dev.stamp ## `make test` beside sixteen busy loops; about half an hour
	$(BIN)/python -m tests.support.busy_loops $(BUSY_LOOPS) $(MAKE) test

# Four at a time, as most tests wait for processes; the longest first, with the integration and
# acceptance tests and the search in two halves each. Each prints its output when it has ended. The
# environments are made before, so that no two of the four make one.
levels: .venv/dev.stamp .venv-cloud/stamp .venv-checks/stamp
	@echo "checks, unit, integration, acceptance, robustness, search and wheel tests: some minutes, four at a time"
	@$(MAKE) --no-print-directory -j 4 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
	  acceptance-run integration-worker unit acceptance-deploy integration-aws search-worker check robustness \
	  search-dispatcher wheel-test

search-worker: .venv/dev.stamp
	$(BIN)/python -m pytest tests/search
search-dispatcher: .venv/dev.stamp
	$(BIN)/python -m pytest tests/waking

DEPLOY_TESTS := $(patsubst %,tests/acceptance/test_%.py,chaos demo going_up how_to memory options own_model several_stacks)
acceptance-deploy: .venv/dev.stamp .venv-cloud/stamp
	$(BIN)/python -m pytest $(DEPLOY_TESTS)
acceptance-run: .venv/dev.stamp .venv-cloud/stamp
	$(BIN)/python -m pytest $(filter-out $(DEPLOY_TESTS),$(wildcard tests/acceptance/test_*.py))

chaos: .venv/dev.stamp .venv-cloud/stamp ## break everything at once: thousands of simulated schedules, then real processes
	$(BIN)/python -m tests.search --schedules $(SCHEDULES)
	$(BIN)/python -m tests.search.outage
	$(BIN)/python -m tests.waking --schedules $(SCHEDULES)
	HYPOTHESIS_PROFILE=chaos $(BIN)/python -m pytest tests/unit -m hypothesis
	$(BIN)/python -m pytest tests/chaos $(foreach seed,$(SEEDS),--seed $(seed))

ENGINE ?= docker
image-test: .venv/dev.stamp .venv-cloud/stamp ## build the image, run it as ECS does, and let it empty a queue (IMAGE=name ENGINE=podman)
	ENGINE="$(ENGINE)" IMAGE="$(IMAGE)" $(BIN)/python -m pytest tests/image

report-test: .venv/dev.stamp ## look at the page of `tidegate report` in Chromium (CHROMIUM=program AXE=axe.min.js)
	CHROMIUM="$(CHROMIUM)" AXE="$(AXE)" $(BIN)/python -m pytest tests/browser/test_report_page.py

.PHONY: site-test
site-test: docs .venv/dev.stamp ## look at every page of the site in Chromium (CHROMIUM=program); pictures in dist/site
	CHROMIUM="$(CHROMIUM)" $(BIN)/python -m pytest tests/browser/test_site.py

rehearsal: .venv/dev.stamp .venv-cloud/stamp ## deploy, update under load and destroy on the local cloud; write the screens of docs/going-up.txt and docs/broken-batch.md
	$(BIN)/python -m pytest tests/acceptance/test_going_up.py --transcript docs/going-up.txt
	$(BIN)/python -m pytest tests/acceptance/test_broken_batch.py --write-pages

bench: .venv-bench/stamp .venv-cloud/stamp ## compare the worker with what people would use instead (QUICK=1: in short)
	.venv-bench/bin/python -m benchmarks $(if $(QUICK),--quick,--results benchmarks/results)
	$(if $(QUICK),,.venv-bench/bin/python -m benchmarks.figures)
	$(if $(QUICK),,.venv-bench/bin/python -m benchmarks.memory --write)

docs: .venv-docs/stamp ## build the documentation as a site into build/site; a broken link fails
	.venv-docs/bin/python -m sphinx -q -E -W --keep-going -n -c website -d build/doctrees . build/site
	@echo "open build/site/index.html"

docs-walk: .venv/dev.stamp ## type the tutorial and some how-to pages in a fresh clone, by their text alone; some minutes
	$(BIN)/python -m tests.walk

reference: .venv/dev.stamp ## write the pages of docs/ that are made from the code
	$(BIN)/python -m website.reference

check: .venv/dev.stamp template ## lint, types, the order of imports, and all of `template`
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports --no-logo

template: .venv/dev.stamp .venv-checks/stamp ## lint the template, Dockerfile, workflow and shell scripts
	$(BIN)/cfn-lint --include-checks I -- infra/cloudformation.yaml
	$(BIN)/hadolint Dockerfile
	.venv-checks/bin/checkov --config-file infra/checkov.yaml
	PATH="$(CURDIR)/.venv-checks/bin:$$PATH" .venv-checks/bin/actionlint .github/workflows/*.yaml examples/ci/*.yaml
	.venv-checks/bin/shellcheck .ci/run infra/*.sh

# Models of a few rows are slower with several threads, which wait for each other by spinning.
unit robustness integration integration-aws integration-worker: export OMP_NUM_THREADS = 1
acceptance acceptance-deploy acceptance-run: export OMP_NUM_THREADS = 1

unit: .venv/dev.stamp ## tests on fakes and a virtual clock
	$(BIN)/python -m pytest tests/unit

robustness: .venv/dev.stamp ## damaged files, and models as people publish them
	$(BIN)/python -m pytest tests/robustness tests/public_models

AWS_TESTS := $(patsubst %,tests/integration/test_%.py,call_limits credentials dispatcher redirects s3 sqs tls)
integration-aws: .venv/dev.stamp
	$(BIN)/python -m pytest $(AWS_TESTS)
integration-worker: .venv/dev.stamp
	$(BIN)/python -m pytest $(filter-out $(AWS_TESTS),$(wildcard tests/integration/test_*.py))

integration: .venv/dev.stamp ## tests against moto's server
	$(BIN)/python -m pytest tests/integration

acceptance: .venv/dev.stamp .venv-cloud/stamp ## tests of real processes on the local cloud
	$(BIN)/python -m pytest tests/acceptance

search: .venv/dev.stamp ## play 300 schedules of faults each for worker and dispatcher, and find planted bugs
	$(BIN)/python -m pytest tests/search tests/waking

wheel-test: .venv/dev.stamp ## build the wheel, install it far from the checkout and run its commands
	$(BIN)/python -m pytest tests/wheel

# Each version runs in an environment of its own: .venv-3.12 and so on.
PYTHONS ?= 3.11 3.12 3.13
test-pythons: .venv/uv.stamp ## unit and integration tests on each Python that is found (PYTHONS="3.12 3.13")
	@$(if $(FOUND),,$(error found none of Python $(PYTHONS)))
	@$(MAKE) --no-print-directory --keep-going $(addprefix tests-on-,$(FOUND))
	@echo "passed on Python: $(FOUND)"
	@echo "not found, so not tested: $(or $(filter-out $(FOUND),$(PYTHONS)),none)"

tests-on-%: .venv-%/stamp
	.venv-$*/bin/python -m pytest tests/unit
	.venv-$*/bin/python -m pytest tests/integration

# An interpreter on the PATH, or one that pyenv has built. pyenv's shims are on the PATH even where they cannot run.
interpreter = $(shell for python in python$1 $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/$1.*/bin/python); do \
  $$python -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$1")' 2>/dev/null && command -v $$python && break; done)
FOUND = $(foreach version,$(PYTHONS),$(if $(call interpreter,$(version)),$(version)))

# lightgbm is in `make unit`; these two are large.
test-boosters: .venv-boosters/stamp ## models of XGBoost and CatBoost, in an environment of their own
	.venv-boosters/bin/python -m pytest tests/boosters

coverage: .venv/dev.stamp ## measure which lines and branches the unit and integration tests run
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests/unit
	$(BIN)/coverage run -m pytest tests/integration
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

wheel: .venv/dev.stamp ## build the source distribution and the wheel into dist/
	$(UV) build --no-build-isolation --python $(BIN)/python --out-dir dist

release-notes: ## print the changelog's section of a version (VERSION=0.2.0)
	@awk '/^## /{found = ($$2 == "$(VERSION)" || $$2 == "[$(VERSION)]")} found && !/^## /{print; lines++} END{exit !lines}' CHANGELOG.md \
	  || { echo "CHANGELOG.md has no section '## $(VERSION)'" >&2; exit 1; }

format: .venv/dev.stamp ## format the code, and fix what the linter can fix
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

lock: .venv/uv.stamp ## write the locks, requirements/*.txt, again from requirements/*.in, with hashes
	@cd requirements && for name in bootstrap image onnx demo dev boosters cloud checks docs; do \
	  ../$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header --output-file $$name.txt $$name.in || exit 1; done
	@cd requirements && ../$(UV) pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --override bench.overrides \
	  --output-file bench.txt bench.in

clean: ## remove the virtual environments, caches and the demo's outputs
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis demo-output
	rm -rf build dist .coverage .coverage.*
	find $(PACKAGES) -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment keeps the Python that it was made with, so a PYTHON that is named must be the same.
ifeq ($(origin PYTHON)-$(filter clean,$(MAKECMDGOALS)),command line-)
ifneq ($(wildcard $(BIN)/python),)
ifneq ($(shell $(PYTHON) -V 2>&1),$(shell $(BIN)/python -V 2>&1))
$(error .venv was made with $(shell $(BIN)/python -V): run `make clean` before another PYTHON, or use another checkout)
endif
endif
endif

# uv installs a lock many times faster than pip does. pip installs uv alone, and checks its hash.
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

# For `make test-pythons`; `%` is a version, such as 3.12.
.venv-3.%/stamp: requirements/dev.txt .venv/uv.stamp
	@test -x .venv-3.$*/bin/python || $(UV) venv --python $(call interpreter,3.$*) .venv-3.$*
	@$(UV) $(INSTALL) --python .venv-3.$*/bin/python -r requirements/dev.txt
	@touch $@

.venv-bench/stamp: requirements/bench.txt .venv/uv.stamp
	@test -x .venv-bench/bin/python || $(UV) venv --python $(BIN)/python .venv-bench
	@$(UV) $(INSTALL) --python .venv-bench/bin/python -r requirements/bench.txt
	@touch $@

.venv-boosters/stamp: requirements/boosters.txt .venv/uv.stamp
	@test -x .venv-boosters/bin/python || $(UV) venv --python $(BIN)/python .venv-boosters
	@$(UV) $(INSTALL) --python .venv-boosters/bin/python -r requirements/boosters.txt
	@touch $@

.venv-checks/stamp: requirements/checks.txt .venv/uv.stamp
	@test -x .venv-checks/bin/python || $(UV) venv --python $(BIN)/python .venv-checks
	@$(UV) $(INSTALL) --python .venv-checks/bin/python -r requirements/checks.txt
	@touch $@

.venv-docs/stamp: requirements/docs.txt .venv/uv.stamp
	@test -x .venv-docs/bin/python || $(UV) venv --python $(BIN)/python .venv-docs
	@$(UV) $(INSTALL) --python .venv-docs/bin/python -r requirements/docs.txt
	@touch $@

include infra/aws.mk
