"""Queries per second, grouped by video against one at a time; see `--help`.

Four ways to ask the same queries, in turns: grouped (a video goes through vision tower and
projector once, queries in batches); the same batches with these two, or decoding too, once for
every query; and one query at a time. Frames lie in a warm cache unless they are decoded. The model
has random weights: widths are Qwen2.5-VL-3B's, and tower and language model have few layers, in
number about as 32 to 36 there.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from script import finish, spread, turns, videos_below
from whole_model import build

from groundvts.data.features import PixelSource
from groundvts.data.frames import FrameCache, build_frame_cache
from groundvts.data.moment import Moment
from groundvts.data.store import Store
from groundvts.data.video import Frames, FrameSampling, read_frames
from groundvts.errors import BadInput
from groundvts.inference.journal import Journal
from groundvts.inference.predict import predict
from groundvts.prompts import Prompts
from groundvts.records import recording, write_json

QUERIES = ("red circle", "a blue square", "the green circle and the white square")


@dataclass(frozen=True)
class Mode:
    """A way to ask: what every query does for itself, and whether it is asked alone."""

    name: str
    own_tower: bool = True
    decoded: bool = False
    alone: bool = False


MODES = (
    Mode("grouped", own_tower=False),
    Mode("tower per query"),
    Mode("decoding and tower per query", decoded=True),
    Mode("one at a time", alone=True),
)


class OwnVideos:
    """Frames under a name of its own for each query, so that nothing is shared."""

    def __init__(self, cache: FrameCache, files: dict[str, Path] | None) -> None:
        self.cache, self.files, self.failed = cache, files, {}
        names = [(video, n) for video in cache.videos for n in range(len(QUERIES))]
        self.videos = {f"{video} {n}": cache.videos[video] for video, n in names}

    def __getitem__(self, name: str) -> Frames:
        video = name.rsplit(" ", 1)[0]
        if self.files is None:
            return self.cache[video]
        return read_frames(self.files[video], self.cache.sampling)


def moments(cache: FrameCache, own: bool) -> list[Moment]:
    """Three queries of each video, whose video is the query's own or shared."""
    return [
        Moment(f"{v} {n}", "x", "test", f"{v} {n}" if own else v, None, query, ())
        for v in cache.videos
        for n, query in enumerate(QUERIES)
    ]


def measure(options: argparse.Namespace, files: dict[str, Path], sampling: FrameSampling) -> dict:
    """Every mode's speed and stages; how much faster grouped is, turn by turn."""
    rates, stages, answers = defaultdict(list), defaultdict(list), {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        build_frame_cache(files, folder / "index", sampling, Store(folder / "store"))
        cache = FrameCache(folder / "index")
        corpus = [*QUERIES, *map(str, Prompts.load("toy").templates.values())]
        model, encoder = build(options, folder / "model", corpus)
        ask(MODES[0], model, encoder, cache, files, options)  # what is loaded once does not count
        for mode in turns(MODES, options.repeats):
            rate, spent, answers[mode.name] = ask(mode, model, encoder, cache, files, options)
            rates[mode.name].append(rate)
            stages[mode.name].append(spent)
        return describe(model, rates, stages, answers)


def describe(model, rates: dict, stages: dict, answers: dict) -> dict:
    """The record's payload."""
    grouped = answers["grouped"]
    return {
        "counts": {"videos": len(grouped) // len(QUERIES), "queries": len(grouped)},
        "visual_tokens": statistics.mean(len(line["scores"]) for line in grouped),
        "model": {
            "parameters": sum(p.numel() for p in model.parameters()),
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": str(model.device),
            "threads": torch.get_num_threads(),
        },
        "modes": [
            {
                "name": name,
                "queries_per_second": spread(rates[name]),
                "stage_seconds": {
                    stage: statistics.median(spent[stage] for spent in stages[name])
                    for stage in stages[name][0]
                },
                "grouped_is_faster": spread(
                    [ours / own for ours, own in zip(rates["grouped"], rates[name], strict=True)]
                ),
                "same": statistics.mean(map(same, grouped, answers[name])),
            }
            for name in (mode.name for mode in MODES)
        ],
    }


def same(one: dict, other: dict) -> bool:
    """Whether two lines have the same answer and kept tokens."""
    return all(one[key] == other[key] for key in ("id", "answer", "kept"))


def ask(mode: Mode, model, encoder, cache, files, options) -> tuple[float, dict, list[dict]]:
    """Queries per second, seconds by stage, and the lines of one mode."""
    frames = OwnVideos(cache, files if mode.decoded else None) if mode.own_tower else cache
    source, journal = PixelSource(frames, encoder), Journal()
    asked = moments(cache, mode.own_tower)
    how = (1 if mode.alone else options.batch_size, {"grounding": options.new_tokens})
    began = time.perf_counter()
    lines = predict(model, encoder, source, asked, Prompts.load("toy"), *how, journal=journal)
    return len(asked) / (time.perf_counter() - began), journal.seconds, lines


def run(options: argparse.Namespace) -> None:
    numbers = ("most", "repeats", "layers", "tower_layers", "batch_size", "new_tokens")
    if wrong := [name for name in numbers if getattr(options, name) < 1]:
        raise BadInput(f"--{wrong[0].replace('_', '-')}: name a number from 1 on")
    videos = videos_below(options.videos, options.most)
    sampling = FrameSampling(min_pixels=options.pixels, max_pixels=options.pixels)
    settings = {key: value for key, value in vars(options).items() if key not in ("out", "videos")}
    settings["frames"] = asdict(sampling)
    with recording("benchmark-grouped-inference", settings, {"videos": options.videos}) as record:
        torch.manual_seed(0)
        record |= measure(options, videos, sampling)
    write_json(options.out, record)
    show(record)


def show(record: dict) -> None:
    counts = record["counts"]
    tokens = f"{record['visual_tokens']:.0f} visual tokens each"
    print(f"{counts['queries']} queries on {counts['videos']} videos, {tokens}")
    for mode in record["modes"]:
        speed, faster = mode["queries_per_second"], mode["grouped_is_faster"]
        spent = "  ".join(f"{stage} {s:.2f} s" for stage, s in mode["stage_seconds"].items())
        print(
            f"{mode['name']:28} {speed['median']:7.3f} queries/s; grouped: "
            f"{faster['median']:.2f} ({faster['low']:.2f} to {faster['high']:.2f}) times as fast; "
            f"{spent}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", required=True, help="folder of video files, at any depth")
    parser.add_argument("--out", required=True, help="JSON record to write")
    parser.add_argument("--most", type=int, default=3, help="videos, spread over all (3)")
    parser.add_argument("--pixels", type=int, default=224 * 224, help="of a frame (224 x 224)")
    parser.add_argument("--layers", type=int, default=4, help="of the language model (4)")
    parser.add_argument("--tower-layers", type=int, default=4, help="of the vision tower (4)")
    parser.add_argument("--small", action="store_true", help="narrow layers: only to try it out")
    parser.add_argument("--ratio", type=float, default=0.25, help="share of tokens kept (0.25)")
    parser.add_argument("--batch-size", type=int, default=8, help="queries at a time (8)")
    parser.add_argument("--new-tokens", type=int, default=12, help="of an answer (12)")
    parser.add_argument("--repeats", type=int, default=2, help="turns of each mode (2)")
    return finish(parser, run)


if __name__ == "__main__":
    sys.exit(main())
