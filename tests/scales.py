"""Everything a scale other than toy needs, at tiny size: videos, annotations, checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from published import write_published
from tiny import tiny, write_base, write_internvl

from groundvts.models.protocols import vts_settings
from groundvts.toy.benchmark import make_benchmark

RELEASED = ("GroundVTS-Q", "GroundVTS-I")
FRAMES = {"max_frames": 8, "min_pixels": 784, "max_pixels": 3136}


def make_sources(folder: Path) -> dict:
    """Makes videos, published files, bases and released checkpoints; settings that name them."""
    sizes = {"pretrain": 1, "train": 4, "val": 2, "test": 2}
    make_benchmark(folder / "data", clips=sizes, seed=0, side=56, workers=2)
    bases = {
        "qwen": write_base(folder / "models" / "qwen"),
        "internvl": write_internvl(folder / "models" / "internvl"),
    }
    module = vts_settings("official", {"drop": "real", "decode": "kept"})
    for name, (backbone, kind) in zip(
        RELEASED, (("qwen", "qwen2_5_vl"), ("internvl", "internvl")), strict=True
    ):
        model = tiny(bases[backbone], **{**module, "ratio": 0.5}).model
        write_published(folder / "published" / name, model, kind, bases[backbone])
    places = {
        "charades_sta": {
            "annotations": "charades_sta/charades_sta_{split}.txt",
            "durations": "charades_sta/Charades_v1_{split}.csv",
        },
        "activitynet_captions": {"annotations": "activitynet_captions/{split}.json"},
        "qvhighlights": {"annotations": "qvhighlights/highlight_{split}_release.jsonl"},
        "nextgqa": {"annotations": "nextgqa/test.csv", "spans": "nextgqa/gsub_test.json"},
        "llava_video": {"annotations": ["llava_video/train.json", "llava_video/pretrain.json"]},
    }
    found = folder / "data" / "annotations"
    benchmarks = {
        name: {"videos": str(folder / "data" / "videos")}
        | {key: _below(found, value) for key, value in files.items()}
        for name, files in places.items()
    }
    backbones = {name: {"checkpoint": str(base)} for name, base in bases.items()}
    backbones["internvl"]["frames"] = {"count": 4, "side": 56}
    return {
        "benchmarks": benchmarks,
        "backbones": backbones,
        "frames": FRAMES,
        "score": {"resamples": 100},
        "inference": {"max_new_tokens": {"grounding": 4, "highlights": 4, "question": 4}},
        "preflight": {"sample": 3, "found": 0.5},
    }


def _below(folder: Path, named: str | list[str]) -> str | list[str]:
    if isinstance(named, str):
        return str(folder / named)
    return [str(folder / name) for name in named]


def write_settings(file: Path, settings: dict) -> Path:
    """Writes settings as YAML; returns the file."""
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))
