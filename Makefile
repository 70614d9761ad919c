# Two commands: `make demo` and `make test`. Both need only Python 3.11 or newer, and use uv where it is present.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
DEMO_HOME := $(CURDIR)/.demo
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo test tools test-real test-slow lint bench picture clean

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

$(VENV)/.core: pyproject.toml constraints.txt
	@test -d $(VENV) || $(if $(UV),$(UV) venv -q --python $(PYTHON) $(VENV),$(PYTHON) -m venv $(VENV))
	$(if $(UV),$(UV) pip install -q --python $(BIN)/python,$(BIN)/python -m pip install -q --disable-pip-version-check) \
		-c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core requirements-dev.txt
	$(if $(UV),$(UV) pip install -q --python $(BIN)/python,$(BIN)/python -m pip install -q --disable-pip-version-check) \
		-c constraints.txt -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.core ## Deploy to this machine, hear it talk, remove it
	@rm -rf $(DEMO_HOME)
	PLEXCTL_HOME=$(DEMO_HOME) $(BIN)/plexctl deploy --provider local --name demo --engine echo --yes
	PLEXCTL_HOME=$(DEMO_HOME) $(BIN)/plexctl destroy demo --yes

test: $(VENV)/.dev ## Everything that needs no system packages, containers or torch
	$(PYTEST) -m "not real and not live and not alone" --numprocesses 2
	$(PYTEST) -m "alone and not real"
	@echo "left out: tests marked 'real' (torch, containers, system packages): make test-real"

lint: $(VENV)/.dev ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

tools: $(VENV)/.dev ## What the tests marked 'real' need: system packages, voice servers, images
	tests/real/install.sh
	@test "$$(id -u)" != 0 || $(BIN)/python -m tests.machines.images # their tests say themselves that they need root

test-real: tools ## Real voice servers, containers, hosts, validators, other people's clients
	$(PYTEST) -m "real and not slow and not alone" --numprocesses 2
	$(PYTEST) -m "real and alone and not slow"
	@echo "left out: tests marked 'slow' (every point where this takes some): make test-slow"

test-slow: tools ## What test-real takes a sample of, all of it
	$(PYTEST) -m "real and slow"

bench: $(VENV)/.dev ## Figures of the documents, each compared in one run
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/plan.py
	$(BIN)/python bench/gateway.py
	$(BIN)/python bench/probe.py
	$(BIN)/python bench/weights.py

picture: $(VENV)/.dev ## The README's picture of a real run
	$(BIN)/python scripts/picture.py docs/deploy.svg

clean: ## Remove what the targets made
	rm -rf $(VENV) $(DEMO_HOME) build dist
