"""Prefill of a random-weight model with all, hidden and dropped visual tokens; see `--help`.

Visual tokens come as random tower features: what is timed is the sampling module and the language
model up to the first new token. The modes take turns in one process; a ratio compares a mode with
the full sequence of the same turn.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass, field

import torch
from attention import Seen, kernel_seconds, skips_hidden_half, top_operators
from random_model import build, describe_model, model_options, prompt_inputs
from script import finish, spread, turns
from timing import Stopwatch, cache_bytes, sample_as

from groundvts.errors import BadInput
from groundvts.models.flops import Prompt, attention_flops, query_flops
from groundvts.models.parts import projector
from groundvts.models.vts_config import VTSConfig
from groundvts.records import recording, write_json

TOLERANCE = 0.1  # of the time ratio, relative to the ratio of the operations
STAGES = ("scores", "post-MLP", "sequence", "language model")


@dataclass(frozen=True)
class Mode:
    """One way to read the prompt; `ratio` None: without sampling; `how` are further settings."""

    kind: str
    ratio: float | None = None
    how: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.kind if self.ratio is None else f"{self.kind} {self.ratio:g}"


class Prefill:
    """One model, one prompt, and every mode of reading it."""

    def __init__(self, model, inputs: dict) -> None:
        self.model, self.inputs, self.vts = model, inputs, model.vts
        self.start = model.config.vts
        grid = tuple(inputs["video_grid_thw"][0].tolist())
        self.prompt = Prompt(grid, inputs["input_ids"].shape[1])

    def use(self, mode: Mode) -> None:
        """Sets the model to a mode."""
        self.model.vts = None
        if mode.ratio is not None:
            drop = "masked" if mode.kind == "masked" else "real"
            self.model.vts = self.vts
            sample_as(self.model, {**self.start, "ratio": mode.ratio, "drop": drop, **mode.how})

    @torch.inference_mode()
    def __call__(self, mode: Mode) -> tuple[dict[str, float], object]:
        """Seconds by stage, and what the model returns."""
        self.use(mode)
        watch = Stopwatch(self.model.device)
        parts = {"projector": projector(self.model), "language model": self.model}
        parts |= {"scores": self.vts, "post-MLP": self.vts.post_mlp}
        with watch.watching(parts):
            with watch.part("sequence"):
                reduced = self.model.reduce(**self.inputs)
            output = self.model(**reduced.forward_inputs(), use_cache=True, logits_to_keep=1)
        seconds = {stage: watch.seconds[stage] for stage in STAGES}
        return {**seconds, "prefill": sum(seconds.values())}, output


def measure(prefill: Prefill, modes: list[Mode], repeats: int) -> dict:
    """Every mode's time and operations; the first is what the others are compared with."""
    kernels = kernel_seconds(prefill.model, prefill.prompt.length)
    found = {mode.name: describe(prefill, mode, kernels) for mode in modes}
    by_name = {mode.name: mode for mode in modes}
    seconds: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for name in turns(list(by_name), repeats):
        for stage, spent in prefill(by_name[name])[0].items():
            seconds[name][stage].append(spent)
    full = modes[0].name
    for name, entry in found.items():
        times = zip(seconds[name]["prefill"], seconds[full]["prefill"], strict=True)
        entry["seconds"] = {stage: spread(values) for stage, values in seconds[name].items()}
        entry["time_ratio"] = spread([ours / whole for ours, whole in times])
        entry["flop_ratio"] = total(entry["flops"]) / total(found[full]["flops"])
        entry["quotient"] = entry["time_ratio"]["median"] / entry["flop_ratio"]
        entry["within"] = abs(entry["quotient"] - 1) <= TOLERANCE
    missed = [e for e in found.values() if e["kind"] == "dropped" and not e["within"]]
    for entry in [found[full], *missed] if missed else []:
        mode = by_name[entry["name"]]
        entry["profile"] = top_operators(lambda mode=mode: prefill(mode), prefill.model.device)
    return {
        "attention_kernel": {"seconds": kernels, "skips_hidden_half": skips_hidden_half(kernels)},
        "modes": list(found.values()),
        **shares(prefill, found, full),
    }


