"""How long a plan takes, going by the seconds that jobs of its rules took before."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from groundvts.records import read_record, write_json

METADATA = ".snakemake/metadata"  # where Snakemake keeps what it knows of finished jobs
SHORT = 120.0  # s; of less nothing is said


def job_kind(rule: str, log: Iterable[str]) -> str:
    """What jobs that take about as long have in common: the rule, and the stage of training."""
    stage = [Path(file).stem.rpartition("_")[2] for file in log]
    return " ".join([rule, *stage]) if rule == "train_stage" else rule


def measured_seconds(scale: str, metadata: str | Path = METADATA) -> dict[str, float]:
    """Mean seconds of a finished shell job of each kind at a scale, as Snakemake noted them."""
    jobs: dict[tuple, float] = {}
    for file in Path(metadata).rglob("*"):
        one = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        log = tuple(one.get("log") or ())
        if one.get("shellcmd") and any(path.startswith(f"results/{scale}/") for path in log):
            jobs[job_kind(one["rule"], log), log] = one["endtime"] - one["starttime"]
    kinds = sorted({kind for kind, _ in jobs})
    return {
        kind: round(float(np.mean([s for (one, _), s in jobs.items() if one == kind])), 2)
        for kind in kinds
    }


def save_seconds(scale: str, file: str | Path, metadata: str | Path = METADATA) -> None:
    """Writes `measured_seconds` with the scale; what was not measured stays as the file has it."""
    known = read_record(file) if Path(file).is_file() else {"scale": None}
    before = known["seconds"] if known["scale"] == scale else {}
    if found := measured_seconds(scale, metadata):
        write_json(file, {"scale": scale, "seconds": dict(sorted((before | found).items()))})


def expectation(jobs: Mapping[str, int], scale: str, cores: int, file: str | Path) -> str | None:
    """What to expect of a plan in one line; `jobs` counts those of each kind.

    None where it is short, or where nothing was measured at this scale.
    """
    known = read_record(file) if Path(file).is_file() else {"scale": None}
    if known["scale"] != scale:
        return None
    seconds = sum(count * known["seconds"].get(kind, 0.0) for kind, count in jobs.items()) / cores
    stages = sum(count for kind, count in jobs.items() if kind.startswith("train_stage"))
    if seconds < SHORT:
        return None
    return (
        f"{sum(jobs.values())} jobs, {stages} of them stages of training: about "
        f"{seconds / 60:.0f} minutes on {cores} cores, going by the jobs behind {file}"
    )
