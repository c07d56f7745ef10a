"""Seconds of a training step with all, hidden and dropped visual tokens; see `--help`.

The third stage's parameters train (sampling module, projector and LoRA) on a model with random
weights; visual tokens come as random tower features. A step is forward, backward, clipping and
AdamW on one sample, the same in every mode; the modes take turns in one process, and a ratio
compares a mode with the hidden tokens of the same turn. Operations are those that torch counts in a
step, with attention as the whole square in all modes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict

import torch
from memory import PeakMemory, keep_freed
from random_model import build, describe_model, model_options, prompt_inputs
from script import finish, spread, turns
from timing import sample_as
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from groundvts.errors import BadInput
from groundvts.records import recording, write_json
from groundvts.training.stages import StageSettings, stage_model

RATES = dict.fromkeys(("vts", "projector", "lora"), 1e-4)
ANSWER = 12  # tokens with a label
IGNORED = -100
MODES = {
    "masked": {"drop": "masked"},
    "dropped": {"drop": "real"},
    "full": {"drop": "real", "ratio": 1.0},
}
ON_CPU = {  # torch's counter knows the same operators of GPUs
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v)
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda gradient, q, k, v, *_, **__: sdpa_backward_flop_count(gradient, q, k, v)
    ),
}


class Step:
    """One model in training, one sample, and every mode of training on it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.base = build(options)
        self.inputs = prompt_inputs(self.base, options.visual, options.text)
        self.describe = describe_model(self.base, options.backbone)
        self.start = {**self.base.config.vts, "ratio": options.ratio}
        labels = self.inputs["input_ids"].clone()
        labels[:, :-ANSWER] = IGNORED
        self.inputs["query_mask"][:, -ANSWER:] = False
        self.inputs["labels"] = labels
        self.model = stage_model(self.base, StageSettings([], RATES), None).train()
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-5)
        self.trained = trained

    def __call__(self, mode: str) -> float:
        """Seconds of a step."""
        sample_as(self.base, {**self.start, **MODES[mode]})
        began = self._now()
        self.model(**self.inputs).loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return self._now() - began

    def _now(self) -> float:
        if self.base.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def cost(self, mode: str) -> dict:
        """Operations and peak memory of a step; it also warms up."""
        with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
            self(mode)
        with PeakMemory(self.base.device) as peak:
            self(mode)
        return {"flops": counter.get_total_flops(), "peak_bytes": peak.bytes}


def measure(step: Step, repeats: int) -> dict:
    """Each mode's time, operations and memory, and their ratios to those of hidden tokens."""
    found = {mode: step.cost(mode) for mode in MODES}
    seconds = defaultdict(list)
    for mode in turns(list(MODES), repeats):
        seconds[mode].append(step(mode))
    hidden = seconds["masked"]
    for mode, entry in found.items():
        ratios = [ours / own for ours, own in zip(seconds[mode], hidden, strict=True)]
        entry["seconds"], entry["time_ratio"] = spread(seconds[mode]), spread(ratios)
        entry["flop_ratio"] = entry["flops"] / found["masked"]["flops"]
        entry["quotient"] = entry["time_ratio"]["median"] / entry["flop_ratio"]
    return {"modes": found}


def run(options: argparse.Namespace) -> None:
    if options.repeats < 1:
        raise BadInput(f"--repeats {options.repeats}: measure at least once")
    if not 0 < options.ratio < 1:
        raise BadInput(f"--ratio {options.ratio}: name a share to keep, between 0 and 1")
    if options.text < 4 * ANSWER:
        raise BadInput(f"--text {options.text}: name at least {4 * ANSWER}, {ANSWER} are answered")
    settings = {key: value for key, value in vars(options).items() if key != "out"}
    keep_freed()
    with recording("benchmark-training-step", settings, {}) as record:
        torch.manual_seed(0)
        step = Step(options)
        record["model"] = step.describe
        record["ratio"] = options.ratio
        record["visual"], record["text"] = options.visual, options.text
        record |= measure(step, options.repeats)
    write_json(options.out, record)
    for mode, entry in record["modes"].items():
        time_ratio = entry["time_ratio"]
        print(
            f"{mode:8} {entry['seconds']['median']:7.3f} s  time {time_ratio['median']:.3f} "
            f"({time_ratio['low']:.3f} to {time_ratio['high']:.3f})  operations "
            f"{entry['flop_ratio']:.3f}  quotient {entry['quotient']:.3f}  "
            f"peak {entry['peak_bytes'] / 1e9:.2f} GB"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    model_options(parser)
    parser.add_argument("--ratio", type=float, default=0.5, help="share of tokens kept (0.5)")
    parser.add_argument("--repeats", type=int, default=4, help="turns of each mode (4)")
    return finish(parser, run)


if __name__ == "__main__":
    sys.exit(main())
