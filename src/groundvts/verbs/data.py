"""Verbs that make what models read: annotations, conversations, frames, features, the toy."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from groundvts import records
from groundvts.errors import BadInput
from groundvts.verbs.settings import read_settings


def convert(options: Namespace) -> None:
    """Converts a published annotation file; prints what was found."""
    from groundvts.data.convert import convert as run

    found = run(
        options.dataset, options.split, options.annotations, options.durations, Path(options.out)
    )
    kinds = ", ".join(f"{n} {kind}" for kind, n in found["counts"].get("findings", {}).items())
    print(f"{options.out}: {found['counts']['records']} records; findings: {kinds or 'none'}")


def toy_benchmark(options: Namespace) -> None:
    """Makes the toy benchmark: settings `seed`, `side` and `clips`."""
    from groundvts.data.frames import available_cores
    from groundvts.toy.benchmark import make_benchmark

    settings, out = read_settings(options.settings), Path(options.out)
    with records.recording("toy-benchmark", settings, {}, seed=settings["seed"]) as record:
        record["counts"] = make_benchmark(
            out, workers=options.workers or available_cores(), **settings
        )
    records.write_json(out / "record.json", record)


def toy_base(options: Namespace) -> None:
    """Makes the toy base: settings of `toy.base` and a seed."""
    from groundvts.data.conversations import read_conversations
    from groundvts.data.frames import FrameCache
    from groundvts.toy.base import make_base
    from groundvts.toy.pretrain import BaseSettings

    settings, out = read_settings(options.settings), Path(options.out)
    names = ("questions", "grounding", "frames", "objects")
    inputs = {name: getattr(options, name) for name in names}
    with records.recording("toy-base", settings, inputs, seed=settings["seed"]) as record:
        record |= make_base(
            out,
            BaseSettings(**settings),
            read_conversations(Path(options.questions)),
            read_conversations(Path(options.grounding)),
            FrameCache(options.frames),
            json.loads(Path(options.objects).read_text(encoding="utf-8")),
        )
    records.write_json(out / "record.json", record)


def conversations(options: Namespace) -> None:
    """Writes training conversations; settings `protocol`, `prompts_file`, `time_format`."""
    from groundvts.data import conversations as library
    from groundvts.data.moment import read_moments

    settings = read_settings(options.settings)
    if (options.moments is None) == (options.llava_video is None):
        raise BadInput("conversations: give either --moments or --llava-video")
    prompts = library.Prompts.load(settings["protocol"], settings["prompts_file"])
    if options.llava_video:
        written = library.question_conversations(Path(options.llava_video), prompts)
    else:
        moments = read_moments(options.moments)
        written = library.grounding_conversations(moments, prompts, settings["time_format"])
    library.write_conversations(Path(options.out), written)
    print(f"{options.out}: {len(written)} conversations")


def frames(options: Namespace) -> None:
    """Decodes the videos that the files of --names ask for; settings of `frames`."""
    from groundvts.data.files import read_jsonl
    from groundvts.data.frames import build_frame_cache
    from groundvts.data.moment import is_safe_name
    from groundvts.data.video import FrameSampling

    settings, folder = read_settings(options.settings), Path(options.videos)
    names = {str(row["video"]) for file in options.names for _, row in read_jsonl(file)}
    files = {path.stem: path for path in sorted(folder.iterdir())}
    videos = {n: files.get(n, folder / f"{n}.mp4") for n in sorted(names) if is_safe_name(n)}
    timeout = settings.pop("timeout")
    build_frame_cache(
        videos, options.out, FrameSampling(**settings), options.workers, timeout_s=timeout
    )


def features(options: Namespace) -> None:
    """Runs a model's frozen vision tower over a frame cache."""
    from groundvts.data.features import build_feature_cache
    from groundvts.data.frames import FrameCache
    from groundvts.data.inputs import Encoder
    from groundvts.models.load import load_model

    cache = FrameCache(options.frames)
    build_feature_cache(load_model(options.model), Encoder(options.model), cache, Path(options.out))
