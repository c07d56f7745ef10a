"""Seconds of a query by stage, and its memory, for a model folder and real videos; see `--help`.

The same weights read all tokens (ratio 1), hide the others, or drop them; the three take turns,
query by query, a query at a time, and write equally many new tokens, whether or not an answer ends
before. Every file has been read once before it is timed.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import torch
from memory import PeakMemory
from queries import Query, choose
from script import finish, spread
from timing import Stopwatch, cache_bytes, sample_as

from groundvts.data.features import PixelSource
from groundvts.data.inputs import Encoder
from groundvts.data.isolated import run_isolated
from groundvts.data.video import Frames, FrameSampling, read_frames
from groundvts.errors import BadInput, RunFailed
from groundvts.inference.ground import OneVideo, manifest
from groundvts.inference.predict import prompt_batch
from groundvts.models.flops import Prompt, query_flops
from groundvts.models.load import load_model
from groundvts.models.parts import projector, tower
from groundvts.prompts import Prompts
from groundvts.records import recording, write_json

MODES = {
    "full": {"ratio": 1.0, "drop": "real"},
    "masked": {"drop": "masked"},
    "dropped": {"drop": "real"},
}
TIMEOUT_S = 3600  # for all queries once
STAGES = ("vision tower", "projector", "scores", "post-MLP", "sequence", "prefill", "decode")


class Asked:
    """A model folder, and all that is needed to ask it in any mode for `new` tokens."""

    def __init__(self, model: str, new: int) -> None:
        known = manifest(model)
        self.encoder = Encoder(model)
        settings = self.encoder.frames if known["frames"] is None else known["frames"]
        self.sampling = FrameSampling.read(settings)
        self.prompts = Prompts(known["prompts"], Path(model) / "groundvts.json")
        self.model, self.new = load_model(model, {}), new
        self.settings = {mode: {**self.model.config.vts, **more} for mode, more in MODES.items()}

    def prepare(self, query: Query, frames: Frames) -> dict:
        """Model inputs of one query."""
        source = PixelSource(OneVideo(query.moment.video, frames), self.encoder)
        inputs = prompt_batch(self.encoder, source, [query.moment], self.prompts)
        return {key: value.to(self.model.device) for key, value in inputs.items()}

    @torch.inference_mode()
    def answer(self, mode: str, inputs: dict) -> dict:
        """Seconds by stage, the answer's new tokens, and what prefill leaves in the cache."""
        model, watch, held = self.model, Stopwatch(self.model.device), {}
        sample_as(model, self.settings[mode])
        parts = {"vision tower": tower(model), "projector": projector(model)}
        parts |= {"scores": model.vts, "post-MLP": model.vts.post_mlp}
        with watch.watching(parts):
            with watch.part("sequence"):
                reduced = model.reduce(**inputs)
            with watch.part("decode"), first_call(model, watch, held):
                new = model.generate_from(
                    reduced,
                    min_new_tokens=self.new,
                    max_new_tokens=self.new,
                    do_sample=False,
                    eos_token_id=self.encoder.end_of_turn,
                    pad_token_id=self.encoder.pad,
                )
        seconds = {stage: watch.seconds[stage] for stage in STAGES}
        return {"seconds": seconds, "new": new[0].tolist(), **held}


@contextmanager
def first_call(model, watch: Stopwatch, held: dict):
    """Times the first call of the model as `prefill`; `held` gets its cache's tokens and bytes."""

    def begin(*_):
        watch.enter("prefill")

    def end(_, __, output):
        watch.leave()
        cache = output.past_key_values
        held.update(tokens=cache.get_seq_length(), cache_bytes=cache_bytes(cache))
        for hook in hooks:
            hook.remove()

    hooks = [model.register_forward_pre_hook(begin), model.register_forward_hook(end)]
    yield


def measure(options: argparse.Namespace, queries: list[Query]) -> dict:
    """Seconds a query of each stage, in every repeat its mean over the queries."""
    asked = Asked(options.model, options.new_tokens)
    answers: dict[str, dict[str, dict]] = {mode: {} for mode in MODES}
    seconds = defaultdict(lambda: defaultdict(lambda: [0.0] * options.repeats))
    for repeat in range(-1, options.repeats):  # the first warms up
        for number, query in enumerate(queries):
            watch = Stopwatch(asked.model.device)
            with watch.part("read"):
                frames = read_frames(query.video, asked.sampling)
            with watch.part("prepare"):
                inputs = asked.prepare(query, frames)
            found = {mode: asked.answer(mode, inputs) for mode in order(repeat + number)}
            for mode, answer in found.items():
                answers[mode][query.moment.id] = describe(asked, mode, inputs, answer)
                spent = {**watch.seconds, **answer["seconds"]}
                for stage, value in spent.items() if repeat >= 0 else ():
                    seconds[mode][stage][repeat] += value / len(queries)
    return {
        "parameters": sum(parameter.numel() for parameter in asked.model.parameters()),
        "modes": {
            mode: {"ratio": asked.settings[mode]["ratio"], **summary(seconds[mode], answers[mode])}
            for mode in MODES
        },
        "equal_answers": sum(
            answers["masked"][query]["new"] == answer["new"]
            for query, answer in answers["dropped"].items()
        ),
    }


