"""What a run kept on the test split: timelines for pictures, and plain shares over all queries."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from groundvts.data.frames import FrameCache
from groundvts.data.moment import Moment, read_moments
from groundvts.errors import BadInput
from groundvts.records import read_record
from groundvts.report.runs import Run
from groundvts.report.strips import Timeline, begins_within

BEFORE = "before training"
AFTER = {"warmup": "after 1 warm-up", "joint": "after 2 joint", "grounding": "after 3 grounding"}


class Choices:
    """What was kept for each query (lines of `path`) beside its moment and frames.

    `asked` is the recorded path of the moments, whose order holds. Queries without visual tokens (a
    video that cannot be read) are left out.
    """

    def __init__(self, results: str | Path, path: Path, asked: str) -> None:
        results, (dataset, split) = Path(results), Path(asked).parts[-3:-1]
        lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        chosen = {line["id"]: line for line in lines if line.get("kept")}
        moments = read_moments(results / "data" / dataset / split / "moments.jsonl")
        self.frames = FrameCache(results / "frames" / dataset / split)
        self.pairs = [(moment, chosen[moment.id]) for moment in moments if moment.id in chosen]

    @property
    def videos(self) -> list[str]:
        """The video of each query."""
        return [moment.video for moment, _ in self.pairs]

    def timeline(self, index: int, note: str = "") -> Timeline:
        """The timeline of one query, with its pixels; `note` follows the query."""
        moment, prediction = self.pairs[index]
        frames = self.frames[moment.video]
        return Timeline(
            heading=f"“{moment.query}”  {note}".rstrip(),
            pixels=np.asarray(frames.pixels),
            grid=tuple(prediction["grid"]),
            second_per_grid=prediction["second_per_grid"],
            kept=prediction["kept"],
            scores=prediction.get("scores"),
            true=moment.windows,
            predicted=tuple(map(tuple, prediction.get("windows") or ())),
            times=tuple(frames.timestamps),
            duration=moment.duration,
            failure=prediction.get("failure") or "none",
        )

    def siblings(self) -> dict[str, list[int]]:
        """Indices of the queries of each video that has several."""
        groups: dict[str, list[int]] = {}
        for index, (moment, _) in enumerate(self.pairs):
            groups.setdefault(moment.video, []).append(index)
        return {video: members for video, members in groups.items() if len(members) > 1}

    def shared(self, pair: Sequence[int]) -> float:
        """Percent of the tokens kept for one of two queries that are kept for the other too."""
        one, other = (set(self.pairs[index][1]["kept"]) for index in pair)
        return 100 * len(one & other) / max(1, min(len(one), len(other)))

    def mean_shared(self) -> float:
        """Mean of `shared` over all pairs of queries on one video."""
        pairs = [pair for group in self.siblings().values() for pair in combinations(group, 2)]
        return float(np.mean([self.shared(pair) for pair in pairs])) if pairs else float("nan")

    def inside(self) -> np.ndarray:
        """Percent of a query's tokens that lie in the true window: of the kept, of all (N, 2)."""
        return np.array([_inside(moment, prediction) for moment, prediction in self.pairs])


def predicted(results: str | Path, run: str, dataset: str = "charades_sta") -> Choices:
    """What a run kept for the queries it was tested on, with its answers."""
    path = Path(results) / "predictions" / run / f"{dataset}.jsonl"
    if not path.is_file():
        raise BadInput(f"{path}: no predictions of this run; run the inference first")
    record = read_record(path.with_suffix(".record.json"))
    return Choices(results, path, record["inputs"]["moments"]["path"])


def by_stage(results: str | Path, run: Run) -> dict[str, Choices | None]:
    """What a run kept of its probe before training and after each stage; None: not recorded."""
    found: dict[str, Choices | None] = {}
    for stage, record in run.stages.items():
        folder = (Path(results) / run.places[stage]).parent
        names = {AFTER[stage]: "selection.jsonl"}
        if not found:
            names = {BEFORE: "selection_before.jsonl"} | names
        for name, file in names.items():
            found[name] = None
            if (path := folder / file).is_file():
                found[name] = Choices(results, path, record["inputs"]["probe"]["path"])
    return found


def _inside(moment: Moment, prediction: dict) -> tuple[float, float]:
    """Percent of kept and of all tokens whose grid step begins inside a true window."""
    steps, height, width = prediction["grid"]
    within = begins_within(steps, prediction["second_per_grid"], moment.windows)
    kept = np.asarray(prediction["kept"]) // (height * width)
    return 100 * within[kept].mean(), 100 * within.mean()
