"""Intervals over videos and seeds together, from the per-query values of the score records."""

import numpy as np

DRAWS = 2000


def bootstrap_means(
    arms: list[np.ndarray], videos: np.ndarray, draws: int = DRAWS, seed: int = 0
) -> list[np.ndarray]:
    """Resampled means (draws,) of each arm: an (S, Q) array of S seeds by Q queries.

    Queries of a video stay together (`videos`: (Q,) names). All arms see the same resampled
    videos, so that their difference is paired; the seeds of each arm are resampled on their own,
    so that the interval of a joined row also holds the spread between its seeds.
    """
    names, group = np.unique(videos, return_inverse=True)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    asked = weights @ np.bincount(group)
    means = []
    for values in arms:
        sums = np.stack([np.bincount(group, weights=row) for row in values])
        by_seed = weights @ sums.T / asked[:, None]
        picks = rng.integers(len(values), size=by_seed.shape)
        means.append(np.take_along_axis(by_seed, picks, axis=1).mean(axis=1))
    return means


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of resampled values."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def mean_interval(values: np.ndarray, videos: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean over seeds and queries; values: (S, Q)."""
    return interval(bootstrap_means([values], videos)[0])


def paired_difference(
    ours: np.ndarray, theirs: np.ndarray, videos: np.ndarray
) -> tuple[float, float, float]:
    """Mean of `ours` less mean of `theirs` with its 95 % interval; arrays (S, Q), (S', Q)."""
    first, second = bootstrap_means([ours, theirs], videos)
    return float(ours.mean() - theirs.mean()), *interval(first - second)
