VENV := .venv
PYTHON_IN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
PIP := $(PYTHON_IN) -m pip --disable-pip-version-check
ARGS :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo serve test check format lint types imports tidy crash bench docs gen \
	constraints clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Create .venv and install everything, pinned; again only when needed
	@:

$(INSTALLED): pyproject.toml constraints.txt scripts/make_venv.sh
	@sh scripts/make_venv.sh $(VENV)
	@echo "setup: installing the pinned dependencies into $(VENV); the first time takes a minute"
	@$(PIP) install --quiet --constraint constraints.txt --upgrade pip
	@PYTHONWARNINGS=ignore $(PIP) install --quiet --constraint constraints.txt \
		--build-constraint constraints.txt --editable . --group dev
	@touch $@

demo: setup ## Ask real questions of real storms: a database, a server, tables
	@$(VENV)/bin/tsvec demo $(ARGS)

serve: setup ## Serve ./tsvec-data on 127.0.0.1:8710; ARGS="--help" lists options
	@$(VENV)/bin/tsvec serve $(ARGS)

test: setup ## Run the whole suite; ARGS="-k name" runs a part
	@$(PYTHON_IN) -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

check: format lint types imports tidy ## Format, lint, types, import contracts, house rules, generated files
	@$(PYTHON_IN) -m sdk_gen --check

format: setup
	@$(PYTHON_IN) -m ruff format --check .

lint: setup
	@$(PYTHON_IN) -m ruff check .

types: setup
	@$(PYTHON_IN) -m mypy

imports: setup
	@$(VENV)/bin/lint-imports

tidy: setup
	@$(PYTHON_IN) -m pytest -q tests/tidy

crash: setup ## Kill the database at every fail point and at random, the long form
	@TSVEC_CRASH=long $(PYTHON_IN) -m pytest -m crash tests/crash $(ARGS)

bench: setup ## Measure; ARGS="--data DIR" adds the large data sets
	@$(PYTHON_IN) -m benchmarks $(ARGS)

docs: gen ## Regenerate the reference pages and check every link
	@$(PYTHON_IN) -m pytest -q tests/tidy/test_docs.py

gen: setup ## Regenerate what follows from openapi/ and the model
	@$(PYTHON_IN) -m sdk_gen

constraints: ## Resolve pyproject.toml anew into constraints.txt (needs Python 3.11)
	@sh scripts/make_venv.sh build/resolver
	@build/resolver/bin/python -m pip install --quiet --upgrade pip
	@build/resolver/bin/python -m pip install --quiet --dry-run --ignore-installed \
		--report build/resolution.json . --group dev pip setuptools
	@build/resolver/bin/python scripts/constraints.py < build/resolution.json > build/constraints.txt
	@mv build/constraints.txt constraints.txt

clean: ## Remove .venv, caches and build leftovers
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
