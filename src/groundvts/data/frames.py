"""The frame cache: every video decoded once into a store, and an index of what a split needs of it.

Notable: each video is decoded in a process of its own with a time limit, so that a video that
hangs or kills its reader costs only itself. Pixels are stored by content: the video's bytes, the
sampling and the version of the reading code; what is in the store is never decoded again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from groundvts.data.isolated import run_isolated
from groundvts.data.readers import probe
from groundvts.data.store import GB, FileHashes, Room, Store, read_index
from groundvts.data.video import Frames, FrameSampling, frame_size, read_frames, sample_times
from groundvts.errors import BadInput, RunFailed, VideoReadError
from groundvts.escape import log
from groundvts.progress import track
from groundvts.records import write_json

READING = 2  # version of the code that reads: raise it where the same file gives other pixels
INDEX = "index.json"
MEMO = "files.json"
REMEDY = "raise cache.limit_gb, name another cache.folder, or delete it and make all frames again"
ESTIMATED_FROM = 8  # videos whose size is looked at before the start
_by_decord = partial(read_frames, reader="decord")
FACTS = ("shape", "timestamps", "fps", "duration", "reader", "note")


def build_frame_cache(
    videos: dict[str, Path],
    out: str | Path,
    sampling: FrameSampling,
    store: Store,
    workers: int | None = None,
    timeout_s: float = 60,
    limit_gb: float | None = None,
    missing: dict[str, str] | None = None,
    progress: bool = True,
    read: Callable[[Path, FrameSampling], Frames] = read_frames,
) -> dict:
    """Decodes what `store` lacks of `videos` (id -> file); writes and returns the index of `out`.

    `workers` processes (None: one per core) take at most `timeout_s` s a video; one that fails is
    listed under `failed` beside the `missing` (id -> reason) and is tried again by the next build.
    BadInput where nothing can be read, or where the store would hold more than `limit_gb` GB or
    than the disk has room for: before anything is decoded if the estimate says so.
    """
    out, workers = Path(out), workers or available_cores()
    if not videos and not missing:
        raise BadInput(f"{out}: no videos are named for this frame cache")
    store.prepare()
    keys, failed = _keys({video: Path(videos[video]) for video in sorted(videos)}, sampling, store)
    wanted = {key: Path(videos[video]) for video, key in keys.items() if key not in store}
    room = Room(
        store,
        limit_gb,
        REMEDY,
    )
    need, judged = _estimate(wanted, sampling, workers, timeout_s)
    there = f"{out}: {len(keys)} videos found, {len(missing or {}) + len(failed)} not; "
    if wanted:
        _announce(f"{there}{len(wanted)} to decode", need, judged, room)
        room.check(need)
    else:
        log(f"{there}all are in {store.folder} already")
    tasks = {key: (path, sampling, store, key, read) for key, path in wanted.items()}
    broken = _decode_all(tasks, workers, timeout_s, room, progress)
    if broken and read is read_frames:  # where PyAV hangs or dies, decord is tried
        others = {key: (*tasks[key][:4], _by_decord) for key in broken}
        lost = _decode_all(others, workers, timeout_s, room, False)
        broken = {key: reason for key, reason in broken.items() if key in lost}
    failed |= {video: broken[key] for video, key in keys.items() if key in broken}
    index = _index(out, keys, failed | (missing or {}), sampling, store)
    write_json(out / INDEX, index)
    return index


def available_cores() -> int:
    """Cores this process may use (where the system cannot say: all there are)."""
    ask = getattr(os, "sched_getaffinity", None)
    return len(ask(0)) if ask else os.cpu_count() or 1


def frame_key(file_hash: str, sampling: FrameSampling) -> str:
    """The name of a video's frames in the store."""
    content = [file_hash, asdict(sampling) | {"fps": float(sampling.fps)}, READING]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _keys(
    videos: dict[str, Path], sampling: FrameSampling, store: Store
) -> tuple[dict[str, str], dict[str, str]]:
    """The key of each video, and the reason for each that has none."""
    hashes = FileHashes(store.folder / MEMO)
    keys, failed = {}, {}
    pool = ThreadPoolExecutor(available_cores())
    try:
        found = {
            video: pool.submit(hashes.of, path) for video, path in videos.items() if path.is_file()
        }
        for video, path in videos.items():
            if video not in found:
                failed[video] = f"{path}: no such file"
                continue
            try:
                keys[video] = frame_key(found[video].result(), sampling)
            except OSError as error:
                failed[video] = f"{path}: cannot be read ({error.strerror or error})"
    finally:
        pool.shutdown(cancel_futures=True)
        hashes.save()
    return keys, failed


