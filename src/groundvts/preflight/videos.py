"""Are the videos there, and can they be read: every folder searched, a few videos decoded."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np

from groundvts.data.folder import VideoFolder
from groundvts.data.isolated import run_isolated
from groundvts.data.video import FrameSampling, read_frames
from groundvts.errors import BadInput, VideoReadError

SHOWN = 3


def look_for_videos(config: dict, wanted: dict[str, set[str]], workers: int) -> tuple[dict, list]:
    """{benchmark: what is known of its videos} and what is wrong.

    `wanted` holds the annotated videos of each benchmark. Of those found, `preflight.sample` spread
    over the folder are decoded as every backbone reads them.
    """
    facts, wrong = {}, []
    for benchmark, videos in wanted.items():
        key = f"benchmarks.{benchmark}.videos"
        place = config["benchmarks"][benchmark]["videos"]
        least = config["preflight"]["found"]
        try:
            folder = VideoFolder(place)
        except BadInput:
            wrong.append(f"{key}: {place}: no such folder; {len(videos)} annotated videos are "
                         "wanted there")  # fmt: skip
            facts[benchmark] = {"folder": place, "annotated": len(videos), "found": 0}
            continue
        found, missing = _search(folder, sorted(videos))
        about = {"folder": place, "annotated": len(videos), "found": len(found)}
        about["missing"] = list(missing)[:SHOWN]
        if len(found) < least * len(videos):
            wrong.append(f"{key}: {place}: {len(found)} of {len(videos)} annotated videos found, "
                         f"at least {least:.0%} are wanted; the first missing: "
                         f"{', '.join(about['missing'])}")  # fmt: skip
        tried = _try(config, found, workers)
        failed = {name: one["failed"] for name, one in tried.items() if "failed" in one}
        if len(tried) - len(failed) < least * len(tried):
            shown = "; ".join(list(failed.values())[:SHOWN])
            wrong.append(f"{key}: {len(failed)} of {len(tried)} videos tried cannot be decoded, at "
                         f"least {least:.0%} should be: {shown}")  # fmt: skip
        facts[benchmark] = about | {"tried": tried}
    return facts, wrong


def _search(folder: VideoFolder, videos: list[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """The file of each video found, and the reason for each that is not."""
    found, missing = {}, {}
    for video in videos:
        try:
            found[video] = folder.find(video)
        except VideoReadError as error:
            missing[video] = str(error)
    return found, missing


def _try(config: dict, found: dict[str, Path], workers: int) -> dict[str, dict]:
    """What decoding shows of a sample of the videos: seconds, duration, and bytes by backbone."""
    from groundvts.scales import frames_of

    step = max(1, math.ceil(len(found) / config["preflight"]["sample"]))
    ways = {backbone: frames_of(config, backbone) for backbone in config["backbones"]}
    tasks = {name: (found[name], ways) for name in list(found)[::step]}
    tried = {}
    for outcome in run_isolated(try_video, tasks, workers, len(ways) * config["cache"]["timeout"]):
        tried[outcome.key] = outcome.value or {"failed": outcome.reason}
    return tried


def try_video(path: Path, ways: dict[str, dict]) -> dict:
    """Decodes one video as each backbone reads it; the time, its duration and its frames."""
    found: dict = {"frames": {}}
    for backbone, settings in ways.items():
        began = time.perf_counter()
        frames = read_frames(path, FrameSampling.read(settings))
        found["duration"] = frames.duration
        found["frames"][backbone] = {
            "shape": list(frames.pixels.shape),
            "fps": frames.fps,
            "bytes": frames.pixels.nbytes,
            "seconds": time.perf_counter() - began,
        }
    return found


def frame_bytes(facts: dict, read: dict[str, list[str]]) -> dict[str, int]:
    """{backbone: bytes of all frames it reads}, from the mean of the videos tried.

    A benchmark without a video that could be tried counts with the mean of the others.
    """
    totals = {}
    for backbone, places in read.items():
        names = dict.fromkeys(place.split("/")[0] for place in places)
        sizes = {name: _sizes(facts[name], backbone) for name in names}
        every = [size for found in sizes.values() for size in found]
        totals[backbone] = round(
            sum(
                float(np.mean(found or every)) * facts[name]["annotated"]
                for name, found in sizes.items()
                if found or every
            )
        )
    return totals


def _sizes(about: dict, backbone: str) -> list[int]:
    tried = about.get("tried", {}).values()
    return [one["frames"][backbone]["bytes"] for one in tried if "failed" not in one]