def order(turn: int) -> list[str]:
    """The modes in the order of a turn."""
    return list(MODES)[:: -1 if turn % 2 else 1]


def describe(asked: Asked, mode: str, inputs: dict, answer: dict) -> dict:
    """What an answer costs in tokens, bytes and operations."""
    prompt = Prompt(tuple(inputs["video_grid_thw"][0].tolist()), inputs["input_ids"].shape[1])
    hide, ratio = mode == "masked", asked.settings[mode]["ratio"]
    kernel = "square" if hide else "causal"
    flops = query_flops(asked.model.config, prompt, ratio, kernel, hide, len(answer["new"]))
    kept = {key: answer[key] for key in ("new", "tokens", "cache_bytes")}
    return {**kept, "flops": flops, "length": prompt.length}


def summary(seconds: dict[str, list[float]], answers: dict[str, dict]) -> dict:
    """A mode's row: seconds by stage, and means over the queries."""
    found = list(answers.values())

    def mean(values) -> float:
        return sum(values) / len(found)

    steps = len(found[0]["new"]) - 1
    stages = {stage: spread(values) for stage, values in seconds.items()}
    stages["query"] = spread([sum(repeat) for repeat in zip(*seconds.values(), strict=True)])
    return {
        "seconds": stages,
        "decode_per_token": stages["decode"]["median"] / steps if steps else None,
        "new_tokens": steps + 1,
        "prompt_tokens": mean(one["length"] for one in found),
        "cache_tokens": mean(one["tokens"] for one in found),
        "cache_bytes": mean(one["cache_bytes"] for one in found),
        "flops": {key: mean(one["flops"][key] for one in found) for key in found[0]["flops"]},
    }


def peak_bytes(model: str, mode: str, new: int, queries: list[Query]) -> int:
    """Most memory that answering takes over what the loaded, used model already had."""
    asked = Asked(model, new)
    inputs = [asked.prepare(one, read_frames(one.video, asked.sampling)) for one in queries]
    asked.answer(mode, inputs[0])
    with PeakMemory(asked.model.device) as peak:
        for one in inputs:
            asked.answer(mode, one)
    return peak.bytes


def memory(options: argparse.Namespace, queries: list[Query]) -> dict[str, int]:
    """Peak memory of each mode, in a process of its own."""
    found = {}
    for mode in MODES:
        job = (options.model, mode, options.new_tokens, queries)
        [outcome] = run_isolated(peak_bytes, {mode: job}, 1, TIMEOUT_S)
        if outcome.reason is not None:
            raise RunFailed(f"{options.model}, memory of {mode}: {outcome.reason}")
        found[mode] = outcome.value
    return found


def run(options: argparse.Namespace) -> None:
    if min(options.queries, options.repeats, options.new_tokens) < 1:
        raise BadInput("--queries, --repeats and --new-tokens are numbers from 1 on")
    names = ("queries", "repeats", "new_tokens")
    settings = {name: getattr(options, name) for name in names}
    inputs = {"moments": options.moments}
    if Path(options.model).exists():
        inputs["model"] = options.model
    with recording("benchmark-time-by-stage", settings, inputs) as record:
        queries, failures = choose(options.model, options.moments, options.videos, options.queries)
        record["model"], record["run"] = options.model, Path(options.model).name
        record["threads"], record["failures"] = torch.get_num_threads(), failures
        record["counts"] = {"asked": len(queries) + len(failures), "scored": len(queries),
                            "failed": len(failures)}  # fmt: skip
        record |= measure(options, queries)
        for mode, peak in memory(options, queries).items():
            record["modes"][mode]["peak_bytes"] = peak
    write_json(options.out, record)
    show(record)


def show(record: dict) -> None:
    for name, mode in record["modes"].items():
        seconds = {stage: 1000 * one["median"] for stage, one in mode["seconds"].items()}
        print(f"{name:8}", "  ".join(f"{stage} {ms:.1f}" for stage, ms in seconds.items()), "ms")
    equal, asked = record["equal_answers"], record["counts"]["scored"]
    print(f"masked and dropped answer alike: {equal} of {asked}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--model", required=True, help="model folder or hub id; a stock one gets a new sampler"
    )
    parser.add_argument("--videos", required=True, help="folder of video files, at any depth")
    parser.add_argument("--moments", required=True, help="moments.jsonl with the queries")
    parser.add_argument("--out", required=True, help="JSON record to write")
    parser.add_argument("--queries", type=int, default=20, help="spread over all (20)")
    parser.add_argument("--repeats", type=int, default=5, help="times of each mode (5)")
    parser.add_argument("--new-tokens", type=int, default=12, help="of each answer (12)")
    return finish(parser, run)


if __name__ == "__main__":
    from time_by_stage import main as timed  # workers know its functions by the module's name

    sys.exit(timed())
