"""The clustered bootstrap: known spread, seeds, clusters, pairs, speed."""

import time

import numpy as np
import pytest
from scipy import stats

from groundvts.metrics.bootstrap import (
    Resampled,
    clustered_intervals,
    paired_differences,
    prediction_interval,
    resampled,
    shared_seeds,
)


def intervals(scores, clusters, **options):
    scores = np.asarray(scores, float).reshape(len(scores), -1)
    return clustered_intervals(scores, np.ones_like(scores), clusters, **options)


def test_interval_of_independent_queries_has_the_normal_width():
    scores = np.random.default_rng(1).normal(50, 10, size=900)
    value, low, high = intervals(scores, [str(n) for n in range(900)])
    error = scores.std() / 30
    assert value[0] == pytest.approx(scores.mean())
    assert low[0] == pytest.approx(scores.mean() - 1.96 * error, abs=0.1 * error)
    assert high[0] == pytest.approx(scores.mean() + 1.96 * error, abs=0.1 * error)


def test_queries_of_one_video_count_as_one():
    scores = np.random.default_rng(1).normal(50, 10, size=100)
    videos = [f"v{n}" for n in range(100)]
    once = intervals(scores, videos)
    four_times = intervals(np.tile(scores, 4), videos * 4)
    np.testing.assert_allclose(once, four_times)
    _, low, high = intervals(np.tile(scores, 4), [str(n) for n in range(400)])
    assert (high - low)[0] == pytest.approx((once[2] - once[1])[0] / 2, rel=0.1)


def test_the_value_is_a_ratio_of_sums():
    scores, weights = np.array([[3.0], [1.0], [0.0]]), np.array([[4.0], [2.0], [0.0]])
    value, low, high = clustered_intervals(scores, weights, ["a", "b", "c"], resamples=2000)
    assert value[0] == pytest.approx(4 / 6)
    # so few videos: as far out as Student's t says of three, not only to the lowest and highest
    wider = (3 / 2) ** 0.5 * stats.t.ppf(0.975, 2) / stats.norm.ppf(0.975)
    assert low[0] == pytest.approx(4 / 6 - wider * (4 / 6 - 1 / 2))
    assert high[0] == pytest.approx(4 / 6 + wider * (3 / 4 - 4 / 6))


def test_a_ratio_without_weight_is_nan():
    scores, weights = np.array([[1.0, 0.0]] * 3), np.array([[2.0, 0.0]] * 3)
    found = np.array(clustered_intervals(scores, weights, ["a", "b", "c"], resamples=50))
    np.testing.assert_allclose(found[:, 0], 0.5)
    assert np.isnan(found[:, 1]).all()


def test_equal_seeds_give_equal_intervals_in_any_order():
    scores = np.random.default_rng(1).normal(size=200)
    videos = [f"v{n // 3}" for n in range(200)]
    first = intervals(scores, videos, resamples=999, seed=4)
    np.testing.assert_array_equal(first, intervals(scores, videos, resamples=999, seed=4))
    np.testing.assert_allclose(
        first, intervals(scores[::-1], videos[::-1], resamples=999, seed=4), atol=1e-12
    )
    assert first[1] != intervals(scores, videos, resamples=999, seed=5)[1]


@pytest.mark.parametrize("videos", [10, 20, 40])
def test_few_videos_widen_the_interval_to_students(videos):
    """mean +- t(V - 1) * s / sqrt(V), with the s that divides by V - 1."""
    scores = np.random.default_rng(videos).normal(50, 10, (videos, 40))
    value, low, high = intervals(scores, range(videos))
    half = stats.t.ppf(0.975, videos - 1) * scores.std(axis=0, ddof=1) / videos**0.5
    plain = 1.96 * scores.std(axis=0) / videos**0.5
    assert np.median((high - low) / (2 * half)) == pytest.approx(1, abs=0.06)
    assert (high - low > 2.02 * plain).mean() > 0.9  # wider than without the expansion
    np.testing.assert_allclose(value, scores.mean(axis=0))


def test_one_video_has_no_spread():
    assert np.ptp(intervals([10.0, 20.0], ["v", "v"], resamples=10)) == 0


def test_a_whole_benchmark_takes_about_a_second():
    scores = np.random.default_rng(1).random((3720, 7))
    videos = [f"v{n % 1334}" for n in range(3720)]
    began = time.perf_counter()
    intervals(scores, videos)
    assert time.perf_counter() - began < 5


# ---- joined seeds


