"""Tiny Qwen2.5-VL and InternVL folders and inputs for them, made in a second, for tests."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from groundvts.data.inputs import Encoder
from groundvts.data.video import Frames
from groundvts.models.load import load_model
from groundvts.toy.layouts import LAYOUTS
from groundvts.toy.pretrain import BaseSettings

CORPUS = ["When does this happen?", "red circle", "blue square", "from 03s to 09s", "assistant\n"]


def write_base(folder: Path, seed: int = 0, backbone: str = "qwen", **preprocessor) -> Path:
    """An untrained stock folder; `preprocessor` changes settings of it, None takes one out."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    layout = LAYOUTS[backbone]
    tokenizer = layout.tokenizer(CORPUS)
    tokenizer.save_pretrained(folder)
    settings = {**layout.preprocessor, **preprocessor}
    settings = {key: value for key, value in settings.items() if value is not None}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    sizes = BaseSettings(hidden_size=32, layers=2, heads=2, intermediate_size=48)
    layout.stock(layout.configure(sizes, tokenizer).stock()).save_pretrained(folder)
    return folder


def write_internvl(folder: Path, seed: int = 0) -> Path:
    """An untrained stock InternVL folder that words its frames as InternVL does."""
    changes = dict.fromkeys(("frame_template", "frame_separator", "frame_stride"))
    return write_base(folder, seed, "internvl", **changes)


def frames(seconds: int, seed: int, height: int = 56, width: int = 56, fps: float = 2.0) -> Frames:
    """Noise frames of a clip of `seconds`."""
    count = int(seconds * fps) // 2 * 2
    pixels = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return Frames(pixels, np.arange(count) / fps, fps, float(seconds), "test")


@dataclass
class Tiny:
    """A model, its encoder, and batches for it."""

    model: object
    encoder: Encoder

    def sample(self, query: str, seconds: int, seed: int, answer: str | None = None, **shape):
        prompt = self.encoder.prompt("When does this happen?", query, query, answer)
        return self.encoder.sample(prompt, self.encoder.video(frames(seconds, seed, **shape)))

    def batch(self, *samples: dict, padding_side: str = "left", labels: bool = False) -> dict:
        batch = self.encoder.collate(list(samples), padding_side)
        if not labels:
            batch.pop("labels")
        return batch


def tiny(folder: Path, seed: int = 0, **vts) -> Tiny:
    """The folder's model with a sampling module whose settings are `vts`."""
    settings = {"hidden_size": 16, "start": "default", **vts}
    return Tiny(load_model(str(folder), settings, seed=seed), Encoder(str(folder)))
