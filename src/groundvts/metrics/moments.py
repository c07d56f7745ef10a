"""Metrics of moment retrieval, vectorised in float64: temporal IoU and IoP of one window a query.

A score counts at a threshold if it is at least the threshold (>=), as in the field's scorers.
"""

from collections.abc import Sequence

import numpy as np

Windows = Sequence[Sequence[float]]


def overlap(windows_N2: np.ndarray, targets_N2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """IoU_N and IoP_N in [0, 1] of windows and targets (s), row by row.

    IoU = intersection / union, IoP = intersection / length of the window; both are 0 where the
    intersection is empty, so also for an inverted or empty window on either side.
    """
    windows, targets = np.asarray(windows_N2, float), np.asarray(targets_N2, float)
    ends = np.minimum(windows[:, 1], targets[:, 1])
    shared = np.clip(ends - np.maximum(windows[:, 0], targets[:, 0]), 0.0, None)
    length = windows[:, 1] - windows[:, 0]
    union = length + (targets[:, 1] - targets[:, 0]) - shared
    zero = np.zeros_like(shared)
    meets = shared > 0
    iou = np.divide(shared, union, out=zero.copy(), where=meets)
    return iou, np.divide(shared, length, out=zero.copy(), where=meets)


def best_overlap(
    windows_N2: np.ndarray, targets: Sequence[Windows]
) -> tuple[np.ndarray, np.ndarray]:
    """IoU_N and IoP_N of each window, each the maximum over that query's one or more targets."""
    counts = np.array([len(windows) for windows in targets])
    flat = np.array([window for windows in targets for window in windows], float)
    iou, iop = overlap(np.repeat(np.asarray(windows_N2, float), counts, axis=0), flat)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.maximum.reduceat(iou, first), np.maximum.reduceat(iop, first)


def query_scores(iou_N: np.ndarray, iop_N: np.ndarray) -> dict[str, np.ndarray]:
    """Each metric's score_N per query in percent; the metric is the mean over all queries asked."""
    scores = {f"R1@{threshold}": iou_N >= threshold for threshold in (0.3, 0.5, 0.7)}
    scores["mIoU"] = iou_N
    scores |= {f"IoP@{threshold}": iop_N >= threshold for threshold in (0.3, 0.5)}
    scores["mIoP"] = iop_N
    return {name: 100.0 * score for name, score in scores.items()}