def of_seeds(values, videos=50):
    """The interval of seeds that score the same on every query."""
    scores = np.stack([np.full((videos, 1), value) for value in values])
    return [part[0] for part in clustered_intervals(scores, np.ones_like(scores), range(videos))]


@pytest.mark.parametrize("seeds", [(20.0, 80.0), (40.0, 45.0, 56.0), (1.0, 2.0, 3.0, 4.0, 9.0)])
def test_joined_seeds_hold_the_spread_between_them(seeds):
    """Where videos are all alike the interval is Student's: mean +- t(S - 1) * s / sqrt(S)."""
    videos, count = 10_000, len(seeds)  # so many that percentiles are not expanded
    value, low, high = of_seeds(seeds, videos)
    half = stats.t.ppf(0.975, count - 1) * np.std(seeds, ddof=1) / count**0.5
    expected = (np.mean(seeds), np.mean(seeds) - half, np.mean(seeds) + half)
    assert (value, low, high) == pytest.approx(expected, abs=0.01 * half)


def test_few_seeds_give_wide_intervals():
    """The same spread: two seeds leave it in doubt, five do not."""
    two, five = of_seeds([48.0, 52.0]), of_seeds([48.0, 52.0, 48.0, 52.0, 50.0])
    assert two[2] - two[1] > 5 * (five[2] - five[1])
    assert of_seeds([48.0])[1:] == [48.0, 48.0]  # one seed says nothing of its spread


def test_videos_and_seeds_add_their_spreads():
    """Of many seeds t is nearly normal, so that the two variances add."""
    generator = np.random.default_rng(1)
    easy, luck = generator.normal(0, 10, (400, 1)), np.linspace(-4, 4, 30)
    scores = 50 + easy + luck[:, None, None]
    _, low, high = clustered_intervals(scores, np.ones_like(scores), range(400))
    deviation = (easy.var() / 400 + luck.var(ddof=1) / 30) ** 0.5
    half = stats.t.ppf(0.975, 29) * deviation
    assert (high - low)[0] / 2 == pytest.approx(half, rel=0.05)


def test_equal_seeds_are_one_run():
    scores, videos = np.random.default_rng(1).random((90, 2)), [f"v{n // 3}" for n in range(90)]
    three = np.stack([scores] * 3)
    joined = clustered_intervals(three, np.ones_like(three), videos, resamples=500)
    single = clustered_intervals(scores, np.ones_like(scores), videos, resamples=500)
    np.testing.assert_allclose(joined, single)


def test_joined_seeds_have_the_mean_of_their_ratios():
    scores, weights = np.array([[[1.0]], [[1.0]]]), np.array([[[2.0]], [[4.0]]])
    value, low, high = clustered_intervals(scores, weights, ["a"])
    # t(1) of 0.975 is 12.706; s of 1/2 and 1/4 is 0.1768: one video has no spread
    half = 12.706 * 0.17678 / 2**0.5
    assert (value[0], low[0], high[0]) == pytest.approx((3 / 8, 3 / 8 - half, 3 / 8 + half), 0.01)


# ---- a new run of other seeds


def test_a_prediction_interval_is_that_of_students_t():
    # of 40, 45, 56: mean 47, s = sqrt(67) = 8.185; t(2) of 0.975 is 4.303
    half = 4.303 * 8.185 * (1 / 2 + 1 / 3) ** 0.5
    expected = (47 - half, 47 + half)
    assert prediction_interval([40.0, 45.0, 56.0], 2) == pytest.approx(expected, rel=1e-3)
    narrower = prediction_interval([40.0, 45.0, 56.0], 5)  # of more seeds the mean is surer
    assert expected[0] < narrower[0] < 47 < narrower[1] < expected[1]


def test_one_value_predicts_nothing():
    assert np.isnan(prediction_interval([40.0], 3)).all()
    assert prediction_interval([40.0, 40.0], 1) == (40.0, 40.0)


# ---- paired differences


def run(generator, queries=300, metrics=3):
    """Scores and weights of a run; the last metric counts some queries only."""
    weights = np.ones((queries, metrics))
    weights[::4, -1] = 0
    return 100 * generator.random((queries, metrics)) * weights, weights


VIDEOS = [f"v{n // 3}" for n in range(300)]


def test_a_constant_shift_is_the_difference_without_width():
    scores, weights = run(np.random.default_rng(1))
    found = paired_differences((scores + 5 * weights, weights), (scores, weights), VIDEOS, 500)
    value, low, high, p = found
    np.testing.assert_allclose([value, low, high], 5.0)
    np.testing.assert_array_equal(low, high)
    np.testing.assert_allclose(p, 2 / 501)


