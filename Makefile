# The README's two commands, `make demo` and `make test`, do all their own set-up in .venv; `make check` is for changes.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check docs clean

demo: .venv/ready
	$(BIN)/reprq study figures/digits.toml

test: .venv/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadscope -q

docs: .venv/ready-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Installed again whenever pyproject.toml changes.
.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'reprq needs Python 3.11 or later; set PYTHON=' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,docs]'
	@touch $@

clean:
	rm -rf .venv runs build
