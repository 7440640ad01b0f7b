# The README's two commands, `make demo` and `make test`, do all their own set-up in .venv; `make check` is for changes.
# make test SELECT='-m "not once"' leaves out what is slow and the same with every release.
# Another interpreter has an environment of its own: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := -m pip install --quiet --disable-pip-version-check
PYTEST := -m pytest -n auto --dist loadscope -q $(SELECT)

.PHONY: demo test test-numeric test-lowest coverage wheel check docs clean

demo: $(VENV)/ready
	$(BIN)/reprq study figures/digits.toml

test: $(VENV)/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST)

# The tests again with the share of lines that they run; from Python 3.12 on the interpreter counts them itself, almost
# for nothing, so continuous integration does this with the newest Python: make coverage PYTHON=python3.13 VENV=.venv-3.13
coverage: $(VENV)/ready-dev
	COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")') \
		OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST) --cov --cov-report=term:skip-covered

# What is published, built and used in an empty environment.
wheel: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/wheel.py

# Numbers must not hang on the processor: the tests of numbers again with the matrix products of another (OpenBLAS,
# which torch does not use).
NUMERIC := $(foreach part,numerics statistics metrics detectors evaluation,tests/$(part) reprq/$(part)) tests/test_forms_of_arrays.py tests/test_identifiers.py
KERNEL ?= $(if $(filter x86_64 amd64 AMD64,$(shell uname -m)),Nehalem,ARMV8)
test-numeric: $(VENV)/ready-dev
	@OPENBLAS_CORETYPE=$(KERNEL) $(BIN)/python -c 'import scipy.linalg, threadpoolctl as t; print("BLAS kernels:", *{b.get("architecture", b["internal_api"]) for b in t.threadpool_info() if b["user_api"] == "blas"})'
	OPENBLAS_CORETYPE=$(KERNEL) OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST) $(NUMERIC) --ignore=tests/detectors/deep --ignore=reprq/detectors/deep

# With the oldest releases that pyproject.toml allows.
test-lowest: .venv-lowest/ready
	OMP_NUM_THREADS=1 .venv-lowest/bin/python $(PYTEST)

docs: $(VENV)/ready-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

check: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Installed again whenever pyproject.toml changes.
$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'reprq needs Python 3.11 or later; set PYTHON=' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) --editable .
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/python $(PIP) --editable '.[dev,docs]'
	@touch $@

.venv-lowest/ready: pyproject.toml tests/lowest.py
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python tests/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python $(PIP) --constraint .venv-lowest/constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf .venv .venv-* runs build
