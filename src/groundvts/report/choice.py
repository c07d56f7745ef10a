"""What a run kept on the test split: timelines for pictures, and plain shares over all queries."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np

from groundvts.data.frames import FrameCache
from groundvts.data.moment import Moment, read_moments
from groundvts.errors import BadInput
from groundvts.records import read_record
from groundvts.report.timeline import Timeline


class Choices:
    """Predictions of one run beside their moments and frames, in the order of the moments.

    Queries without visual tokens (a video that cannot be read) are left out.
    """

    def __init__(self, results: str | Path, run: str, dataset: str = "charades_sta") -> None:
        results = Path(results)
        path = results / "predictions" / run / f"{dataset}.jsonl"
        if not path.is_file():
            raise BadInput(f"{path}: no predictions of this run; run the inference first")
        lines = path.read_text(encoding="utf-8").splitlines()
        predictions = {line["id"]: line for line in map(json.loads, lines) if line.get("kept")}
        asked = Path(read_record(path.with_suffix(".record.json"))["inputs"]["moments"]["path"])
        split = asked.parent.name
        moments = read_moments(results / "data" / dataset / split / "moments.jsonl")
        self.frames = FrameCache(results / "frames" / dataset / split)
        self.pairs = [(moment, predictions[moment.id]) for moment in moments
                      if moment.id in predictions]  # fmt: skip

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
            predicted=tuple(map(tuple, prediction["windows"] or ())),
            times=tuple(frames.timestamps),
            duration=moment.duration,
            failure=prediction["failure"] or "none",
        )

    def siblings(self) -> dict[str, list[int]]:
        """Indices of the queries of each video that has several."""
        groups: dict[str, list[int]] = {}
        for index, (moment, _) in enumerate(self.pairs):
            groups.setdefault(moment.video, []).append(index)
        return {video: members for video, members in groups.items() if len(members) > 1}

    def overlap(self, first: int, second: int) -> float:
        """Share (percent) of the tokens kept for one query that are kept for the other too."""
        one, other = (set(self.pairs[index][1]["kept"]) for index in (first, second))
        return 100 * len(one & other) / max(1, min(len(one), len(other)))

    def mean_overlap(self) -> float:
        """Mean overlap (percent) over all pairs of queries on one video."""
        pairs = [pair for group in self.siblings().values() for pair in combinations(group, 2)]
        return float(np.mean([self.overlap(*pair) for pair in pairs])) if pairs else float("nan")

    def inside(self) -> tuple[float, float]:
        """Share (percent) of kept tokens inside the true window, and of all tokens."""
        shares = [_inside(moment, prediction) for moment, prediction in self.pairs]
        kept, every = np.mean(shares, axis=0)
        return float(kept), float(every)


def _inside(moment: Moment, prediction: dict) -> tuple[float, float]:
    """Percent of kept and of all tokens whose grid step begins inside a true window."""
    steps, height, width = prediction["grid"]
    begins = np.arange(steps) * prediction["second_per_grid"]
    within = np.zeros(steps, dtype=bool)
    for start, end in moment.windows:
        within |= (begins >= start) & (begins < end)
    kept = np.asarray(prediction["kept"]) // (height * width)
    return 100 * within[kept].mean(), 100 * within.mean()
