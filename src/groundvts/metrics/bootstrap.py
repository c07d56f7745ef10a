"""Percentile bootstrap, clustered: queries of one video are drawn together."""

from collections.abc import Sequence

import numpy as np

CHUNK = 256  # resamples drawn at once; the draws do not depend on it
DECIMALS = 9  # of a resampled difference; what is smaller is rounding

Run = tuple[np.ndarray, np.ndarray]  # scores and weights, both [N, M] or, by seed, [S, N, M]
Drawn = tuple[np.ndarray, np.ndarray]  # value_M and its resampled values, [R, M]


def clustered_intervals(
    scores_NM: np.ndarray,
    weights_NM: np.ndarray,
    clusters: Sequence[str],
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """value_M, low_M, high_M of M ratios: sum of scores / sum of weights (N queries).

    Weights are one for a query that counts, zero for one that does not, or its own count. Each
    resample draws as many videos as there are, with replacement, and divides the summed scores by
    the summed weights; low and high are the 2.5th and 97.5th percentile (95 %). Several seeds of a
    run ([S, N, M] of the same queries) are joined: the value is the mean of their ratios, and each
    resample also draws S seeds with replacement. The result does not depend on the order of the
    queries within rounding. NaN where the weights sum to zero.
    """
    [drawn] = resampled([(scores_NM, weights_NM)], clusters, resamples, seed)
    return interval(drawn)


def paired_differences(
    ours: Run, theirs: Run, clusters: Sequence[str], resamples: int = 10_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """value_M, low_M, high_M, p_M of ours - theirs, both on the same queries in the same order.

    Both see the same drawn videos; each draws its own seeds. The interval is that of
    `clustered_intervals`. p is two-sided: of R resampled differences d,
    p = min(1, 2 * min(1 + #(d <= 0), 1 + #(d >= 0)) / (R + 1)), so it is never below 2 / (R + 1),
    and 1 for equal runs. NaN where the weights of either run sum to zero.
    """
    return difference(*resampled([ours, theirs], clusters, resamples, seed))


def resampled(
    runs: Sequence[Run], clusters: Sequence[str], resamples: int = 10_000, seed: int = 0
) -> list[Drawn]:
    """Value and resampled values of each run, for `interval` and `difference`.

    All runs see the same drawn videos, so that any two are paired; each draws its own seeds.
    """
    names, cluster_N = np.unique(np.asarray(clusters), return_inverse=True)
    sums = [_cluster_sums(np.asarray(run, float), cluster_N, len(names)) for run in runs]
    columns_VL = np.hstack([run_VX.reshape(len(names), -1) for run_VX in sums])
    generator = np.random.default_rng(seed)
    drawn_RL = _draw(columns_VL, resamples, generator)
    results, first = [], 0
    for sums_V2SM in sums:
        size = sums_V2SM[0].size
        drawn_R2SM = drawn_RL[:, first : first + size].reshape(-1, *sums_V2SM.shape[1:])
        first += size
        ratio_RSM = _ratio(drawn_R2SM)
        picks_RS = generator.integers(ratio_RSM.shape[1], size=ratio_RSM.shape[:2])
        picked_RSM = np.take_along_axis(ratio_RSM, picks_RS[:, :, None], axis=1)
        value_1SM = _ratio(sums_V2SM.sum(axis=0, keepdims=True))
        results.append((value_1SM[0].mean(axis=0), picked_RSM.mean(axis=1)))
    return results


def interval(drawn: Drawn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """value_M, low_M, high_M: the 95 % percentile interval; NaN where there is no value."""
    value_M, drawn_RM = drawn
    bounds_2M = np.full((2, len(value_M)), np.nan)
    known_M = ~np.isnan(value_M)
    if known_M.any():
        # A resample may miss the few videos that have weight at all: it says nothing of that ratio.
        bounds_2M[:, known_M] = np.nanpercentile(drawn_RM[:, known_M], [2.5, 97.5], axis=0)
    return value_M, *bounds_2M


def difference(ours: Drawn, theirs: Drawn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """value_M, low_M, high_M, p_M of two runs resampled together; see `paired_differences`."""
    value_M, drawn_RM = ours[0] - theirs[0], np.round(ours[1] - theirs[1], DECIMALS)
    drawn = np.isfinite(drawn_RM).sum(axis=0)
    fewer_M = np.minimum((drawn_RM <= 0).sum(axis=0), (drawn_RM >= 0).sum(axis=0))
    p_M = np.where(np.isnan(value_M), np.nan, np.minimum(1.0, 2 * (1 + fewer_M) / (drawn + 1)))
    return *interval((value_M, drawn_RM)), p_M


def _cluster_sums(run: np.ndarray, cluster_N: np.ndarray, clusters: int) -> np.ndarray:
    """Summed scores and weights of each cluster's queries and each seed, [clusters, 2, S, M]."""
    run_2SNM = run if run.ndim == 4 else run[:, None]
    sums_V2SM = np.zeros((clusters, 2, run_2SNM.shape[1], run_2SNM.shape[3]))
    np.add.at(sums_V2SM, cluster_N, np.moveaxis(run_2SNM, 2, 0))
    return sums_V2SM


def _ratio(sums_X2SM: np.ndarray) -> np.ndarray:
    """Scores over weights, [X, S, M]; NaN for zero over zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums_X2SM[:, 0] / sums_X2SM[:, 1]


def _draw(sums_VL: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Column sums over V rows drawn with replacement, [resamples, L]."""
    videos = len(sums_VL)
    drawn_RL = np.empty((resamples, sums_VL.shape[1]))
    for start in range(0, resamples, CHUNK):
        rows = min(CHUNK, resamples - start)
        draws_RV = generator.integers(videos, size=(rows, videos))
        draws_RV += videos * np.arange(rows)[:, None]
        times_RV = np.bincount(draws_RV.ravel(), minlength=rows * videos).reshape(rows, videos)
        drawn_RL[start : start + rows] = times_RV.astype(float) @ sums_VL
    return drawn_RL
