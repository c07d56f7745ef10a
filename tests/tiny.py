"""A tiny Qwen2.5-VL folder and inputs for it, made in a second, for tests of the model."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from groundvts.data.inputs import Encoder
from groundvts.data.video import Frames
from groundvts.models.load import load_model
from groundvts.toy.base import preprocessor, toy_config
from groundvts.toy.pretrain import BaseSettings
from groundvts.toy.tokenizer import make_tokenizer

CORPUS = ["When does this happen?", "red circle", "blue square", "from 03s to 09s", "assistant\n"]


def write_base(folder: Path, seed: int = 0) -> Path:
    """An untrained stock Qwen2.5-VL folder."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(CORPUS)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor()))
    settings = BaseSettings(hidden_size=32, layers=2, heads=2, intermediate_size=48)
    Qwen2_5_VLForConditionalGeneration(toy_config(settings, tokenizer).stock()).save_pretrained(
        folder
    )
    return folder


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
