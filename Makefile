# One verb per task; `make help` lists them. Each verb makes its own environment in .venv.
# `make <verb> PYTHON=python3` uses that interpreter as it is: no environment, no network.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help env demo test test-unit test-jobs test-mpi test-scripts test-bits test-gpu test-cluster lint type bench docs clean

ifeq ($(origin PYTHON),command line)
PY := $(PYTHON)
READY :=
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
else
PY := .venv/bin/python
READY := .venv/.ready
endif

# One thread per process: tests are small, and ranks share the cores.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
RANKS ?= 1 2 4
say = @printf '\n\033[1m== %s\033[0m\n' "$(1)"

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' \
		| awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

env: $(READY)  ## the environment in .venv, with everything the other verbs need

.venv/.ready: pyproject.toml
	$(call say,environment in .venv (about 300 MB; the first time takes a minute or two))
	@if [ ! -x .venv/bin/python ]; then \
		python=""; \
		for p in python3.13 python3.12 python3.11 python3; do \
			if $$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
				>/dev/null 2>&1; then python=$$p; break; fi; \
		done; \
		if [ -z "$$python" ]; then echo "no Python 3.11, 3.12 or 3.13 found in PATH" >&2; exit 1; fi; \
		echo "python: $$($$python --version)"; $$python -m venv .venv; \
	fi
	.venv/bin/python -m pip install --disable-pip-version-check -e '.[dev,examples]'
	@touch $@

demo: $(READY)  ## train a small GPT on two ranks (about a minute)
	$(call say,isograd run -n 2 examples/gpt.py)
	@$(PY) -m isograd.launch run -n 2 examples/gpt.py

test: test-unit test-jobs test-mpi  ## unit tests, jobs, then the MPI tests on 1, 2 and 4 ranks

test-unit: $(READY)
	$(call say,unit tests)
	@$(ONE_THREAD) $(PY) -m pytest -m "not gpu and not mpi and not job"

test-jobs: $(READY)  ## what starts jobs of several ranks: scripts, checkpoints, kills
	$(call say,jobs)
	@$(ONE_THREAD) $(PY) -m pytest -m "job and not gpu"

test-mpi: $(READY)
	@for n in $(RANKS); do \
		printf '\n\033[1m== MPI tests on %s rank(s)\033[0m\n' $$n; \
		$(ONE_THREAD) PYTHON=$(PY) tools/mpi_test.sh $$n; \
	done

test-scripts: $(READY)  ## ten unchanged scripts on 1, 2, 3 and 4 ranks (several minutes)
	$(call say,unchanged scripts)
	@ISOGRAD_ALL_SCRIPTS=1 $(ONE_THREAD) $(PY) -m pytest tests/scripts

test-bits: $(READY)  ## the same bits after 200 steps at W = 1, 2, 3, 4, 5, 8 (several minutes)
	$(call say,the same bits)
	@ISOGRAD_ALL_BITS=1 $(ONE_THREAD) $(PY) -m pytest tests/bits

test-gpu: $(READY)  ## the tests that need an NVIDIA GPU
	$(call say,GPU tests)
	@$(PY) -m pytest -m gpu

test-cluster: $(READY)  ## several emulated hosts with ssh on this machine (needs root)
	$(call say,cluster tests)
	@PYTHON=$(PY) cluster/test.sh

lint: $(READY)  ## ruff, format, import rules; lines per folder
	$(call say,ruff)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	$(call say,imports point down)
	@$(PY) -c 'from importlinter.cli import lint_imports_command as main; main(["--no-cache"])'
	$(call say,size)
	@$(PY) tools/size.py

type: $(READY)  ## mypy --strict on the package
	$(call say,mypy)
	@$(PY) -m mypy

bench: $(READY)  ## every benchmark, one after the other
	@for f in benchmarks/[!_]*.py; do \
		printf '\n\033[1m== %s\033[0m\n' $$f; $(PY) $$f; \
	done

docs: $(READY)  ## API reference in build/docs/index.html
	$(call say,API reference)
	@$(PY) -m pdoc --docformat google --math -o build/docs isograd \
		'!isograd.kernels.cublas' '!isograd.tensor.backends.cupy_backend'  # need CuPy to import
	@echo "build/docs/index.html"

clean:  ## remove builds and caches (.venv stays)
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 -r rm -rf
