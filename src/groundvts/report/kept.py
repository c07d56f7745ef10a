"""Where kept tokens lie, over all queries: in time around a window, and in the frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from groundvts.report.choice import Choices
from groundvts.report.runs import listed_runs
from groundvts.report.strips import begins_within

POINTS = 24  # of a window's length
RELATIVE = (np.arange(-POINTS, 2 * POINTS) + 0.5) / POINTS  # time: 0 is a window's start, 1 its end
INSIDE = (RELATIVE > 0) & (RELATIVE < 1)
RESAMPLES, SEED = 2000, 0
RIVALS = ("random", "uniform")


def compared(results: str | Path, run: str, dataset: str) -> dict[str, str]:
    """The run, and beside it a random and a uniform one of its backbone, ratio and seed.

    Runs by sampler; those that were not asked on `dataset` are left out.
    """
    listed = {entry["run"]: entry for entry in listed_runs(Path(results) / "runs.json")}
    ours = listed.get(run, {})
    found = {ours.get("sampler") or "vts": run}
    for name, entry in listed.items():
        alike = all(entry.get(k) == ours.get(k) for k in ("backbone", "fps", "ratio", "seed"))
        asked = (Path(results) / "predictions" / name / f"{dataset}.jsonl").is_file()
        plain = entry.get("weights") == "constant"
        if entry.get("sampler") in RIVALS and alike and asked and plain:
            found.setdefault(entry["sampler"], name)
    return found


def per_step(line: Mapping) -> np.ndarray:
    """Kept tokens of each grid step, relative to the mean over steps, (t,)."""
    steps, height, width = line["grid"]
    counts = np.bincount(np.asarray(line["kept"]) // (height * width), minlength=steps)
    return counts / counts.mean()


def aligned(choices: Choices, answers: bool = False) -> tuple[np.ndarray, list[str]]:
    """Kept tokens per step around each true window, or each of the answers, and its video.

    (N, P) at `RELATIVE` times, relative to the clip's mean; NaN outside the clip.
    """
    rows, videos = [], []
    for moment, line in choices.pairs:
        counts, length = per_step(line), line["second_per_grid"]
        for start, end in (line["windows"] or ()) if answers else moment.windows:
            if end > start:
                step = np.floor((start + RELATIVE * (end - start)) / length).astype(int)
                there = (step >= 0) & (step < len(counts))
                rows.append(np.where(there, counts[step.clip(0, len(counts) - 1)], np.nan))
                videos.append(moment.video)
    return np.reshape(rows, (-1, len(RELATIVE))), videos


def mean_interval(values_NP: np.ndarray, videos: Sequence[str]) -> np.ndarray:
    """Means over N with 95 % intervals, (3, P): value, low, high. Videos are drawn together."""
    names, place_N = np.unique(np.asarray(videos, dtype=str), return_inverse=True)
    if not len(names):
        return np.full((3, values_NP.shape[1]), np.nan)
    known_NP = ~np.isnan(values_NP)
    sums_2VP = np.zeros((2, len(names), values_NP.shape[1]))
    np.add.at(sums_2VP[0], place_N, np.nan_to_num(values_NP))
    np.add.at(sums_2VP[1], place_N, known_NP)
    count = len(names)
    draws_RV = np.random.default_rng(SEED).multinomial(count, [1 / count] * count, RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        value_P = sums_2VP[0].sum(axis=0) / sums_2VP[1].sum(axis=0)
        drawn_RP = (draws_RV @ sums_2VP[0]) / (draws_RV @ sums_2VP[1])
    # A resample may miss the few videos that reach so far: it says nothing there.
    drawn_RP[:, np.isnan(value_P)] = 0
    low_P, high_P = np.nanpercentile(drawn_RP, [2.5, 97.5], axis=0)
    return np.where(np.isnan(value_P), np.nan, [value_P, low_P, high_P])


def inside(choices: Choices, answers: bool = False) -> np.ndarray:
    """Kept tokens per step inside windows relative to the clip's mean: value, low, high."""
    rows_NP, videos = aligned(choices, answers)
    means_N1 = np.nanmean(rows_NP[:, INSIDE], axis=1, keepdims=True) if len(rows_NP) else rows_NP
    return mean_interval(means_N1[:, :1], videos)[:, 0]


def cells(choices: Choices) -> tuple[np.ndarray, int]:
    """Percent of tokens kept in each cell of the frame (h, w), and how many queries count.

    Of videos of several shapes, those of the most frequent grid.
    """
    grids = Counter(tuple(line["grid"][1:]) for _, line in choices.pairs)
    [(shape, count)] = grids.most_common(1)
    kept, steps = np.zeros(shape), 0
    for _, line in choices.pairs:
        if tuple(line["grid"][1:]) == shape:
            kept += _mask(line).sum(axis=0)
            steps += line["grid"][0]
    return 100 * kept / steps, count


def around(choices: Choices, objects: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Percent kept by place relative to the queried object's cell: in the true window, and else.

    Each (3, 3), the object's cell in the middle; NaN where the frame has no such place.
    `objects`: cells by video and query, one token to each (toy benchmark).
    """
    kept, every = np.zeros((2, 3, 3)), np.zeros((2, 3, 3))
    for moment, line in choices.pairs:
        row, col = objects[moment.video][moment.query]["cell"]
        mask, within = _mask(line), begins_within(
            line["grid"][0], line["second_per_grid"], moment.windows)  # fmt: skip
        for part, steps in enumerate((within, ~within)):
            for (y, x), share in np.ndenumerate(mask[steps].sum(axis=0)):
                kept[part, 1 + y - row, 1 + x - col] += share
                every[part, 1 + y - row, 1 + x - col] += steps.sum()
    with np.errstate(invalid="ignore"):
        during, rest = 100 * kept / every
    return during, rest


def _mask(line: Mapping) -> np.ndarray:
    """Kept tokens as booleans, (t, h, w)."""
    mask = np.zeros(int(np.prod(line["grid"])), dtype=bool)
    mask[line["kept"]] = True
    return mask.reshape(line["grid"])
