#!/usr/bin/env bash
# Run by Snakemake in a conda environment that it has just made: installs the checkout's own package.
# Start `snakemake --sdm conda` in the checkout; its libraries are in the environment already.
set -euo pipefail

if [[ ! -f pyproject.toml || ! -d src/groundvts ]]; then
    echo "$PWD: not the checkout: start snakemake in the folder of its Snakefile" >&2
    exit 1
fi
python -m pip install --no-deps --editable .