def test_equal_runs_do_not_differ():
    ours = run(np.random.default_rng(1))
    value, low, high, p = paired_differences(ours, ours, VIDEOS, 500)
    np.testing.assert_array_equal([value, low, high], 0.0)
    np.testing.assert_array_equal(p, 1.0)


def test_the_interval_covers_the_difference_and_turns_with_the_runs():
    generator = np.random.default_rng(1)
    ours, theirs = run(generator), run(generator)
    value, low, high, p = paired_differences(ours, theirs, VIDEOS)
    means = [(scores.sum(axis=0) / weights.sum(axis=0)) for scores, weights in (ours, theirs)]
    np.testing.assert_allclose(value, means[0] - means[1])
    assert (low < value).all()
    assert (value < high).all()
    assert (p > 0.01).all()
    turned = paired_differences(theirs, ours, VIDEOS)
    np.testing.assert_allclose(turned, [-value, -high, -low, p], atol=1e-8)


def test_pairing_takes_the_spread_between_videos_out():
    generator = np.random.default_rng(1)
    theirs = 50 + 20 * generator.normal(size=(300, 1))
    ours = theirs + 1 + generator.normal(size=(300, 1))
    ones = np.ones_like(ours)
    _, low, high, p = paired_differences((ours, ones), (theirs, ones), VIDEOS)
    assert 0.7 < low[0] < 1 < high[0] < 1.3
    assert p[0] == pytest.approx(2 / 10_001)
    _, alone_low, alone_high = clustered_intervals(ours, ones, VIDEOS)
    assert (alone_high - alone_low)[0] > 10 * (high - low)[0]


def test_p_is_even_where_nothing_differs():
    """Among many pairs of equally good runs about one in five has p < 0.2."""
    generator = np.random.default_rng(1)
    ours, theirs = generator.normal(size=(2, 300, 400))
    ones = np.ones_like(ours)
    *_, p = paired_differences((ours, ones), (theirs, ones), VIDEOS, 2000)
    assert (p < 0.2).mean() == pytest.approx(0.2, abs=0.06)
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_p_counts_resamples_on_either_side_of_zero():
    ones = np.ones((2, 1))
    ours, theirs = np.array([[1.0], [0.0]]), np.zeros((2, 1))
    *_, p = paired_differences((ours, ones), (theirs, ones), ["a", "b"])
    assert p[0] == pytest.approx(2 * 0.25, abs=0.02)  # both draws hit b: no difference


def test_a_difference_without_weight_is_nan():
    scores, weights = run(np.random.default_rng(1))
    weights[:, 1] = scores[:, 1] = 0
    found = np.array(paired_differences((scores, weights), (scores, weights), VIDEOS, 50))
    assert np.isnan(found[:, 1]).all()
    assert not np.isnan(found[:, [0, 2]]).any()


# ---- paired seeds


def of_levels(levels, videos=2000):
    """Scores and weights, [S, N, 1], of seeds whose every query has one level."""
    scores = np.stack([np.full((videos, 1), level) for level in levels])
    return scores, np.ones_like(scores)


def less(ours, theirs):
    """The difference of {seed: level} and {seed: level}, or of levels without seeds."""
    sides = [side if isinstance(side, dict) else {None: side} for side in (ours, theirs)]
    runs, seeds = [of_levels(side.values()) for side in sides], [tuple(side) for side in sides]
    first, second = resampled(runs, range(2000), 2000, seeds=seeds)
    return first.less(second)


def test_seeds_are_paired_by_their_number_and_not_by_their_place():
    found = less({0: 10.0, 1: 20.0, 2: 40.0}, {2: 37.0, 0: 9.0})
    assert found.seeds == (0, 2)
    np.testing.assert_array_equal(found.value_SM, [[1.0], [3.0]])
    value, low, high, _ = (part[0] for part in found.interval())
    # of the differences 1 and 3: mean 2, s = sqrt(2), t(1) of 0.975 is 12.706
    assert (value, low, high) == pytest.approx((2, 2 - 12.706, 2 + 12.706), abs=0.2)
    turned = less({2: 37.0, 0: 9.0}, {0: 10.0, 1: 20.0, 2: 40.0})
    assert dict(zip(turned.seeds, turned.value_SM[:, 0], strict=True)) == {2: -3.0, 0: -1.0}


