"""The frozen vision tower's output, computed once for each video and read by every run.

Notable: a feature cache and a frame cache are read through the same interface (`videos`, `failed`,
`check`, `duration`, `video`), so that the first is a switch.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from groundvts.data.frames import INDEX, FrameCache
from groundvts.data.inputs import Encoder, VideoInput
from groundvts.data.store import Store, read_index
from groundvts.errors import BadInput
from groundvts.models.load import tower_hash
from groundvts.progress import track
from groundvts.records import write_json

VERSION = 2  # of the code between frames and features: raise it where it gives other numbers
HELD = 500_000_000  # bytes of a cache's features that are kept in memory once they were read
FACTS = ("grid_thw", "second_per_grid", "duration", "rows")


def build_feature_cache(
    model, encoder: Encoder, frames: FrameCache, out: str | Path, store: Store
) -> dict:
    """Stores what `store` lacks of the tower's rows (float32, its width); writes `out`'s index.

    Returns the index.
    """
    store.prepare()
    tower = tower_hash(model)
    made_by = [tower, str(model.dtype), pixel_settings(encoder), VERSION]
    keys = {name: _key(frames.videos[name]["key"], made_by) for name in sorted(frames.videos)}
    lacking = {key: name for name, key in keys.items() if key not in store}
    for key, name in track(lacking.items(), "vision tower", len(lacking), "video"):
        if key in store:  # another process was faster
            continue
        video = encoder.video(frames[name])
        rows = _features(model, video)
        about = {"grid_thw": video.grid_thw, "second_per_grid": video.second_per_grid}
        about |= {"timestamps": video.timestamps} if video.timestamps else {}
        duration = frames.videos[name]["duration"]
        store.put(key, rows, {**about, "duration": duration, "rows": len(rows)})
    videos = {name: {"key": key, **store.facts(key)} for name, key in keys.items()}
    index = {
        "tower": tower,
        "sampling": asdict(frames.sampling),
        "width": store.get(next(iter(keys.values()))).shape[-1] if keys else 0,
        "store": os.path.relpath(store.folder, out),
        "videos": videos,
        "failed": frames.failed,
    }
    write_json(Path(out) / INDEX, index)
    return index


def pixel_settings(encoder: Encoder) -> list:
    """What an encoder does to frames before the tower sees them."""
    sizes = [encoder.patch_size, encoder.temporal_patch_size, encoder.merge_size]
    return [*sizes, encoder.mean.flatten().tolist(), encoder.std.flatten().tolist()]


def _key(frame_key: str, made_by: list) -> str:
    return hashlib.sha256(json.dumps([frame_key, made_by]).encode()).hexdigest()


@torch.no_grad()
def tower_rows(model, video: VideoInput) -> torch.Tensor:
    """The tower's output (P, width) for one video's pixels, on the model's device."""
    grid = torch.tensor([video.grid_thw], device=model.device)
    return model.vision_features(video.patches.to(model.device), grid)


def _features(model, video: VideoInput):
    return tower_rows(model, video).float().cpu().numpy()


class FeatureCache:
    """Reads what `build_feature_cache` wrote: the first `HELD` bytes stay in memory once read.

    Raises BadInput where the index is broken or the store lacks what it names.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        content, self.store = read_index(self.folder / INDEX, ("tower",), FACTS)
        self.tower, self.videos, self.failed = (content[k] for k in ("tower", "videos", "failed"))
        self.held: dict[str, np.ndarray] = {}
        self.left = HELD

    def check(self, model) -> None:
        """BadInput unless `model` has the vision tower that made the cache."""
        if tower_hash(model) != self.tower:
            raise BadInput(f"{self.folder}: made by another vision tower: make it again")

    def duration(self, name: str) -> float:
        return self.videos[name]["duration"]

    def video(self, name: str) -> VideoInput:
        entry = self.videos[name]
        rows = self.held[name] if name in self.held else self.store.get(entry["key"])
        if name not in self.held and rows.nbytes <= self.left:
            self.held[name], self.left = np.array(rows), self.left - rows.nbytes
        return VideoInput(
            tuple(entry["grid_thw"]),
            entry["second_per_grid"],
            features=torch.from_numpy(rows),
            timestamps=tuple(entry.get("timestamps", ())),  # where the text names them
        )


class PixelSource:
    """The same interface over a frame cache: the tower runs each time."""

    def __init__(self, frames: FrameCache, encoder: Encoder) -> None:
        self.frames, self.encoder = frames, encoder
        self.videos, self.failed = frames.videos, frames.failed

    def check(self, model) -> None:
        """Pixels fit any model."""

    def duration(self, name: str) -> float:
        return self.videos[name]["duration"]

    def video(self, name: str) -> VideoInput:
        return self.encoder.video(self.frames[name])


def open_source(folder: str | Path, encoder: Encoder) -> FeatureCache | PixelSource:
    """The videos of a feature cache's or a frame cache's folder; BadInput where it is neither."""
    content, _ = read_index(Path(folder) / INDEX, (), ())
    return FeatureCache(folder) if "tower" in content else PixelSource(FrameCache(folder), encoder)
