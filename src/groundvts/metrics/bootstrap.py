"""Percentile bootstrap, clustered: queries of one video are drawn together."""

from collections.abc import Sequence

import numpy as np

CHUNK = 256  # resamples drawn at once; the draws do not depend on it


def clustered_intervals(
    scores_NM: np.ndarray,
    weights_NM: np.ndarray,
    clusters: Sequence[str],
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """value_M, low_M, high_M of M ratios: sum of scores / sum of weights (N queries).

    Each resample draws as many videos as there are, with replacement, and divides the summed
    scores by the summed weights (counts: all ones); low and high are the 2.5th and 97.5th
    percentile (95 %). The result does not depend on the order of the queries within rounding.
    NaN where the weights sum to zero.
    """
    names, cluster_N = np.unique(np.asarray(clusters), return_inverse=True)
    scores_VM = _sums(np.asarray(scores_NM, float), cluster_N, len(names))
    weights_VM = _sums(np.asarray(weights_NM, float), cluster_N, len(names))
    both_VL = np.hstack([scores_VM, weights_VM])
    drawn_RL = _resample(both_VL, resamples, np.random.default_rng(seed))
    metrics = scores_VM.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        value_M = scores_VM.sum(axis=0) / weights_VM.sum(axis=0)
        ratio_RM = drawn_RL[:, :metrics] / drawn_RL[:, metrics:]
    known_M = weights_VM.sum(axis=0) > 0
    low_M, high_M = np.full((2, metrics), np.nan)
    # A resample may miss the few videos that have weight at all: it says nothing of that ratio.
    low_M[known_M], high_M[known_M] = np.nanpercentile(ratio_RM[:, known_M], [2.5, 97.5], axis=0)
    return value_M, low_M, high_M


def _sums(values_NM: np.ndarray, cluster_N: np.ndarray, clusters: int) -> np.ndarray:
    """Sum of the rows of each cluster, [clusters, M]."""
    sums_VM = np.zeros((clusters, values_NM.shape[1]))
    np.add.at(sums_VM, cluster_N, values_NM)
    return sums_VM


def _resample(sums_VL: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Column sums over V rows drawn with replacement, [resamples, L]."""
    videos = len(sums_VL)
    drawn_RL = np.empty((resamples, sums_VL.shape[1]))
    for start in range(0, resamples, CHUNK):
        rows = min(CHUNK, resamples - start)
        draws_RV = generator.integers(videos, size=(rows, videos))
        draws_RV += videos * np.arange(rows)[:, None]
        times_RV = np.bincount(draws_RV.ravel(), minlength=rows * videos).reshape(rows, videos)
        drawn_RL[start : start + rows] = times_RV @ sums_VL
    return drawn_RL
