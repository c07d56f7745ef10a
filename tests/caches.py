"""Frame caches of small clips, and readers that misbehave, for the tests."""

import os
import signal
import time
from pathlib import Path

import numpy as np
from clips import steady, write_clip

from groundvts.data.frames import build_frame_cache
from groundvts.data.store import Store
from groundvts.data.video import Frames, FrameSampling, read_frames

SAMPLING = FrameSampling(min_pixels=28 * 28, max_pixels=112 * 112)


def six_clips(folder: Path) -> dict[str, Path]:
    """Six clips of 4 to 9 s; given in another order than that of their names."""
    folder.mkdir()
    names = ["d", "slow", "a", "c", "b", "e"]
    return {n: write_clip(folder / f"{n}.mp4", steady(100 + 25 * k)) for k, n in enumerate(names)}


def build(videos: dict, out: Path, store: Store, sampling=SAMPLING, **options) -> dict:
    return build_frame_cache(videos, out, sampling, store, progress=False, **options)


def misbehave(path: Path, sampling: FrameSampling) -> Frames:
    """A reader that does to its process what the file's name says."""
    if path.stem == "hangs":
        time.sleep(600)
    if path.stem == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.stem == "fails":
        raise MemoryError("too large")
    if path.stem == "slow":
        time.sleep(1)
    return read_frames(path, sampling)


def refuse(path: Path, sampling: FrameSampling) -> Frames:
    """A reader that must not be asked."""
    raise AssertionError(f"{path} is decoded again")


def put_often(folder: Path, key: str, count: int) -> int:
    """Writes and reads one key again and again, as several processes do at once."""
    store, array = Store(folder), np.arange(200_000).reshape(2, -1)
    for _ in range(count):
        store.put(key, array, {"shape": [2, 100_000]})
        assert store.facts(key) == {"shape": [2, 100_000]}
        assert (store.get(key) == array).all()
    return count
