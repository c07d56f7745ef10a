"""Verbs that make the toy scale: its benchmark and its base."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from groundvts import records
from groundvts.data.files import whole_folder
from groundvts.verbs.settings import read_settings


def benchmark(options: Namespace) -> None:
    """Makes the toy benchmark: settings `seed`, `side` and `clips`."""
    from groundvts.toy.benchmark import make_benchmark

    _make("toy-benchmark", make_benchmark, options)


def cases(options: Namespace) -> None:
    """Makes clips of each case that token reducers are compared on: `seed`, `side`, `count`."""
    from groundvts.toy.cases import make_cases

    _make("toy-cases", make_cases, options)


def _make(verb: str, make: Callable, options: Namespace) -> None:
    from groundvts.data.frames import available_cores

    settings, workers = read_settings(options.settings), options.workers or available_cores()
    with whole_folder(options.out) as out:
        with records.recording(verb, settings, {}, seed=settings["seed"]) as record:
            record["counts"] = make(out, workers=workers, **settings)
        records.write_json(out / "record.json", record, {"clips": out})


def base(options: Namespace) -> None:
    """Makes the toy base: settings of `toy.base` and a seed."""
    from groundvts.data.conversations import read_conversations
    from groundvts.data.frames import FrameCache
    from groundvts.toy.base import make_base
    from groundvts.toy.pretrain import BaseSettings

    settings = read_settings(options.settings)
    inputs = {"questions": options.questions, "objects": options.objects}
    inputs |= {f"grounding {n}": file for n, file in enumerate(options.grounding)}
    inputs["frames"] = str(Path(options.frames) / "index.json")
    with whole_folder(options.out) as out:
        with records.recording("toy-base", settings, inputs, seed=settings["seed"]) as record:
            record |= make_base(
                out,
                BaseSettings(**settings),
                read_conversations(Path(options.questions)),
                [c for file in options.grounding for c in read_conversations(Path(file))],
                FrameCache(options.frames),
                json.loads(Path(options.objects).read_text(encoding="utf-8")),
            )
        records.write_json(out / "record.json", record, {"model": out})
