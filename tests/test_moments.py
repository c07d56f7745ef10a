"""Metrics of moment retrieval: by hand, by property, and on real predictions."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundvts.metrics.joining import match_predictions
from groundvts.metrics.moments import best_overlap, columns, means, overlap, query_scores
from groundvts.metrics.predictions import read_prediction_file
from groundvts.metrics.score import score_predictions

second = st.integers(min_value=-100, max_value=1000).map(lambda tenths: tenths / 10)
window = st.tuples(second, second)


@pytest.mark.parametrize(
    ("predicted", "target", "iou", "iop"),
    [
        ((0, 10), (0, 10), 1.0, 1.0),
        ((0, 10), (5, 15), 5 / 15, 0.5),
        ((6, 8), (5, 15), 0.2, 1.0),
        ((0, 5), (5, 10), 0.0, 0.0),
        ((0, 2), (8, 10), 0.0, 0.0),
        ((5, 5), (0, 10), 0.0, 0.0),
        ((5, 5), (5, 5), 0.0, 0.0),
        ((8, 2), (0, 10), 0.0, 0.0),
        ((10, 40), (38, 13), 0.0, 0.0),
    ],
)
def test_overlap_by_hand(predicted, target, iou, iop):
    found = overlap(np.array([predicted]), np.array([target]))
    assert found[0][0] == pytest.approx(iou, abs=1e-12)
    assert found[1][0] == pytest.approx(iop, abs=1e-12)


@given(st.lists(st.tuples(window, window), min_size=1, max_size=20))
def test_overlap_properties(pairs):
    predicted, target = (np.array(side) for side in zip(*pairs, strict=True))
    iou, iop = overlap(predicted, target)
    assert ((iou >= 0) & (iou <= 1)).all()
    assert ((iou <= iop + 1e-12) & (iop <= 1 + 1e-12)).all()
    np.testing.assert_array_equal(iou, overlap(target, predicted)[0])


@pytest.mark.parametrize(("dtype", "counts"), [(np.float64, 100), (np.float32, 0)])
def test_half_in_decimals_is_less_than_half_in_float32(dtype, counts):
    iou, iop = best_overlap(np.array([(0.1, 0.2)]), [[(0.1, 0.3)]], dtype)
    assert iou.dtype == iop.dtype == dtype
    assert query_scores(iou, iop)["R1@0.5"] == counts


def test_the_best_target_counts_for_each_measure_alone():
    targets = [[(0, 10)], [(0, 100), (4, 6), (50, 60)]]
    iou, iop = best_overlap(np.array([(0, 5), (3, 6)]), targets)
    np.testing.assert_allclose(iou, [0.5, 2 / 3])
    np.testing.assert_allclose(iop, [1.0, 1.0])


def test_a_score_at_the_threshold_counts():
    scores = query_scores(np.array([0.3, 0.5, 0.7, 0.0]), np.array([0.5, 0.3, 0.2, 0.0]))
    assert means(scores) == pytest.approx(
        {
            "R1@0.1": 75,
            "R1@0.3": 75,
            "R1@0.5": 50,
            "R1@0.7": 25,
            "mIoU": 37.5,
            "IoP@0.3": 50,
            "IoP@0.5": 25,
            "mIoP": 25,
        }
    )
    assert all(score.dtype == np.float64 for score in scores.values())


@pytest.mark.parametrize(
    ("strict", "expected"),
    [
        (False, {"R1@0.1": [0, 100, 100], "R1@0.5": [0, 0, 100], "IoP@0.7": [0, 0, 100]}),
        (True, {"R1@0.1": [0, 0, 100], "R1@0.5": [0, 0, 0], "IoP@0.7": [0, 0, 0]}),
    ],
)
def test_a_strict_threshold_must_be_passed(strict, expected):
    ious, iops = np.array([0.0, 0.1, 0.5]), np.array([0.0, 0.2, 0.7])
    scores = query_scores(ious, iops, iou_at=(0.1, 0.5), iop_at=(0.7,), strict=strict)
    assert list(scores) == ["R1@0.1", "R1@0.5", "mIoU", "IoP@0.7", "mIoP"]
    assert {name: scores[name].tolist() for name in expected} == expected


@given(st.lists(st.floats(0, 1), min_size=1), st.booleans())
def test_recall_falls_with_the_threshold(ious, strict):
    scores = query_scores(np.array(ious), np.array(ious), (0.1, 0.3, 0.5, 0.7), (), strict)
    shares = [scores[f"R1@{at}"].mean() for at in (0.1, 0.3, 0.5, 0.7)]
    assert shares == sorted(shares, reverse=True)


def test_queries_that_do_not_count_have_no_weight():
    scores = {"all": np.array([100.0, 0.0]), "one": np.array([np.nan, 50.0])}
    values, weights = columns(scores)
    np.testing.assert_array_equal(values, [[100, 0], [0, 50]])
    np.testing.assert_array_equal(weights, [[1, 0], [1, 1]])
    assert means(scores) == {"all": 50, "one": 50}


def test_real_predictions_score_as_published(reference_data):
    path = reference_data / "predictions" / "distime" / "charades_1B.json"
    file = read_prediction_file(path, "charades_sta")
    payload = score_predictions(file.moments, match_predictions(file, file.moments), resamples=50)
    assert payload["counts"] == {"asked": 3720, "scored": 3720, "failed": 0}
    values = {name: round(metric["value"], 2) for name, metric in payload["metrics"].items()}
    # R1@0.5 and R1@0.7 hold exact ties that float32 loses (56.26, 29.65).
    assert values == {
        "R1@0.1": 90.62,
        "R1@0.3": 78.09,
        "R1@0.5": 56.40,
        "R1@0.7": 29.68,
        "mIoU": 52.03,
        "IoP@0.3": 80.89,
        "IoP@0.5": 62.53,
        "mIoP": 60.29,
    }


@pytest.mark.parametrize(
    ("dtype", "strict", "half_iou", "most_iou", "half_iop"),
    [
        (np.float32, False, 56.26, 29.65, 62.53),
        (np.float64, False, 56.40, 29.68, 62.53),
        (np.float64, True, 56.32, 29.68, 62.50),
    ],
)
def test_exact_ties_depend_on_precision_and_strictness(
    reference_data, dtype, strict, half_iou, most_iou, half_iop
):
    path = reference_data / "predictions" / "distime" / "charades_1B.json"
    records = json.loads(path.read_text())
    first = np.array([record["pred"][0] for record in records])
    overlaps = best_overlap(first, [record["span"] for record in records], dtype)
    values = means(query_scores(*overlaps, strict=strict))
    assert {name: round(value, 2) for name, value in values.items()} == {
        "R1@0.1": 90.62,
        "R1@0.3": 78.09,
        "R1@0.5": half_iou,
        "R1@0.7": most_iou,
        "mIoU": 52.03,
        "IoP@0.3": 80.89,
        "IoP@0.5": half_iop,
        "mIoP": 60.29,
    }
