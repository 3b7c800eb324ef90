# SPDX-License-Identifier: Apache-2.0
#
# Each target sets up what it needs; `make help` lists them.
VENV ?= .venv
JOBS ?= 2
PYTHON := $(VENV)/bin/python
C_FILES = $(shell find runtime sparsec/run/harness tests -name '*.[ch]' 2>/dev/null)
# A module of benchmarks/ whose name starts with _ is a helper, every other one a benchmark.
BENCHMARKS = $(patsubst benchmarks/%.py,%,$(shell find benchmarks -maxdepth 1 -name '[a-z]*.py' 2>/dev/null | sort))

export VENV PIP_INSTALL_FLAGS
.DEFAULT_GOAL := help
FUZZ_SECONDS ?= 300
.PHONY: help setup demo test test-clang fuzz lint format calibrate calibrate-code bench clean

help: ## list the targets
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 16
	@echo
	@echo 'JOBS=N sets the parallel test processes (2); PIP_INSTALL_FLAGS="..." goes to every pip install.'

setup: ## build .venv, install the cross compiler, QEMU and CMSIS-NN; skips what is there
	@scripts/setup

demo: setup ## train-to-device tour: compile LeNet, run it on QEMU, print the table
	@$(PYTHON) -m examples.demo

test: setup ## every test: filecheck (lit) and pytest; prints the CPU seconds
	@$(PYTHON) -m tests --jobs $(JOBS)

test-clang: setup ## the kernels' tests on Cortex-M4 and M55 as clang compiles them; prints the CPU seconds
	@$(PYTHON) -m tests.clang --jobs $(JOBS)

fuzz: setup ## property tests on new random examples for FUZZ_SECONDS (300); FUZZ_SEED=N repeats a run
	@$(PYTHON) -m tests.fuzz --jobs $(JOBS) --seconds $(FUZZ_SECONDS) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED))

lint: setup ## ruff, pyright (strict) and clang-format, without changing a file
	@status=0; \
	$(VENV)/bin/ruff check || status=1; \
	$(VENV)/bin/ruff format --check || status=1; \
	$(if $(C_FILES),$(VENV)/bin/clang-format --dry-run --Werror $(C_FILES) || status=1;) \
	$(VENV)/bin/pyright || status=1; \
	exit $$status

format: setup ## apply ruff's fixes and both formatters
	@$(VENV)/bin/ruff check --fix --exit-zero
	@$(VENV)/bin/ruff format
	@$(if $(C_FILES),$(VENV)/bin/clang-format -i $(C_FILES),:)

calibrate: setup ## measure every kernel on QEMU, or KERNELS="NAME .." only, and refit the cost model
	@$(PYTHON) -m sparsec.calibration $(KERNELS)

calibrate-code: setup ## link every kernel for every core and note what code it brings
	@$(PYTHON) -m sparsec.calibration.code_sizes

bench: setup ## every benchmark; each prints a table and writes benchmarks/results/NAME.json
	@status=0; for name in $(BENCHMARKS); do $(PYTHON) -m benchmarks.$$name || status=1; done; exit $$status

bench-%: setup ## one benchmark: make bench-NAME
	@$(PYTHON) -m benchmarks.$(subst -,_,$*)

clean: ## remove caches and build outputs; keeps .venv
	@rm -rf build dist .lit .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
