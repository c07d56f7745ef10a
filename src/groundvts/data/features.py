"""The frozen vision tower's output, computed once for each video and read by every run."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from groundvts.data.frames import FrameCache
from groundvts.data.inputs import Encoder, VideoInput
from groundvts.errors import BadInput
from groundvts.models.load import tower_hash
from groundvts.progress import track


@torch.no_grad()
def build_feature_cache(model, encoder: Encoder, frames: FrameCache, out: Path) -> dict:
    """Writes `features.bin` (float32 rows of the tower's width) and `index.json`; returns counts.

    The folder appears whole or not at all.
    """
    partial = out.with_name(out.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    index, offset = {}, 0
    with open(partial / "features.bin", "wb") as rows_file:
        for name in track(sorted(frames.videos), "vision tower", len(frames.videos), "video"):
            video = encoder.video(frames[name])
            patches = video.patches.to(model.device)
            grid = torch.tensor([video.grid_thw], device=model.device)
            rows = model.vision_features(patches, grid).float()
            rows_file.write(rows.cpu().numpy().tobytes())
            index[name] = {
                "offset": offset,
                "rows": len(rows),
                "grid_thw": video.grid_thw,
                "second_per_grid": video.second_per_grid,
                "duration": frames.videos[name]["duration"],
            }
            offset += len(rows)
    content = {
        "tower": tower_hash(model),
        "sampling": asdict(frames.sampling),
        "width": rows.shape[-1] if index else 0,
        "videos": index,
        "failed": frames.failed,
    }
    (partial / "index.json").write_text(json.dumps(content), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
    return {"videos": len(index), "failed": len(frames.failed), "rows": offset}


class FeatureCache:
    """Reads what `build_feature_cache` wrote, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        folder = Path(folder)
        try:
            content = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadInput(f"{folder}: no feature cache: {error}: make it again") from None
        self.folder, self.tower = folder, content["tower"]
        self.videos, self.failed = content["videos"], content["failed"]
        self.rows = np.memmap(folder / "features.bin", np.float32, "r").reshape(
            -1, content["width"]
        )

    def check(self, model) -> None:
        """BadInput unless `model` has the vision tower that made the cache."""
        if tower_hash(model) != self.tower:
            raise BadInput(f"{self.folder}: made by another vision tower: make it again")

    def duration(self, name: str) -> float:
        return self.videos[name]["duration"]

    def video(self, name: str) -> VideoInput:
        entry = self.videos[name]
        rows = self.rows[entry["offset"] : entry["offset"] + entry["rows"]]
        features = torch.from_numpy(np.array(rows))
        return VideoInput(tuple(entry["grid_thw"]), entry["second_per_grid"], features=features)


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
