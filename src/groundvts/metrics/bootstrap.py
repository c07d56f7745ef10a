"""Uncertainty: clustered bootstrap over videos, and the spread between training seeds.

Queries of one video are drawn together. Where a run has several seeds, their spread enters as a t
distribution, independent of the videos, so that few seeds give wide intervals (Behrens-Fisher; how
often the truth is inside is simulated in `tests/test_coverage.py`). One seed says nothing of its
spread: its interval is over videos alone.

Shapes: R resamples, S seeds, V videos, N queries, M metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

CHUNK = 256  # resamples drawn at once; the draws do not depend on it
DECIMALS = 9  # of a resampled difference; what is smaller is rounding
LEVEL = 0.95
PERCENTILES = (2.5, 97.5)

Scores = tuple[np.ndarray, np.ndarray]  # scores and weights, both [N, M] or, by seed, [S, N, M]
Interval = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # value, low, high, p; all [M]


@dataclass(frozen=True)
class Resampled:
    """Values of a run's S seeds, [S, M], and the same under resampled videos, [R, S, M].

    `seeds` names them; (None,) is a run into which no seed enters, such as a constant window.
    """

    seeds: tuple[int | None, ...]
    value_SM: np.ndarray
    drawn_RSM: np.ndarray
    videos: int

    def interval(self) -> Interval:
        """value_M, low_M, high_M and p_M (of being 0) of the mean over seeds, at `LEVEL`."""
        return _interval(self.value_SM, self.drawn_RSM.mean(axis=1), self.videos)

    def less(self, theirs: Resampled) -> Resampled:
        """The differences of the seeds that both have; of the two means where they share none."""
        ours, pairs = self, shared_seeds(self.seeds, theirs.seeds)
        if not pairs:
            ours, theirs, pairs = self._mean(), theirs._mean(), [(self.seeds[0], 0, 0)]
        seeds, mine, others = map(list, zip(*pairs, strict=True))
        drawn_RSM = ours.drawn_RSM[:, mine] - theirs.drawn_RSM[:, others]
        value_SM = ours.value_SM[mine] - theirs.value_SM[others]
        return Resampled(tuple(seeds), value_SM, np.round(drawn_RSM, DECIMALS), ours.videos)

    def _mean(self) -> Resampled:
        means = self.value_SM.mean(0, keepdims=True), self.drawn_RSM.mean(1, keepdims=True)
        return Resampled(self.seeds[:1], *means, self.videos)


def shared_seeds(ours: Sequence, theirs: Sequence) -> list[tuple[int | None, int, int]]:
    """Seeds that two runs share, with their places; all of one where the other has none."""
    ours, theirs = list(ours), list(theirs)
    if theirs == [None]:
        return [(seed, place, 0) for place, seed in enumerate(ours)]
    if ours == [None]:
        return [(seed, 0, place) for place, seed in enumerate(theirs)]
    return [(seed, n, theirs.index(seed)) for n, seed in enumerate(ours) if seed in theirs]


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
    the summed weights; low and high are the 2.5th and 97.5th percentile, a little further out where
    videos are few (as the expanded percentiles of Hesterberg 2015). Several seeds of a run
    ([S, N, M] of the same queries) have the mean of their ratios, and their spread is in the
    interval. The result does not depend on the order of the queries within rounding. NaN where the
    weights sum to zero.
    """
    [found] = resampled([(scores_NM, weights_NM)], clusters, resamples, seed)
    return found.interval()[:3]


def paired_differences(
    ours: Scores, theirs: Scores, clusters: Sequence[str], resamples: int = 10_000, seed: int = 0
) -> Interval:
    """value_M, low_M, high_M, p_M of ours - theirs, both on the same queries in the same order.

    Both see the same drawn videos, and seed is paired with seed: the spread is that of the seeds'
    differences. p is two-sided: of R resampled differences d,
    p = min(1, 2 * min(1 + #(d <= 0), 1 + #(d >= 0)) / (R + 1)), so it is never below 2 / (R + 1),
    and 1 for equal runs. NaN where the weights of either run sum to zero.
    """
    first, second = resampled([ours, theirs], clusters, resamples, seed)
    return first.less(second).interval()


