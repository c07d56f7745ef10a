"""A small results folder of made-up records in the shape the rules write, for report tests."""

import hashlib
import json
from pathlib import Path

import numpy as np
from synthetic_scores import write_comparisons, write_score

from groundvts.data.store import Store
from groundvts.records import recording, write_json

DATASET = "charades_sta"
STAGES = ("warmup", "joint", "grounding")
#            run                         variant                  seed sampler    ratio weights
RUNS = [
    ("constant", "constant", None, "none", None, None, "Constant span"),
    ("base", "base", None, "none", 1.0, None, "Base"),
    ("full-s0", "full", 0, "none", 1.0, "constant", "All tokens"),
    ("random-0.25-s0", "random-0.25", 0, "random", 0.25, "constant", "Random drop"),
    ("random-0.25-s1", "random-0.25", 1, "random", 0.25, "constant", "Random drop"),
    ("random-0.25-s2", "random-0.25", 2, "random", 0.25, "constant", "Random drop"),
    ("uniform-0.25-s0", "uniform-0.25", 0, "uniform", 0.25, "constant", "Uniform drop"),
    ("uniform-0.25-s1", "uniform-0.25", 1, "uniform", 0.25, "constant", "Uniform drop"),
    ("uniform-0.25-s2", "uniform-0.25", 2, "uniform", 0.25, "constant", "Uniform drop"),
    ("vts-0.25-s0", "vts-0.25", 0, "vts", 0.25, "score", "GroundVTS"),
    ("vts-0.25-s1", "vts-0.25", 1, "vts", 0.25, "score", "GroundVTS"),
    ("vts-0.25-s2", "vts-0.25", 2, "vts", 0.25, "score", "GroundVTS"),
    ("random-0.5-s0", "random-0.5", 0, "random", 0.5, "constant", "Random drop"),
    ("uniform-0.5-s0", "uniform-0.5", 0, "uniform", 0.5, "constant", "Uniform drop"),
    ("vts-0.5-s0", "vts-0.5", 0, "vts", 0.5, "score", "GroundVTS"),
    (
        "control-random-choice-s0",
        "control-random-choice",
        0,
        "random",
        0.25,
        "score",
        "Control: random choice, VTS weights",
    ),
    (
        "control-constant-weights-s0",
        "control-constant-weights",
        0,
        "vts",
        0.25,
        "constant",
        "Control: VTS choice, constant weights",
    ),
]
LEVEL = {
    "constant": 0.38,
    "base": 0.32,
    "full": 0.43,
    "random-0.25": 0.37,
    "uniform-0.25": 0.39,
    "vts-0.25": 0.84,
    "random-0.5": 0.39,
    "uniform-0.5": 0.4,
    "vts-0.5": 0.72,
    "control-random-choice": 0.53,
    "control-constant-weights": 0.5,
}


def write_results(folder: Path, skip: tuple[str, ...] = (), videos: int = 12) -> Path:
    """Write a results folder for RUNS less `skip`; three queries a video. Returns `folder`."""
    keys = ("run", "variant", "seed", "sampler", "ratio", "weights", "label")
    listed = [dict(zip(keys, row, strict=True)) for row in RUNS]
    base = (folder / "base").relative_to(folder.parents[1]).as_posix()
    for row in listed[1:]:
        row["base"] = base
    for row in listed[2:]:  # the first two are not trained
        row["stages"] = {stage: f"stages/{row['run']}/{stage}" for stage in STAGES}
    write_json(folder / "runs.json", listed)
    moments = _write_moments(folder, videos)
    listed = {"splits": [f"{DATASET}/test"], "training": [DATASET]}
    variants = list(dict.fromkeys(row[1] for row in RUNS))
    write_json(folder / "benchmarks.json", listed | {"evaluate": {DATASET: variants}})
    _write_frames(folder, moments)
    with recording("toy-base", {}, {}) as record:
        record["supervision"] = [
            "Colour and shape of every visual token (150 steps).",
            "Questions, captions and 8 % grounding (1000 steps).",
        ]
    write_json(folder / "base" / "record.json", record)
    for row in RUNS:
        run = dict(zip(keys, row, strict=True))
        if run["run"] not in skip:
            _write_run(folder, run, moments)
    if len(skip) < len(RUNS):
        write_comparisons(folder, DATASET)
    return folder


def _write_run(folder: Path, run: dict, moments: list[dict]) -> None:
    rng = np.random.default_rng(abs(hash_text(run["run"])))
    trained = run["variant"] not in ("constant", "base")
    if trained:
        _write_stages(folder, run, rng)
        _write_tokens(folder, run)
        with recording("merge", {}, {}) as record:
            record |= {"run": run["run"]}
        write_json(folder / "merged" / run["run"] / "record.json", record)
    iou = rng.beta(8 * LEVEL[run["variant"]], 8 * (1 - LEVEL[run["variant"]]), len(moments))
    failed = {"id": moments[0]["id"], "reason": "unparsed answer", "of": "windows"}
    failures = [failed] if "random" in run["run"] else []
    iou[: len(failures)] = 0
    _write_predictions(folder, run, moments, iou, rng)
    values = {f"R1@{level}": 100.0 * (iou >= level) for level in (0.3, 0.5, 0.7)}
    write_score(folder, run["run"], DATASET, moments, values | {"mIoU": 100 * iou}, failures, iou)