def describe(prefill: Prefill, mode: Mode, kernels: dict) -> dict:
    """What a mode reads and costs; also warms it up."""
    with Seen() as seen:
        _, output = prefill(mode)
    kernel = "causal" if seen.only_causal and skips_hidden_half(kernels) else "square"
    held = output.past_key_values
    sampling = VTSConfig.from_dict(prefill.model.config.vts)
    after = sampling.prune_after if mode.ratio and sampling.inside else 0
    hide = mode.kind == "masked"
    counted = query_flops(
        prefill.model.config, prefill.prompt, mode.ratio, kernel, hide=hide, after=after
    )
    if mode.how and not prefill.vts.scores_tokens:
        counted["scores"] = 0
    return {
        "name": mode.name,
        "kind": mode.kind,
        "ratio": mode.ratio or 1.0,
        "tokens": held.get_seq_length(len(held.layers) - 1),
        "attention": kernel,
        "attention_called": seen.words,
        "cache_bytes": cache_bytes(held),
        "flops": {stage: counted[stage] for stage in ("scores", "post-MLP", "prefill")},
    }


def total(flops: dict) -> int:
    return sum(flops.values())


def shares(prefill: Prefill, found: dict, full: str) -> dict:
    """Of the full prefill: attention's share of its operations, and what sampling adds in time."""
    text, whole = prefill.model.config.text_config, found[full]
    median = whole["seconds"]["prefill"]["median"]
    sampled = [entry for entry in found.values() if entry["name"] != full]
    added = {
        stage: max(entry["seconds"][stage]["median"] for entry in sampled) / median
        for stage in ("scores", "post-MLP")
    }
    attention = attention_flops(text, prefill.prompt.length, whole["attention"])
    speed = total(whole["flops"]) / median
    return {
        "attention_share": attention / total(whole["flops"]),
        "added_share": added,
        "operations_per_second": speed,
    }


def modes_of(ratios: list[float]) -> list[Mode]:
    """All tokens, then hidden and dropped ones at each ratio."""
    return [Mode("full"), *(Mode(kind, r) for r in ratios for kind in ("masked", "dropped"))]


def run(options: argparse.Namespace) -> None:
    if options.repeats < 1:
        raise BadInput(f"--repeats {options.repeats}: measure at least once")
    if not all(0 < ratio < 1 for ratio in options.ratios):
        raise BadInput(f"--ratios {options.ratios}: name shares to keep, between 0 and 1")
    settings = {key: value for key, value in vars(options).items() if key != "out"}
    with recording("benchmark-prefill", settings, {}) as record:
        torch.manual_seed(0)
        model = build(options)
        prefill = Prefill(model, prompt_inputs(model, options.visual, options.text))
        record["model"] = describe_model(model, options.backbone)
        record["visual"], record["text"] = options.visual, options.text
        record |= measure(prefill, modes_of(options.ratios), options.repeats)
    write_json(options.out, record)
    show(record)


def show(record: dict) -> None:
    for mode in record["modes"]:
        time, seconds = mode["time_ratio"], mode["seconds"]["prefill"]["median"]
        print(
            f"{mode['name']:14} {seconds:7.3f} s  time {time['median']:.3f} "
            f"({time['low']:.3f} to {time['high']:.3f})  operations {mode['flop_ratio']:.3f}  "
            f"quotient {mode['quotient']:.3f}"
        )
    added = record["added_share"]
    print(
        f"of a full prefill: scores and top-K {100 * added['scores']:.2f} %, post-MLP "
        f"{100 * added['post-MLP']:.2f} %; attention {100 * record['attention_share']:.1f} % of "
        "its operations"
    )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    model_options(parser)
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.5, 0.25])
    parser.add_argument("--repeats", type=int, default=4, help="turns of each mode (4)")
    return parser


def main() -> int:
    return finish(parser(), run)


if __name__ == "__main__":
    sys.exit(main())
