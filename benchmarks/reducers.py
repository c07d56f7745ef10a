"""Prefill of a random-weight model with each way to reduce visual tokens; see `--help`.

As prefill.py, whose modes, turns and counts these are: what is timed is the choice, the merging and
the language model up to the first new token, from random tower features. Peak memory is that of one
prefill over the model's own.
"""

from __future__ import annotations

import argparse
import sys

import torch
from memory import PeakMemory, keep_freed
from prefill import Mode, Prefill, measure
from random_model import build, describe_model, model_options, prompt_inputs
from script import finish

from groundvts.errors import BadInput
from groundvts.models.samplers import SAMPLERS
from groundvts.records import recording, write_json

COMPARED = [name for name in SAMPLERS if name not in ("none", "cosine", "frame_vts")]


def run(options: argparse.Namespace) -> None:
    if options.repeats < 1:
        raise BadInput(f"--repeats {options.repeats}: measure at least once")
    if unknown := sorted(set(options.samplers) - set(SAMPLERS) - {"none"}):
        raise BadInput(f"--samplers: no sampler {unknown[0]!r}; there are {', '.join(SAMPLERS)}")
    settings = {key: value for key, value in vars(options).items() if key != "out"}
    with recording("benchmark-reducers", settings, {}) as record:
        torch.manual_seed(0)
        keep_freed()
        model = build(options)
        prefill = Prefill(model, prompt_inputs(model, options.visual, options.text))
        modes = [Mode("full"), *(Mode(n, options.ratio, settings_of(n)) for n in options.samplers)]
        record["model"] = describe_model(model, options.backbone)
        record["visual"], record["text"] = options.visual, options.text
        record |= measure(prefill, modes, options.repeats)
        for entry, mode in zip(record["modes"], modes, strict=True):
            with PeakMemory(model.device) as peak:
                prefill(mode)
            entry["peak_bytes"] = peak.bytes
    write_json(options.out, record)
    show(record)


def settings_of(sampler: str) -> dict:
    """How a sampler is timed: only GroundVTS weights the kept tokens by score."""
    return {"sampler": sampler, "weights": "score" if sampler == "vts" else "constant"}


def show(record: dict) -> None:
    for mode in record["modes"]:
        time = mode["time_ratio"]
        print(
            f"{mode['name']:26} {mode['seconds']['prefill']['median']:7.3f} s  time "
            f"{time['median']:.3f} ({time['low']:.3f} to {time['high']:.3f})  operations "
            f"{mode['flop_ratio']:.3f}  peak {mode['peak_bytes'] / 1e9:.2f} GB"
        )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    model_options(parser)
    parser.add_argument("--samplers", nargs="+", default=COMPARED)
    parser.add_argument("--ratio", type=float, default=0.25, help="share of tokens kept (0.25)")
    parser.add_argument("--repeats", type=int, default=4, help="turns of each mode (4)")
    return parser


def main() -> int:
    return finish(parser(), run)


if __name__ == "__main__":
    sys.exit(main())