def _write_stages(folder: Path, run: dict, rng: np.random.Generator) -> None:
    for stage, steps in zip(STAGES, (150, 150, 700), strict=True):
        with recording("train", {"stage": stage}, {}, seed=run["seed"]) as record:
            record |= {"run": run["run"], "stage": stage, "steps": steps, "resumed_from": 0}
            record["samples"] = {"given": 10, "used": 9, "left_out": [{"id": "a"}]}
            groups = {"vts": 20608, "projector": 0, "lora": 0}
            if stage != "warmup":
                groups |= {"projector": 82304, "lora": 12288}
            record["trainable"] = {"total": sum(groups.values()), "groups": groups, "names": []}
            end = 1.2 - LEVEL[run["variant"]]
            record["loss"] = [
                {
                    "step": step,
                    "loss": end + np.exp(-4 * step / steps) + 0.05 * rng.random(),
                    "learning_rate": 1e-3,
                }
                for step in range(10, steps + 1, 10)
            ]
        record["seconds"] = steps / 20
        write_json(folder / "stages" / run["run"] / stage / "record.json", record)


def _write_tokens(folder: Path, run: dict) -> None:
    def share(value: float) -> dict:
        return {"value": value, "low": max(value - 2, 0), "high": min(value + 2, 100)}

    chance = 100 * run["ratio"]
    with recording("tokens", {}, {}) as record:
        record |= {"run": run["run"], "after": {}}
        for number, stage in enumerate(STAGES):
            learned = run["sampler"] == "vts"
            record["after"][stage] = {
                "object": share((50, 70, 99)[number] if learned else chance),
                "interval": share((30, 33, 42)[number] if learned else chance),
                "distractors": share((48, 40, 58)[number] if learned else chance),
                "kept_share": chance,
            }
        record["test"] = record["after"][STAGES[-1]]
    write_json(folder / "scores" / run["run"] / "tokens.json", record)


def _write_moments(folder: Path, videos: int) -> list[dict]:
    """moments.jsonl of the test split: 16 s clips, three queries each."""
    rng = np.random.default_rng(0)
    moments = []
    for number in range(3 * videos):
        start = int(rng.integers(0, 9))
        moments.append(
            {
                "id": f"clip{number // 3:03d}-{number}",
                "dataset": DATASET,
                "split": "test",
                "video": f"clip{number // 3:03d}",
                "duration": 16.0,
                "query": f"a {('red', 'blue', 'green')[number % 3]} circle is visible",
                "windows": [[float(start), float(start + 5)]],
                "source_line": number + 1,
            }
        )
    path = folder / "data" / DATASET / "test" / "moments.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(moment) + "\n" for moment in moments))
    return moments


def _write_frames(folder: Path, moments: list[dict]) -> None:
    """Frames cache of the clips: 56x56 pixels, 2 frames a second, an object per window."""
    rng = np.random.default_rng(0)
    cache, store = folder / "frames" / DATASET / "test", Store(folder / "cache")
    store.prepare()
    index = {}
    colours = {"red": (220, 40, 40), "blue": (40, 60, 220), "green": (40, 180, 60)}
    for video in dict.fromkeys(moment["video"] for moment in moments):
        clip = np.repeat(rng.integers(90, 130, (1, 56, 56, 3), dtype=np.uint8), 32, axis=0)
        for cell, moment in enumerate(m for m in moments if m["video"] == video):
            (start, end), colour = moment["windows"][0], colours[moment["query"].split()[1]]
            row, col = 28 * (cell // 2) + 6, 28 * (cell % 2) + 6
            clip[int(2 * start) : int(2 * end), row : row + 16, col : col + 16] = colour
        facts = {
            "shape": list(clip.shape),
            "timestamps": [0.5 * step for step in range(32)],
            "fps": 2.0,
            "duration": 16.0,
            "reader": "decord",
            "note": None,
        }
        key = hashlib.sha256(video.encode()).hexdigest()
        store.put(key, clip, facts)
        index[video] = {"key": key, **facts}
    content = {"sampling": {"fps": 2.0}, "store": "../../../cache", "videos": index, "failed": {}}
    write_json(cache / "index.json", content)


def _write_predictions(
    folder: Path, run: dict, moments: list[dict], iou: np.ndarray, rng: np.random.Generator
) -> None:
    lines = []
    for number, moment in enumerate(moments):
        start, end = moment["windows"][0]
        line = {key: moment[key] for key in ("id", "video", "query")}
        line |= {
            "answer": "From 1 to 2.",
            "windows": [[start, start + (end - start) * iou[number]]],
        }
        line |= {"failure": None, "detail": None, "seconds": 0.05}
        if run["variant"] != "constant":
            centre = np.arange(64) // 4
            scores = rng.random(64) + 4 * ((centre >= start) & (centre < end)) * (
                np.arange(64) % 4 == number % 3
            )
            kept = np.sort(np.argsort(-scores)[: int(64 * (run["ratio"] or 1))])
            line |= {"grid": [16, 2, 2], "second_per_grid": 1.0, "kept": kept.tolist()}
            if run["sampler"] == "vts":
                line["scores"] = (scores / scores.sum()).tolist()
        lines.append(json.dumps(line))
    path = folder / "predictions" / run["run"] / f"{DATASET}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    asked = folder / "data" / DATASET / "test" / "moments.jsonl"
    with recording("infer", {}, {"moments": asked}) as record:
        record |= {"run": run["run"], "dataset": DATASET}
    write_json(path.with_name(f"{DATASET}.record.json"), record)


def hash_text(text: str) -> int:
    """A number for a text, the same in every process."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(text))
