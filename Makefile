# make        set up .venv and run the toy reproduction (the main job)
# make test   set up and run the tests
# make setup  only set up;  make lint  the style checks
# make demo   a page on this machine to try the models that `make` trained
SHELL := bash
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: all setup test lint demo

all: setup
	.venv/bin/python workflow/unlock.py
	.venv/bin/snakemake --cores all --rerun-incomplete
	@echo "Open results/toy/index.html"

setup: .venv/.stamp

.venv/.stamp: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -r requirements.lock
	.venv/bin/python -m pip install --no-deps --no-build-isolation -e .
	touch $@

test: setup
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist loadfile

demo: setup
	.venv/bin/python -m pip install -q -r requirements-demo.lock
	.venv/bin/groundvts demo

lint: setup
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/snakefmt --check Snakefile workflow
	$(if $(wildcard notebooks/*.ipynb),.venv/bin/nbstripout --verify notebooks/*.ipynb)
	.venv/bin/snakemake --lint