def resampled(
    runs: Sequence[Scores],
    clusters: Sequence[str],
    resamples: int = 10_000,
    seed: int = 0,
    seeds: Sequence[Sequence[int | None]] | None = None,
) -> list[Resampled]:
    """Values and resampled values of each run; all see the same drawn videos.

    `seeds` are those of each run, by default 0, 1, ...
    """
    names, cluster_N = np.unique(np.asarray(clusters), return_inverse=True)
    sums = [_cluster_sums(np.asarray(run, float), cluster_N, len(names)) for run in runs]
    columns_VL = np.hstack([run_VX.reshape(len(names), -1) for run_VX in sums])
    drawn_RL = _draw(columns_VL, resamples, np.random.default_rng(seed))
    results, first = [], 0
    for place, sums_V2SM in enumerate(sums):
        size = sums_V2SM[0].size
        drawn_R2SM = drawn_RL[:, first : first + size].reshape(-1, *sums_V2SM.shape[1:])
        first += size
        value_SM = _ratio(sums_V2SM.sum(axis=0, keepdims=True))[0]
        own = tuple(seeds[place]) if seeds else tuple(range(len(value_SM)))
        results.append(Resampled(own, value_SM, _ratio(drawn_R2SM), len(names)))
    return results


def prediction_interval(values: Sequence[float], seeds: int) -> tuple[float, float]:
    """Where the mean of a new run of so many `seeds` lies at `LEVEL`, by `values` of other seeds.

    Both on the same queries, whose chance is therefore in neither: mean +- t(S - 1) * s *
    sqrt(1 / seeds + 1 / S), with s the standard deviation of the S values. NaN of fewer than two.
    """
    count = len(values)
    if count < 2:
        return float("nan"), float("nan")
    spread = float(np.std(values, ddof=1)) * (1 / seeds + 1 / count) ** 0.5
    half = float(stdtrit(count - 1, 0.5 + LEVEL / 2)) * spread
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def _interval(value_SM: np.ndarray, drawn_RM: np.ndarray, videos: int) -> Interval:
    """The interval of the mean over seeds of resampled means, with the spread between seeds."""
    count, resamples = len(value_SM), len(drawn_RM)
    value_M = value_SM.mean(axis=0)
    drawn_RM = value_M + _expansion(videos) * (drawn_RM - value_M)
    if count > 1:
        order = np.random.default_rng(0).permutation(resamples)
        t_R1 = stdtrit(count - 1, (order + 0.5) / resamples)[:, None]
        drawn_RM = drawn_RM + t_R1 * value_SM.std(axis=0, ddof=1) / count**0.5
    bounds_2M, p_M = np.full((2, len(value_M)), np.nan), np.full(len(value_M), np.nan)
    known_M = ~np.isnan(value_M)
    if known_M.any():
        # A resample may miss the few videos that have weight at all: it says nothing of that ratio.
        drawn_RK = drawn_RM[:, known_M]
        bounds_2M[:, known_M] = np.nanpercentile(drawn_RK, PERCENTILES, axis=0)
        fewer_K = np.minimum((drawn_RK <= 0).sum(axis=0), (drawn_RK >= 0).sum(axis=0))
        p_K = 2 * (1 + fewer_K) / (np.isfinite(drawn_RK).sum(axis=0) + 1)
        p_M[known_M] = np.minimum(1.0, p_K)
    return value_M, *bounds_2M, p_M


def _expansion(videos: int) -> float:
    """What makes resampled means spread as Student's t says of so few videos; 1 of many, or one."""
    if videos == 1:
        return 1.0
    tail = (1 - LEVEL) / 2
    wide = (videos / (videos - 1)) ** 0.5 * stdtrit(videos - 1, tail)
    return float(wide / ndtri(tail))


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
