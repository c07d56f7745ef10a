"""A short base and a short grounding stage under portable numerics, and one hash of each step.

    python workflow/portable.py [--fast] [--out FILE]

Two processors on which `numerics: portable` gives the same bytes print the same hashes; the first
that differs shows where they part. `--fast` leaves the kernels to the processor.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from groundvts.numerics import PORTABLE
from groundvts.records import recording, write_json

SEED = {"seed": 0}
PROMPTS = {"prompts_file": None, "prompts_set": "toy"}
FRAMES = {"fps": 2.0, "max_frames": 128, "min_pixels": 784, "max_pixels": 3136}
RATES = {"vts": 1e-3, "projector": 2e-3, "lora": 5e-3}
STAGE = {"data": ["charades_sta"], "learning_rate": RATES, "steps": 60, "batch_size": 32,
         "global_batch": 32, "lora_dropout": 0.0}  # fmt: skip
ASKING = {"batch_size": 16, "max_new_tokens": {"grounding": 24}}
CLIPS = {"pretrain": 64, "train": 64, "val": 4, "test": 16}
STEPS = {  # what is hashed: step -> files
    "clips": "made/videos/*.mp4",
    "frames": "cache/frames/**/*.npy",
    "base": "base/model.safetensors",
    "features": "cache/features/**/*.npy",
    "adapter": "grounding/adapter_model.safetensors",
    "answers": "answers.txt",
}


def run(folder: Path) -> None:
    """Runs the verbs one after the other in `folder`."""

    def groundvts(*words: object) -> None:
        command = [json.dumps(w) if isinstance(w, dict) else str(w) for w in words]
        command = [sys.executable, "-m", "groundvts.cli", *command]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    toy = {**SEED, "side": 112, "clips": CLIPS}
    groundvts("toy-benchmark", "--settings", toy, "--workers", 1, "--out", "made")
    charades = "made/annotations/charades_sta"
    for name, split in (("charades_sta", "pretrain"), ("charades_sta", "train"),
                        ("charades_sta", "test"), ("llava_video", "pretrain")):  # fmt: skip
        place, files = f"{name}/{split}", [f"made/annotations/{name}/{split}.json"]
        if name == "charades_sta":
            files = [f"{charades}/charades_sta_{split}.txt"]
            files += ["--durations", f"{charades}/Charades_v1_{split}.csv"]
        groundvts("convert", name, "--split", split, "--annotations", *files, "--out", place)
        moments = f"{place}/moments.jsonl"
        told = {**SEED, **PROMPTS, "time_format": "{:02.0f}"}
        kinds = "question" if name == "llava_video" else "grounding"
        groundvts("conversations", "--moments", moments, "--kinds", kinds, "--settings", told,
                  "--out", f"{place}/conversations.jsonl")  # fmt: skip
        groundvts("frames", "--moments", moments, "--videos", "made/videos", "--workers", 1,
                  "--settings", FRAMES, "--cache", "cache", "--out", f"{place}/frames")  # fmt: skip
    groundvts("toy-base", "--questions", "llava_video/pretrain/conversations.jsonl",
              "--grounding", "charades_sta/pretrain/conversations.jsonl",
              "--frames", "llava_video/pretrain/frames", "--objects", "made/objects.json",
              "--settings", {**SEED, "steps": 100}, "--out", "base")  # fmt: skip
    for split in ("train", "test"):
        groundvts("features", "--model", "base", "--frames", f"charades_sta/{split}/frames",
                  "--cache", "cache", "--out", f"charades_sta/{split}/features")  # fmt: skip
    test = "charades_sta/test/moments.jsonl"
    data = "charades_sta/train/conversations.jsonl=charades_sta/train/features"
    vts = {"sampler": "vts", "ratio": 0.25, "weights": "score", "tau_weight": 0.1, **SEED}
    settings = {"protocol": "fixed", **SEED, **PROMPTS}
    groundvts("train", "--run", "short", "--stage", "grounding", "--base", "base", "--data", data,
              "--probe", f"{test}=charades_sta/test/features",
              "--settings", {**settings, "vts": {"hidden_size": 64, **vts}, "stage": STAGE},
              "--checkpoints", "checkpoints", "--out", "grounding")  # fmt: skip
    groundvts("merge", "--run", "short", "--base", "base", "--adapter", "grounding",
              "--moments", test, "--source", "charades_sta/test/features",
              "--settings", {**settings, "vts": {"hidden_size": 64, **vts}, "frames": FRAMES},
              "--out", "merged")  # fmt: skip
    groundvts("infer", "--run", "short", "--model", "merged", "--moments", test,
              "--source", "charades_sta/test/features", "--settings", {**settings, **ASKING},
              "--kinds", "grounding", "--out", "answers.jsonl")  # fmt: skip
    lines = map(json.loads, (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines())
    answers = [f"{line['id']} {line['answer']} {line.get('kept')}" for line in lines]
    (folder / "answers.txt").write_text("\n".join(answers), encoding="utf-8")


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of the files of each step, in order of their names, and of all."""
    found, whole = {}, hashlib.sha256()
    for step, pattern in STEPS.items():
        one = hashlib.sha256()
        for path in sorted(folder.glob(pattern)):
            one.update(path.read_bytes())
        found[step] = one.hexdigest()
        whole.update(one.digest())
    return {**found, "all": whole.hexdigest()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fast", action="store_true", help="the processor's own kernels")
    parser.add_argument("--out", type=Path, help="also written here, as JSON")
    options = parser.parse_args()
    os.environ.update({} if options.fast else PORTABLE)  # the record tells it too
    settings = {"numerics": "fast" if options.fast else "portable"}
    with tempfile.TemporaryDirectory() as folder, recording("portable", settings, {}) as made:
        run(Path(folder))
        made["hashes"] = hashes(Path(folder))
    for step, digest in made["hashes"].items():
        print(f"{step:9} {digest}")
    if options.out:
        write_json(options.out, made)


if __name__ == "__main__":
    main()