def test_what_two_runs_of_a_seed_share_is_in_no_interval():
    """Seeds that are 30 points apart, alike on both sides: the difference is sure."""
    levels = {0: 20.0, 1: 50.0, 2: 80.0}
    found = less({seed: level + 5 for seed, level in levels.items()}, levels)
    value, low, high, p = found.interval()
    assert (value[0], low[0], high[0]) == pytest.approx((5, 5, 5))
    assert p[0] == pytest.approx(2 / 2001)


def test_a_run_without_seeds_is_paired_with_every_seed():
    for found, sign in ((less({0: 40.0, 1: 50.0}, 30.0), 1), (less(30.0, {0: 40.0, 1: 50.0}), -1)):
        assert found.seeds == (0, 1)
        assert (sign * found.value_SM[:, 0]).tolist() == [10.0, 20.0]
    none = less(40.0, 30.0)
    assert none.seeds == (None,)
    assert [part[0] for part in none.interval()][:3] == [10.0, 10.0, 10.0]


def test_without_a_shared_seed_means_are_compared_over_videos_alone():
    found = less({0: 40.0, 1: 60.0}, {2: 10.0, 3: 20.0, 4: 60.0})
    assert len(found.seeds) == 1
    assert [part[0] for part in found.interval()][:3] == pytest.approx([20.0, 20.0, 20.0])


@pytest.mark.parametrize(
    ("ours", "theirs", "pairs"),
    [
        ((0, 1, 2), (2, 0), [(0, 0, 1), (2, 2, 0)]),
        ((0, 1), (None,), [(0, 0, 0), (1, 1, 0)]),
        ((None,), (5, 3), [(5, 0, 0), (3, 0, 1)]),
        ((None,), (None,), [(None, 0, 0)]),
        ((0, 1), (2,), []),
    ],
)
def test_shared_seeds_with_their_places(ours, theirs, pairs):
    assert shared_seeds(ours, theirs) == pairs


def test_a_difference_s_interval_is_that_of_the_seeds_differences():
    """What seeds add is joined with what videos add, both of the differences."""
    generator = np.random.default_rng(1)
    ours, theirs = generator.normal(1, 1, (3, 300, 1)), generator.normal(0, 1, (3, 300, 1))
    both = [(run, np.ones_like(run)) for run in (ours, theirs)]
    value, low, high, p = paired_differences(*both, VIDEOS)
    gaps = (ours - theirs).mean(axis=(1, 2))
    assert value[0] == pytest.approx(gaps.mean())
    by_video = (ours - theirs).mean(axis=0).reshape(100, 3).mean(axis=1)
    drawn = generator.normal(0, by_video.std() / 10, 400_000)
    drawn += stats.t.rvs(2, size=400_000, random_state=2) * gaps.std(ddof=1) / 3**0.5
    half = np.quantile(np.abs(drawn), 0.95)
    assert (high - low)[0] / 2 == pytest.approx(half, rel=0.06)
    assert (low + high)[0] / 2 == pytest.approx(gaps.mean(), abs=0.1 * half)
    assert 0 < p[0] < 0.05


def test_seeds_without_numbers_are_those_of_their_places():
    generator = np.random.default_rng(1)
    ours, theirs = generator.normal(1, 1, (3, 300, 1)), generator.normal(0, 1, (2, 300, 1))
    value, *_ = paired_differences(
        (ours, np.ones_like(ours)), (theirs, np.ones_like(theirs)), VIDEOS
    )
    assert value[0] == pytest.approx(ours[:2].mean() - theirs.mean())  # seeds 0 and 1


def test_pairs_turn_with_their_runs():
    generator = np.random.default_rng(1)
    runs = [of_levels(generator.normal(50, 5, 3), 60) for _ in range(2)]
    both = [(run + generator.normal(0, 9, run.shape), ones) for run, ones in runs]
    first, second = resampled(both, range(60), 2000, seeds=[(0, 1, 2), (1, 2, 0)])
    forth, back = first.less(second).interval(), second.less(first).interval()
    assert isinstance(first, Resampled)
    np.testing.assert_allclose(forth[0], -back[0])
    np.testing.assert_allclose(forth[1], -back[2], atol=0.05 * (forth[2] - forth[1])[0])


def test_equal_seeds_give_equal_differences():
    generator = np.random.default_rng(1)
    ours, theirs = run(generator), run(generator)
    first = paired_differences(ours, theirs, VIDEOS, 300, seed=3)
    np.testing.assert_array_equal(first, paired_differences(ours, theirs, VIDEOS, 300, seed=3))
    other = paired_differences(ours, theirs, VIDEOS, 300, seed=4)
    assert (np.array(first)[1] != np.array(other)[1]).all()
