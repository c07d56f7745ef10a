"""Metrics of moment retrieval, vectorised: temporal IoU and IoP of one window a query.

Every room of metrics returns {name: score_N}, one score per query in percent and NaN where the
query does not count for that metric; `columns` turns them into what the bootstrap resamples.
"""

from collections.abc import Mapping, Sequence

import numpy as np

Windows = Sequence[Sequence[float]]


def overlap(
    windows_N2: np.ndarray, targets_N2: np.ndarray, dtype: type = np.float64
) -> tuple[np.ndarray, np.ndarray]:
    """IoU_N and IoP_N in [0, 1] of windows and targets (s), row by row, computed in `dtype`.

    IoU = intersection / union, IoP = intersection / length of the window; both are 0 where the
    intersection is empty, so also for an inverted or empty window on either side. Figures
    published with torch are float32, where an IoU of exactly one half may come out below it.
    """
    windows, targets = np.asarray(windows_N2, dtype), np.asarray(targets_N2, dtype)
    ends = np.minimum(windows[:, 1], targets[:, 1])
    shared = np.clip(ends - np.maximum(windows[:, 0], targets[:, 0]), 0.0, None)
    length = windows[:, 1] - windows[:, 0]
    union = length + (targets[:, 1] - targets[:, 0]) - shared
    zero = np.zeros_like(shared)
    meets = shared > 0
    iou = np.divide(shared, union, out=zero.copy(), where=meets)
    return iou, np.divide(shared, length, out=zero.copy(), where=meets)


def best_overlap(
    windows_N2: np.ndarray, targets: Sequence[Windows], dtype: type = np.float64
) -> tuple[np.ndarray, np.ndarray]:
    """IoU_N and IoP_N of each window, each the maximum over that query's one or more targets.

    A query without a prediction is given as an empty window, [0, 0], and scores 0.
    """
    counts = np.array([len(windows) for windows in targets])
    flat = np.array([window for windows in targets for window in windows], dtype)
    windows = np.repeat(np.asarray(windows_N2, dtype), counts, axis=0)
    iou, iop = overlap(windows, flat, dtype)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.maximum.reduceat(iou, first), np.maximum.reduceat(iop, first)


def query_scores(
    iou_N: np.ndarray,
    iop_N: np.ndarray,
    iou_at: Sequence[float] = (0.1, 0.3, 0.5, 0.7),
    iop_at: Sequence[float] = (0.3, 0.5),
    strict: bool = False,
) -> dict[str, np.ndarray]:
    """Each metric's score_N per query in percent; the metric is the mean over all queries asked.

    R1@m: the share of queries whose one window has an IoU of at least m with a true window (TALL,
    Gao et al. 2017, as "R@1, IoU=m"); `strict` asks for more than m instead. IoP@m likewise
    (NExT-GQA). mIoU and mIoP are the means of IoU and IoP.
    """
    passes = np.greater if strict else np.greater_equal
    scores = {f"R1@{threshold}": passes(iou_N, threshold) for threshold in iou_at}
    scores["mIoU"] = iou_N
    scores |= {f"IoP@{threshold}": passes(iop_N, threshold) for threshold in iop_at}
    scores["mIoP"] = iop_N
    return {name: 100.0 * score for name, score in scores.items()}


def columns(scores: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """score_NM and weight_NM of M metrics for the bootstrap: 0 and 0 where a query is NaN."""
    scores_NM = np.stack(list(scores.values()), axis=1)
    counts_NM = ~np.isnan(scores_NM)
    return np.where(counts_NM, scores_NM, 0.0), counts_NM.astype(float)


def means(scores: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Each metric in percent: the mean over the queries that count, of which there is one."""
    return {name: float(np.nanmean(score, dtype=float)) for name, score in scores.items()}
