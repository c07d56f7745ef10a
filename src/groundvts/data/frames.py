"""The frame cache: every video decoded once, into one file of pixels and one index.

Notable: each video is decoded in a process of its own with a time limit, so that a video that
hangs or kills its reader costs only itself; the bytes written depend on the videos and the
sampling alone, not on which process finishes first.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from groundvts.data.isolated import Outcome, run_isolated
from groundvts.data.readers import probe
from groundvts.data.video import Frames, FrameSampling, read_frames, sample_times, smart_resize
from groundvts.errors import BadInput, VideoReadError
from groundvts.progress import track

PIXELS = "frames.bin"
INDEX = "index.json"
ESTIMATED_FROM = 8  # videos whose size is looked at before the start


def build_frame_cache(
    videos: dict[str, Path],
    out: str | Path,
    sampling: FrameSampling,
    workers: int | None = None,
    timeout_s: float = 60,
    progress: bool = True,
    read: Callable[[Path, FrameSampling], Frames] = read_frames,
) -> dict:
    """Decodes `videos` (id -> file) into the folder `out` and returns its index.

    `workers` processes (None: one per core) take at most `timeout_s` s a video; one that fails is
    listed under `failed`. The folder appears whole or not at all. BadInput where nothing is read.
    """
    if not videos:
        raise BadInput(f"{out}: no videos are named for this frame cache")
    out = Path(out)
    workers = workers or available_cores()
    chosen = {video: Path(videos[video]) for video in sorted(videos)}
    staging = out.with_name(f".{out.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        _announce(chosen, out, sampling, workers, timeout_s)
        tasks = {
            video: (path, sampling, staging / f"{place}.part", read)
            for place, (video, path) in enumerate(chosen.items())
        }
        outcomes = run_isolated(_decode_to, tasks, workers, timeout_s)
        if progress:
            outcomes = track(outcomes, "frames", len(tasks), "video")
        index = _gather(outcomes, tasks, sampling)
        if not index["videos"]:
            reason = next(iter(index["failed"].values()))
            raise BadInput(f"{out}: none of {len(videos)} videos could be read; first: {reason}")
        (staging / INDEX).write_text(json.dumps(index) + "\n")
        shutil.rmtree(out, ignore_errors=True)
        os.replace(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return index


def available_cores() -> int:
    """Cores this process may use (where the system cannot say: all there are)."""
    ask = getattr(os, "sched_getaffinity", None)
    return len(ask(0)) if ask else os.cpu_count() or 1


def _announce(
    videos: dict[str, Path], out: Path, sampling: FrameSampling, workers: int, timeout_s: float
) -> None:
    """Prints to stderr how large the cache will be, judged by a few videos spread over all."""
    step = math.ceil(len(videos) / ESTIMATED_FROM)
    tasks = {video: (videos[video], sampling) for video in list(videos)[::step]}
    sizes = [o.value for o in run_isolated(frame_bytes, tasks, workers, timeout_s) if o.value]
    size = f"about {np.mean(sizes) * len(videos) / 1e9:.2f} GB" if sizes else "an unknown size"
    free = shutil.disk_usage(out.parent).free / 1e9
    print(
        f"{out}: frames of {len(videos)} videos, {size} (judged by {len(sizes)}); "
        f"{free:.1f} GB are free",
        file=sys.stderr,
    )


def frame_bytes(path: Path, sampling: FrameSampling) -> int:
    """Bytes that a video takes in the cache, without decoding it."""
    timeline = probe(path)
    times, _ = sample_times(timeline.duration, sampling)
    return len(times) * math.prod(smart_resize(timeline.height, timeline.width, sampling)) * 3


def _decode_to(path: Path, sampling: FrameSampling, part: Path, read: Callable) -> dict:
    """Runs in a worker: writes a video's pixels to `part`, returns its entry in the index."""
    frames = read(path, sampling)
    frames.pixels.tofile(part)
    return {
        "shape": list(frames.pixels.shape),
        "timestamps": frames.timestamps.tolist(),
        "fps": float(frames.fps),
        "duration": float(frames.duration),
        "reader": frames.reader,
    }


def _gather(outcomes: Iterator[Outcome], tasks: dict[str, tuple], sampling: FrameSampling) -> dict:
    """Joins the parts in the order of the tasks, as they come, and returns the index."""
    index: dict = {"sampling": asdict(sampling), "videos": {}, "failed": {}}
    arrived: dict[str, Outcome] = {}
    following = iter(tasks)
    video = next(following, None)
    parts = {video: arguments[2] for video, arguments in tasks.items()}
    with open(next(iter(parts.values())).with_name(PIXELS), "wb") as joined:
        for outcome in outcomes:
            arrived[outcome.key] = outcome
            while video in arrived:
                _, entry, reason = arrived.pop(video)
                if reason is None:
                    index["videos"][video] = {"offset": joined.tell(), **entry}
                    with open(parts[video], "rb") as part:
                        shutil.copyfileobj(part, joined)
                else:
                    index["failed"][video] = reason
                parts[video].unlink(missing_ok=True)
                video = next(following, None)
    return index


class FrameCache:
    """A cache folder, opened: `cache[video]` gives its Frames, memory-mapped.

    Raises BadInput where the folder is not a whole cache or does not know the video, and
    VideoReadError with the recorded reason for a video that could not be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            index = json.loads((self.folder / INDEX).read_text())
            self.videos: dict[str, dict] = index["videos"]
            self.failed: dict[str, str] = index["failed"]
            self.sampling = FrameSampling(**index["sampling"])
            # copy-on-write: a caller that changes pixels changes its own view only
            self._pixels = np.memmap(self.folder / PIXELS, dtype=np.uint8, mode="c")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{self.folder}: not a frame cache ({error}); build it again") from error
        size = sum(math.prod(entry["shape"]) for entry in self.videos.values())
        if size != self._pixels.size:
            raise BadInput(f"{self.folder}: {PIXELS} does not fit {INDEX}; build it again")

    def __contains__(self, video: str) -> bool:
        return video in self.videos

    def __getitem__(self, video: str) -> Frames:
        if video in self.failed:
            raise VideoReadError(f"video {video}: {self.failed[video]}")
        if video not in self.videos:
            raise BadInput(f"video {video}: not in the frame cache {self.folder}; build it again")
        entry = self.videos[video]
        start, size = entry["offset"], math.prod(entry["shape"])
        return Frames(
            pixels=self._pixels[start : start + size].reshape(entry["shape"]),
            timestamps=np.array(entry["timestamps"]),
            fps=entry["fps"],
            duration=entry["duration"],
            reader=entry["reader"],
        )
