"""Everything that is looked at before hours are spent, joined to one list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundvts.data.moment import Moment, read_moments
from groundvts.errors import BadInput
from groundvts.preflight.lengths import look_at_lengths
from groundvts.preflight.machine import disk_needs, look_at_disk, look_at_versions
from groundvts.preflight.models import (
    inference_bytes,
    look_at_gpus,
    look_for_models,
    merge_bytes,
    stage_estimates,
)
from groundvts.preflight.needs import places_read
from groundvts.preflight.videos import frame_bytes, look_for_videos
from groundvts.scales import annotation_files, downloaded


def preflight(config: dict, files: dict[str, Path], workers: int) -> dict[str, Any]:
    """Looks at paths, videos, models, disk, GPUs, versions and lengths of a checked `config`.

    `files` are the moments of each place (`benchmark/split`) that the main job reads. Returns what
    is `wrong` and what could not be checked (`note`), one line each, and all that was found.
    """
    wrong = _paths(config)
    read = places_read(config)
    moments = {place: _tried(wrong, [], read_moments, file) for place, file in files.items()}
    videos, faults = look_for_videos(config, _annotated(moments), workers)
    wrong += faults
    known, checkpoints, faults = look_for_models(config)
    wrong += faults
    stages = _tried(wrong, [], stage_estimates, config, known)
    inference = _tried(wrong, {}, inference_bytes, config, known)
    merging = merge_bytes(config, known, stages)
    frames = frame_bytes(videos, read)
    tests = {f"{name}/{config['benchmarks'][name]['test']}" for name in config["evaluate"]}
    queries = sum(len(moments[place]) for place in tests & set(moments))
    disk, full = look_at_disk(config, disk_needs(config, frames, stages, known, queries))
    gpus, small, notes = look_at_gpus(config, _on_gpus(stages, merging, inference))
    versions, other = look_at_versions(config)
    lengths, long, estimated = look_at_lengths(config, known, moments)
    wrong += [*full, *small, *other, *long]
    notes += estimated
    if config["features"]:
        notes.append("features: the size of the vision tower's output was not estimated")
    return {
        "wrong": list(dict.fromkeys(wrong)),
        "note": notes,
        "videos": videos,
        "checkpoints": checkpoints,
        "parameters": {backbone: one.parameters for backbone, one in known.items()},
        "frames": frames,
        "disk": disk,
        "memory": {"stages": stages, "merge": merging, "inference": inference, **gpus},
        "required": versions,
        "tokens": lengths,
    }


def _tried(wrong: list[str], nothing: Any, check: Callable, *given) -> Any:
    """What a check finds, or `nothing`, and why is `wrong` too, where it cannot go on."""
    try:
        return check(*given)
    except BadInput as error:
        wrong.append(str(error))
        return nothing


def _annotated(moments: dict[str, list[Moment]]) -> dict[str, set[str]]:
    """The videos of each benchmark, of all its splits."""
    videos: dict[str, set[str]] = {}
    for place, found in moments.items():
        videos.setdefault(place.split("/")[0], set()).update(moment.video for moment in found)
    return videos


def _on_gpus(stages: list[dict], merging: dict, inference: dict) -> dict[str, int]:
    """{what: bytes on each GPU} of all that runs on one."""
    needs = {f"stage {one['stage']} of {one['run']}": one["total"] for one in stages}
    needs |= {f"merging {run}": need for run, need in merging.items()}
    return needs | {f"inference with {name}": need for name, need in inference.items()}


def _paths(config: dict) -> list[str]:
    """Annotation files that are neither there nor downloaded."""
    return [
        f"{key}: {path}: no such file"
        for path, key in annotation_files(config).items()
        if downloaded(path) not in config["downloads"] and not Path(path).is_file()
    ]
