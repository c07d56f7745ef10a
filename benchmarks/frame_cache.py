"""One epoch of frames read from the cache against decoded anew; see `--help`.

Every video is read once, in random order, by one process; all pixels are touched. The two take
turns. The cache's pages are in the system's memory after the build, as they are in the second
epoch of a training run whose data fits there.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from script import finish, spread, turns, videos_below

from groundvts.data.frames import FrameCache, build_frame_cache
from groundvts.data.store import Store
from groundvts.data.video import Frames, FrameSampling, read_frames
from groundvts.errors import BadInput
from groundvts.records import recording, write_json


def measure(videos: dict[str, Path], sampling: FrameSampling, repeats: int) -> dict:
    """Seconds of both, in turns, and their ratio; the cache lies in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        store, began = Store(Path(folder) / "store"), time.perf_counter()
        index = build_frame_cache(videos, Path(folder) / "index", sampling, store)
        build = time.perf_counter() - began
        cache = FrameCache(Path(folder) / "index")
        names = sorted(cache.videos)
        readers = {
            "cached": cache.__getitem__,
            "decoded": lambda name: read_frames(videos[name], sampling),
        }
        for read in readers.values():  # what is loaded once does not count
            read(names[0])
        seconds: dict[str, list[float]] = {kind: [] for kind in readers}
        for place, kind in enumerate(turns(list(readers), repeats)):
            order = random.Random(place // len(readers)).sample(names, len(names))
            seconds[kind].append(epoch(readers[kind], order))
        return {
            "counts": {"videos": len(names), "failed": len(index["failed"])},
            "failed": index["failed"],
            "build_seconds": build,
            "store_bytes": store.bytes,
            "pixel_bytes": sum(cache[name].pixels.nbytes for name in names),
            "video_bytes": sum(videos[name].stat().st_size for name in names),
            "epoch_seconds": {kind: spread(values) for kind, values in seconds.items()},
            "ratio": spread(
                [d / c for d, c in zip(seconds["decoded"], seconds["cached"], strict=True)]
            ),
        }


def epoch(read: Callable[[str], Frames], order: list[str]) -> float:
    """Seconds to read all pixels of the videos in `order`."""
    began = time.perf_counter()
    for name in order:
        read(name).pixels.max()
    return time.perf_counter() - began


def run(options: argparse.Namespace) -> None:
    try:
        sampling = FrameSampling.read(json.loads(options.settings))
    except (ValueError, AttributeError, TypeError) as error:
        raise BadInput(f"--settings: {error}; give JSON of `frames` settings") from None
    if min(options.repeats, options.most) < 1:
        raise BadInput("--repeats and --most are numbers from 1 on")
    videos = videos_below(options.videos, options.most)
    with recording("benchmark-frame-cache", asdict(sampling), {"videos": options.videos}) as record:
        record |= measure(videos, sampling, options.repeats)
    write_json(options.out, record)
    for kind, figures in (record["epoch_seconds"] | {"ratio": record["ratio"]}).items():
        print("{:8} {median:8.3f}  ({low:.3f} to {high:.3f})".format(kind, **figures))
    files, stored = record["video_bytes"] / 1e6, record["store_bytes"] / 1e6
    print(f"{record['counts']['videos']} videos, {files:.1f} MB; cache {stored:.1f} MB, ", end="")
    print(f"built in {record['build_seconds']:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", required=True, help="folder of video files, at any depth")
    parser.add_argument("--out", required=True, help="JSON record to write")
    parser.add_argument("--settings", default="{}", help="JSON of `frames` settings")
    parser.add_argument("--most", type=int, default=400, help="videos, spread over all (400)")
    parser.add_argument("--repeats", type=int, default=5, help="epochs of each (default: 5)")
    return finish(parser, run)


if __name__ == "__main__":
    sys.exit(main())