def _estimate(
    wanted: dict[str, Path], sampling: FrameSampling, workers: int, timeout_s: float
) -> tuple[float, int]:
    """Bytes that the frames of `wanted` take, judged by a few spread over all, and by how many."""
    step = math.ceil(len(wanted) / ESTIMATED_FROM) or 1
    tasks = {key: (wanted[key], sampling) for key in list(wanted)[::step]}
    sizes = [o.value for o in run_isolated(frame_bytes, tasks, workers, timeout_s) if o.value]
    return (float(np.mean(sizes)) * len(wanted) if sizes else 0.0), len(sizes)


def _announce(wanted: str, need: float, judged: int, room: Room) -> None:
    limit = "none" if room.limit_gb is None else f"{room.limit_gb:g} GB"
    log(
        f"{wanted} into {room.folder}, about {need / GB:.2f} GB (judged by {judged} of them); "
        f"{room.free / GB:.1f} GB are free, limit {limit}"
    )


def frame_bytes(path: Path, sampling: FrameSampling) -> int:
    """Bytes that a video's pixels take, without decoding it."""
    timeline = probe(path)
    times, _ = sample_times(timeline.duration, sampling)
    return len(times) * math.prod(frame_size(timeline.height, timeline.width, sampling)) * 3


def _decode_all(
    tasks: dict[str, tuple], workers: int, timeout_s: float, room: Room, progress: bool
) -> dict[str, str]:
    """Decodes what the tasks name into the store; the reason for each key that failed."""
    broken = {}
    with contextlib.closing(run_isolated(_decode_to, tasks, workers, timeout_s)) as outcomes:
        for outcome in track(outcomes, "frames", len(tasks), "video") if progress else outcomes:
            if outcome.reason is not None:
                broken[outcome.key] = outcome.reason
            elif isinstance(outcome.value, str):
                raise RunFailed(outcome.value)
            else:
                room.used += outcome.value
                room.check(0)
    return broken


def _decode_to(
    path: Path, sampling: FrameSampling, store: Store, key: str, read: Callable
) -> int | str:
    """Runs in a worker: bytes written, or why the store (not the video) failed."""
    frames = read(path, sampling)
    facts = {
        "shape": list(frames.pixels.shape),
        "timestamps": frames.timestamps.tolist(),
        "fps": float(frames.fps),
        "duration": float(frames.duration),
        "reader": frames.reader,
        "note": frames.note,
    }
    try:
        return store.put(key, frames.pixels, facts)
    except RunFailed as error:
        return str(error)


def _index(
    out: Path, keys: dict[str, str], failed: dict[str, str], sampling: FrameSampling, store: Store
) -> dict:
    """What the folder `out` says of its videos; BadInput where all of them failed."""
    failed = dict(sorted(failed.items()))
    there = {video: key for video, key in keys.items() if video not in failed}
    if not there:
        video, reason = next(iter(failed.items()))
        raise BadInput(
            f"{out}: none of {len(failed)} videos could be read; first: {video}: {reason}"
        )
    return {
        "sampling": asdict(sampling),
        "store": os.path.relpath(store.folder, out),
        "videos": {video: {"key": key, **store.facts(key)} for video, key in there.items()},
        "failed": failed,
    }


class FrameCache:
    """An index and its store, opened: `cache[video]` gives its Frames, memory-mapped.

    Raises BadInput where the index is broken, the store lacks what it names or the video is
    unknown, and VideoReadError with the recorded reason for a video that could not be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        content, self.store = read_index(self.folder / INDEX, ("sampling",), FACTS)
        self.videos: dict[str, dict] = content["videos"]
        self.failed: dict[str, str] = content["failed"]
        try:
            self.sampling = FrameSampling(**content["sampling"])
        except (TypeError, BadInput) as error:
            raise BadInput(f"{self.folder / INDEX}: {error}; build it again") from error

    def __contains__(self, video: str) -> bool:
        return video in self.videos

    def __getitem__(self, video: str) -> Frames:
        if video in self.failed:
            raise VideoReadError(f"video {video}: {self.failed[video]}")
        if video not in self.videos:
            raise BadInput(f"video {video}: not in the frame cache {self.folder}; build it again")
        entry = self.videos[video]
        return Frames(
            pixels=self.store.get(entry["key"]),
            timestamps=np.array(entry["timestamps"]),
            fps=entry["fps"],
            duration=entry["duration"],
            reader=entry["reader"],
            note=entry["note"],
        )
