"""Every score of a results folder as one tidy table, to plot and to compute with."""

from pathlib import Path
from typing import Any

import pandas as pd

from groundvts.errors import BadInput
from groundvts.records import read_record
from groundvts.report.benchmarks import MAIN
from groundvts.report.runs import Run, listed_runs, load_run, locate

COLUMNS = ["run", "variant", "label", "backbone", "seed", "sampler", "ratio", "weights", "fps"]
COLUMNS += ["dataset", "protocol", "metric", "value", "low", "high", "asked", "scored", "failed"]
COLUMNS += ["older"]


def load_records(results: str | Path = "results/toy", dataset: str = MAIN) -> pd.DataFrame:
    """One row for each metric of each run that is scored on `dataset`, ablations' runs included.

    `results` is given from the repository root, also where the caller stands in `notebooks/`.
    Columns:

    - run, variant, label, backbone, seed: which run; a variant's runs differ in seed
    - sampler, ratio, weights: how it chooses tokens, the share it keeps, their weights
    - fps: frames a second that it reads; NaN where it reads a fixed number of frames, or no video
    - dataset, protocol, metric: what was measured, and by which conventions
    - value, low, high: percent, with the 95 % bootstrap interval over videos
    - asked, scored, failed: queries; one that failed counts as zero in `value`
    - older: verbs whose records were made by other source than the present, "" for none

    What a run does not have (the constant window's backbone, say) is NaN or None.
    Raises BadInput where nothing is scored on `dataset`.

    >>> from groundvts import load_records
    >>> records = load_records("results/toy", "charades_sta")
    >>> best = records[records.metric == "mIoU"].sort_values("value", ascending=False)
    """
    folder = locate(results)
    lists = [folder / "runs.json", *sorted(folder.glob("ablations/*/runs.json"))]
    lists += folder.glob("reducers/runs.json")
    entries = {entry["run"]: entry for path in lists for entry in listed_runs(path)}
    loaded = {name: load_run(folder, entry, dataset) for name, entry in entries.items()}
    rows = [
        {**_about(folder, entries[name], run), "metric": metric, **found}
        for name, run in loaded.items()
        if run.score
        for metric, found in run.score["metrics"].items()
    ]
    if not rows:
        known = sorted({path.stem for path in folder.glob("scores/*/*.json")} - {"tokens"})
        scored = f"scored are {', '.join(known)}" if known else "nothing is: run `make` first"
        raise BadInput(f"{folder}: no run is scored on {dataset}; {scored}")
    return pd.DataFrame(rows)[COLUMNS].astype({"seed": "Int64"})


def _about(folder: Path, entry: dict[str, Any], run: Run) -> dict[str, Any]:
    """The columns that all metrics of a run share."""
    names = ("run", "variant", "label", "backbone", "seed", "sampler", "ratio", "weights")
    score = run.score
    return {
        **{name: entry.get(name) for name in names},
        "fps": _fps(folder, run),
        **{name: score[name] for name in ("dataset", "protocol")},
        **score["counts"],
        "older": ", ".join(run.older),
    }


def _fps(folder: Path, run: Run) -> float | None:
    """The frame rate of what the run read, as the index of those frames says."""
    sources = (record["inputs"].get("source") for record in run.others if record["verb"] == "infer")
    for source in filter(None, sources):
        index = folder.joinpath(*Path(source["path"]).parts[-4:])
        if index.is_file():
            return read_record(index)["sampling"]["fps"]
    return None
