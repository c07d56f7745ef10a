"""The clustered bootstrap: known spread, seeds, clusters, speed."""

import time

import numpy as np
import pytest

from groundvts.metrics.bootstrap import clustered_intervals, paired_differences


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
    assert low[0] == pytest.approx(1 / 2)
    assert high[0] == pytest.approx(3 / 4)


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


def test_one_video_has_no_spread():
    assert np.ptp(intervals([10.0, 20.0], ["v", "v"], resamples=10)) == 0


def test_a_whole_benchmark_takes_about_a_second():
    scores = np.random.default_rng(1).random((3720, 7))
    videos = [f"v{n % 1334}" for n in range(3720)]
    began = time.perf_counter()
    intervals(scores, videos)
    assert time.perf_counter() - began < 5


# ---- joined seeds


def test_joined_seeds_hold_the_spread_between_them():
    scores = np.stack([np.full((50, 1), 20.0), np.full((50, 1), 80.0)])
    value, low, high = clustered_intervals(scores, np.ones_like(scores), range(50))
    assert (value[0], low[0], high[0]) == pytest.approx((50.0, 20.0, 80.0))


def test_equal_seeds_are_one_run():
    scores, videos = np.random.default_rng(1).random((90, 2)), [f"v{n // 3}" for n in range(90)]
    three = np.stack([scores] * 3)
    joined = clustered_intervals(three, np.ones_like(three), videos, resamples=500)
    single = clustered_intervals(scores, np.ones_like(scores), videos, resamples=500)
    np.testing.assert_allclose(joined, single)


def test_joined_seeds_have_the_mean_of_their_ratios():
    scores, weights = np.array([[[1.0]], [[1.0]]]), np.array([[[2.0]], [[4.0]]])
    value, low, high = clustered_intervals(scores, weights, ["a"])
    assert (value[0], low[0], high[0]) == pytest.approx((3 / 8, 1 / 4, 1 / 2))


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


def test_runs_of_several_seeds_are_compared():
    generator = np.random.default_rng(1)
    ours, theirs = generator.normal(1, 1, (3, 300, 1)), generator.normal(0, 1, (2, 300, 1))
    value, low, high, p = paired_differences(
        (ours, np.ones_like(ours)), (theirs, np.ones_like(theirs)), VIDEOS
    )
    assert value[0] == pytest.approx(ours.mean() - theirs.mean())
    assert 0.5 < low[0] < value[0] < high[0] < 1.5
    assert p[0] == pytest.approx(2 / 10_001)


def test_equal_seeds_give_equal_differences():
    generator = np.random.default_rng(1)
    ours, theirs = run(generator), run(generator)
    first = paired_differences(ours, theirs, VIDEOS, 300, seed=3)
    np.testing.assert_array_equal(first, paired_differences(ours, theirs, VIDEOS, 300, seed=3))
    other = paired_differences(ours, theirs, VIDEOS, 300, seed=4)
    assert (np.array(first)[1] != np.array(other)[1]).all()
