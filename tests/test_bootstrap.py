"""The clustered bootstrap: known spread, seeds, clusters, speed."""

import time

import numpy as np
import pytest

from groundvts.metrics.bootstrap import clustered_intervals


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
