"""What the runs of a results folder wrote: the run list, their records, per-query values."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from groundvts.errors import BadInput
from groundvts.records import read_record, source_hash

STAGES = ("warmup", "joint", "grounding")


@dataclass(frozen=True)
class Run:
    """One line of runs.json with the records it has so far."""

    name: str
    variant: str
    seed: int
    sampler: str | None
    ratio: float | None
    label: str
    stages: dict[str, dict[str, Any]]
    score: dict[str, Any] | None
    tokens: dict[str, Any] | None
    others: tuple[dict[str, Any], ...]

    @cached_property
    def older(self) -> tuple[str, ...]:
        """Verbs of this run whose records were made by other source than the present."""
        records = [*self.stages.values(), *self.others, self.score, self.tokens]
        now = source_hash()
        made = (record["verb"] for record in records if record and record["source"] != now)
        return tuple(dict.fromkeys(made))


def locate(path: str | Path) -> Path:
    """A path given from the repository root, also when the caller stands in notebooks/."""
    for candidate in (Path(path), Path("..") / path):
        if candidate.exists():
            return candidate.resolve()
    raise BadInput(f"{path}: no such file or folder; make the results first or correct the path")


def load_runs(results: str | Path, dataset: str = "charades_sta") -> list[Run]:
    """The runs of `results`/runs.json in their order, with what each has recorded."""
    path = Path(results) / "runs.json"
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        return [_run(Path(results), entry, dataset) for entry in listed]
    except FileNotFoundError:
        raise BadInput(f"{path}: no run list; run the rule that writes it") from None
    except json.JSONDecodeError as error:
        raise BadInput(
            f"{path}, line {error.lineno}: not valid JSON; delete it, run again"
        ) from None
    except (KeyError, TypeError) as error:
        raise BadInput(f"{path}: an entry lacks {error}; delete it and run again") from None


def _run(results: Path, entry: dict[str, Any], dataset: str) -> Run:
    name = entry["run"]

    def record(path: str) -> dict[str, Any] | None:
        return read_record(results / path) if (results / path).is_file() else None

    stages = {stage: record(f"stages/{name}/{stage}/record.json") for stage in STAGES}
    others = (
        record(f"merged/{name}/record.json"),
        record(f"predictions/{name}/{dataset}.record.json"),
    )
    return Run(
        name=name,
        variant=entry["variant"],
        seed=entry["seed"],
        sampler=entry.get("sampler"),
        ratio=entry.get("ratio"),
        label=entry["label"],
        stages={stage: found for stage, found in stages.items() if found},
        score=record(f"scores/{name}/{dataset}.json"),
        tokens=record(f"scores/{name}/tokens.json"),
        others=tuple(other for other in others if other),
    )


@dataclass(frozen=True)
class Queries:
    """Per-query IoU of every scored run; `iou[run]` is (Q,), `videos` (Q,), one query order."""

    videos: np.ndarray
    iou: dict[str, np.ndarray]

    def arm(self, runs: list[Run], metric: str) -> np.ndarray:
        """Per-query values in percent, (S, Q), of a metric over the seeds of a variant."""
        values = np.stack([self.iou[run.name] for run in runs])
        if metric == "mIoU":
            return 100 * values
        return 100.0 * (values >= float(metric.removeprefix("R1@")))


def load_queries(runs: list[Run]) -> Queries:
    """Align the per-query values of all scored runs by query id.

    Raises BadInput if two runs were scored on different queries.
    """
    columns = {}
    videos = None
    for run in runs:
        if run.score is None:
            continue
        queries = run.score["queries"]
        columns[run.name] = pd.Series(queries["IoU"], index=queries["id"], dtype=float)
        if videos is None:
            first, videos = run.name, pd.Series(queries["video"], index=queries["id"])
        if set(queries["id"]) != set(videos.index):
            raise BadInput(
                f"score records of {first} and {run.name} hold different queries; score both again"
            )
    if videos is None:
        return Queries(np.array([]), {})
    iou = {name: column.loc[videos.index].to_numpy() for name, column in columns.items()}
    return Queries(videos.to_numpy(), iou)


def by_variant(runs: list[Run]) -> dict[str, list[Run]]:
    """Scored runs by variant, in table order."""
    variants: dict[str, list[Run]] = {}
    for run in runs:
        if run.score is not None:
            variants.setdefault(run.variant, []).append(run)
    return variants
