"""Made-up score records and comparisons of any benchmark, in the shape the rules write."""

import json
from pathlib import Path

import numpy as np

from groundvts.metrics.comparison import compare_runs
from groundvts.records import read_record, recording, write_json

RESAMPLES = 500
#          metric: mean of the better run, of the other; the third query does not count for -short
OTHERS = {
    "activitynet_captions": {
        "R1@0.3": (70, 40),
        "R1@0.5": (50, 30),
        "R1@0.7": (30, 15),
        "mIoU": (60, 35),
    },
    "qvhighlights": {
        "MR-R1@0.5": (60, 30),
        "MR-mAP": (50, 25),
        "MR-mAP-short": (20, 10),
        "HD-mAP-VeryGood": (40, 38),
        "HD-Hit@1-VeryGood": (50, 45),
    },
    "nextgqa": {"Acc@QA": (60, 55), "Acc@GQA": (30, 15), "mIoU": (40, 30), "mIoP": (45, 30)},
}
TRIVIAL = {
    "charades_sta": {"whole video": {"R1@0.3": 60.0, "mIoU": 31.25}, "centre half": {"mIoU": 30.5}},
    "activitynet_captions": {"whole video": {"mIoU": 44.5}},
    "qvhighlights": {
        "whole video": {"MR-R1@0.5": 20.0, "MR-mAP": 12.5},
        "all zero": {"HD-mAP-VeryGood": 39.75, "HD-Hit@1-VeryGood": 10.0},
    },
    "nextgqa": {"whole video": {"Acc@QA": 0.0, "Acc@GQA": 0.0, "mIoU": 20.5}},
}


def write_score(folder: Path, run: str, dataset: str, moments, values, failures=(), iou=None):
    """A score record: `values` holds each metric's score_N in percent, NaN where it counts not."""
    asked, failed = len(moments), len({failure["id"] for failure in failures})
    with recording("score", {}, {}) as record:
        record |= {"run": run, "dataset": dataset, "split": "test"}
        record["metrics"] = {name: _metric(score_N) for name, score_N in values.items()}
        record["counts"] = {"asked": asked, "scored": asked - failed, "failed": failed}
        record["failures"] = list(failures)
        queries = {key: [moment[key] for moment in moments] for key in ("id", "video")}
        record["queries"] = queries | ({} if iou is None else {"IoU": iou, "IoP": iou})
        record["scores"] = {
            name: [None if np.isnan(value) else value for value in score_N]
            for name, score_N in values.items()
        }
        record["trivial"] = TRIVIAL[dataset]
    write_json(folder / "scores" / run / f"{dataset}.json", record)


def _metric(score_N: np.ndarray) -> dict:
    known = score_N[~np.isnan(score_N)]
    value, margin = known.mean(), 1.96 * known.std() / len(known) ** 0.5
    return {"value": value, "low": value - margin, "high": value + margin}


def write_comparisons(folder: Path, dataset: str) -> None:
    """comparisons/`dataset`.json of all runs that have a score record of it."""
    groups: dict[str, list] = {}
    for entry in read_runs(folder):
        path = folder / "scores" / entry["run"] / f"{dataset}.json"
        if path.is_file():
            groups.setdefault(entry["variant"], []).append(read_record(path))
    with recording("comparisons", {}, {}) as record:
        record |= {"dataset": dataset, **compare_runs(groups, RESAMPLES, seeds=seeds_of(folder))}
    write_json(folder / "comparisons" / f"{dataset}.json", record)


def read_runs(folder: Path) -> list[dict]:
    """The entries of runs.json."""
    return json.loads((folder / "runs.json").read_text())


def seeds_of(folder: Path) -> dict[str, int | None]:
    """The seed of each run, None where none enters."""
    return {entry["run"]: entry["seed"] for entry in read_runs(folder)}


def add_benchmark(folder: Path, dataset: str, variants=("base", "vts-0.25")) -> Path:
    """Score the runs of `variants` on another benchmark; the last variant is the better."""
    listed = read_record(folder / "benchmarks.json")
    listed["evaluate"][dataset] = list(variants)
    write_json(folder / "benchmarks.json", listed)
    moments = [{"id": f"{dataset}-{n}", "video": f"clip{n // 2}"} for n in range(40)]
    for seed, entry in enumerate(read_runs(folder)):
        if entry["variant"] not in variants:
            continue
        rng = np.random.default_rng(seed)
        worse = entry["variant"] != variants[-1]
        values = {
            name: np.clip(rng.normal(levels[worse], 5, len(moments)), 0, 100)
            for name, levels in OTHERS[dataset].items()
        }
        if "MR-mAP-short" in values:
            values["MR-mAP-short"][2] = np.nan
        failed = {"id": moments[0]["id"], "reason": "no_window"}
        failures = [failed | {"of": "windows"}, failed | {"of": "saliency"}] if worse else []
        write_score(folder, entry["run"], dataset, moments, values, failures)
    write_comparisons(folder, dataset)
    return folder
