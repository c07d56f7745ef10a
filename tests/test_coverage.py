"""Intervals hold the truth as often as they say: simulated data of known spread."""

import numpy as np
import pytest

from groundvts.metrics.bootstrap import (
    clustered_intervals,
    paired_differences,
    prediction_interval,
)

TRIALS, RESAMPLES = 1000, 400
NOMINAL, AT_LEAST = 0.95, 0.93
BY_VIDEO, BY_QUERY, BY_RUN = 12.0, 25.0, 15.0  # standard deviations in points, as in the toy


def simulated(generator, trials, queries, seeds, deviation):
    """Scores [trials, S, N] around 0, N queries in videos of three, asked once for each seed.

    Videos are easy or hard, queries too, seeds differ by `deviation`, and each run adds to each
    query what no other run does.
    """
    videos = queries // 3
    easy = np.repeat(generator.normal(0, BY_VIDEO, (trials, 1, videos)), 3, axis=2)
    easy = easy + generator.normal(0, BY_QUERY, (trials, 1, queries))
    luck = generator.normal(0, deviation, (trials, seeds, 1))
    return easy + luck + generator.normal(0, BY_RUN, (trials, seeds, queries))


def covered(found):
    """Shares of trials whose interval holds 0."""
    _, low, high, *_ = found
    return float(((low <= 0) & (high >= 0)).mean())


@pytest.mark.parametrize("queries", [60, 150, 600])
@pytest.mark.parametrize(
    ("seeds", "deviation"), [(1, 0.0), *((s, d) for s in (2, 3, 5) for d in (0.0, 1.0, 3.0, 6.0))]
)
def test_intervals_over_videos_and_seeds_hold_the_truth(queries, seeds, deviation):
    """One seed: of the model that was trained; the luck of its training is not in the interval."""
    generator = np.random.default_rng([queries, seeds, int(deviation)])
    videos = [f"v{n // 3}" for n in range(queries)]
    inside = 0.0
    for trial in range(0, TRIALS, 50):  # 50 at once, as the metrics of one run
        scores = simulated(generator, 50, queries, seeds, deviation)
        scores_SNM = np.moveaxis(scores, 0, 2)
        found = clustered_intervals(
            scores_SNM, np.ones_like(scores_SNM), videos, RESAMPLES, seed=trial
        )
        inside += covered(found) * 50 / TRIALS
    assert inside >= AT_LEAST


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("base", [0.0, 3.0])
def test_differences_hold_the_truth_whatever_the_base_that_two_runs_share(seeds, base):
    """A base that both start from moves both alike: paired by seed, it is in no difference."""
    generator = np.random.default_rng([seeds, int(base)])
    videos, inside, widths = [f"v{n // 3}" for n in range(150)], 0.0, []
    for trial in range(0, TRIALS, 50):
        shared = generator.normal(0, base, (50, seeds, 1))
        runs = [np.moveaxis(shared + simulated(generator, 50, 150, seeds, 2.0), 0, 2) for _ in "ab"]
        ones = np.ones_like(runs[0])
        found = paired_differences((runs[0], ones), (runs[1], ones), videos, RESAMPLES, trial)
        inside += covered(found) * 50 / TRIALS
        widths.append(found[2] - found[1])
    assert inside >= AT_LEAST
    unpaired = paired_differences((runs[0], ones), (runs[1][::-1], ones), videos, RESAMPLES)
    assert base == 0 or np.median(widths) < np.median(unpaired[2] - unpaired[1])


@pytest.mark.parametrize(("reference", "seeds"), [(3, 1), (3, 3), (5, 1), (5, 3), (5, 5)])
def test_a_new_run_lies_in_the_prediction_interval_as_often_as_it_says(reference, seeds):
    generator, inside = np.random.default_rng([reference, seeds]), []
    for _ in range(4000):
        values = generator.normal(70, 3, reference + seeds)
        low, high = prediction_interval(values[:reference], seeds)
        inside.append(low <= values[reference:].mean() <= high)
    assert np.mean(inside) == pytest.approx(NOMINAL, abs=0.012)


def test_one_reference_seed_predicts_nothing():
    assert np.isnan(prediction_interval([70.0], 3)).all()
