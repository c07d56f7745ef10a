"""Verbs that make what models read: annotations, conversations, frames, features."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from pathlib import Path

from groundvts import gpus
from groundvts.errors import BadInput, VideoReadError
from groundvts.escape import say
from groundvts.verbs.settings import read_settings


def convert(options: Namespace) -> None:
    """Converts a published annotation file; prints what was found."""
    from groundvts.data.convert import convert as run

    found = run(
        options.dataset,
        options.split,
        options.annotations,
        options.out,
        durations=options.durations,
        spans=options.spans,
        videos=options.videos,
        against=options.against,
        policy=read_settings(options.policy, "--policy") if options.policy else {},
        name=options.name,
    )
    counts = found["counts"]
    kinds = ", ".join(f"{n} {kind}" for kind, n in counts["findings"].items())
    lost = "".join(
        f", {counts[key]} {words}"
        for key, words in (("left_out", "left out"), ("dropped", "dropped by policy"))
        if counts[key]
    )
    say(f"{options.out}: {counts['records']} records{lost}; findings: {kinds or 'none'}")


def overlap(options: Namespace) -> None:
    """Lists the videos that several splits of one benchmark share."""
    from groundvts.data.moment import read_moments
    from groundvts.data.validate import shared_videos
    from groundvts.records import write_json

    shared = shared_videos([read_moments(file) for file in options.moments])
    write_json(options.out, shared)
    if not shared:
        say("no video stands in two splits")
    for benchmark, pairs in shared.items():
        for pair, videos in pairs.items():
            say(f"{benchmark}: {pair}: {len(videos)} videos in both")


def conversations(options: Namespace) -> None:
    """Writes training conversations; settings of `prompts` and `seed`."""
    from groundvts.data import conversations as library
    from groundvts.data.moment import read_moments
    from groundvts.prompts import Prompts

    settings = read_settings(options.settings)
    prompts = Prompts.load(settings["prompts_set"], settings["prompts_file"])
    moments = [moment for file in options.moments for moment in read_moments(file)]
    form, seed = settings["time_format"], settings["seed"]
    files = ", ".join(options.moments)
    try:
        written = library.conversations(moments, prompts, options.kinds, form, seed)
    except BadInput as error:
        raise BadInput(f"{files}: {error}") from None
    if not written:
        raise BadInput(f"{files}: nothing to train on of the kinds {', '.join(options.kinds)}")
    for moment in (moment for moment in moments if moment.absurd):
        say(f"{files}: {moment.id!r:.60} is left out: {moment.absurd}")
    library.write_conversations(Path(options.out), written)
    kinds = Counter(conversation.kind for conversation in written)
    say(f"{options.out}: {', '.join(f'{n} {kind}' for kind, n in kinds.items())} conversations")


def export(options: Namespace) -> None:
    """Writes conversations as the ShareGPT JSON that LLaMA-Factory reads."""
    from groundvts.data.conversations import read_conversations
    from groundvts.data.sharegpt import export as run

    parts, folders = {}, {}
    for part in options.parts:
        name, file, folder = split_pairs(part, 3, "--parts", "NAME=CONVERSATIONS=VIDEOS")
        if name in parts:
            raise BadInput(f"--parts: {name!r} names two parts; give each its own name")
        parts[name], folders[name] = read_conversations(Path(file)), folder
    left_out = run(parts, folders, Path(options.out))
    given = sum(map(len, parts.values()))
    say(f"{options.out}: {given - len(left_out)} conversations, {len(left_out)} left out")
    for entry in left_out[:10]:
        say(f"{entry['part']}: {entry['id']}: {entry['reason']}")


def frames(options: Namespace) -> None:
    """Decodes the videos of moments once; settings of `frames`."""
    from groundvts.data.folder import VideoFolder
    from groundvts.data.frames import build_frame_cache
    from groundvts.data.moment import read_moments
    from groundvts.data.store import Store
    from groundvts.data.video import FrameSampling

    settings, folder = read_settings(options.settings), VideoFolder(options.videos)
    videos, missing = {}, {}
    for name in sorted({m.video for file in options.moments for m in read_moments(file)}):
        try:
            videos[name] = folder.find(name)
        except VideoReadError as error:
            missing[name] = str(error)
    index = build_frame_cache(
        videos,
        options.out,
        FrameSampling.read(settings),
        Store(Path(options.cache) / "frames"),
        workers=options.workers,
        timeout_s=options.timeout,
        limit_gb=options.limit_gb,
        missing=missing,
    )
    say(f"{options.out}: {len(index['videos'])} videos read, {len(index['failed'])} failed")
    notes = {video: entry["note"] for video, entry in index["videos"].items() if entry["note"]}
    for video, reason in {**notes, **index["failed"]}.items():
        say(f"{options.out}: {video}: {reason}")


def features(options: Namespace) -> None:
    """Runs a model's frozen vision tower over a frame cache."""
    gpus.take()
    from groundvts.data.features import build_feature_cache
    from groundvts.data.frames import FrameCache
    from groundvts.data.inputs import Encoder
    from groundvts.data.store import Store
    from groundvts.models.load import load_model

    frames, store = FrameCache(options.frames), Store(Path(options.cache) / "features")
    encoder = Encoder(options.model)
    build_feature_cache(load_model(options.model), encoder, frames, Path(options.out), store)


def split_pairs(text: str, count: int, option: str, form: str) -> list[str]:
    """The `count` parts of A=B=...; BadInput where there are not so many."""
    parts = text.split("=", count - 1)
    if len(parts) != count or not all(parts):
        raise BadInput(f"{option}: {text!r} is not {form}")
    return parts
