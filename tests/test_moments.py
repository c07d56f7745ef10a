"""Metrics of moment retrieval: by hand, by property, and on real predictions."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundvts.data.moment import Moment
from groundvts.metrics.moments import best_overlap, overlap, query_scores
from groundvts.metrics.score import score_moments

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


def test_the_best_target_counts_for_each_measure_alone():
    targets = [[(0, 10)], [(0, 100), (4, 6), (50, 60)]]
    iou, iop = best_overlap(np.array([(0, 5), (3, 6)]), targets)
    np.testing.assert_allclose(iou, [0.5, 2 / 3])
    np.testing.assert_allclose(iop, [1.0, 1.0])


def test_a_score_at_the_threshold_counts():
    scores = query_scores(np.array([0.3, 0.5, 0.7, 0.0]), np.array([0.5, 0.3, 0.2, 0.0]))
    means = {name: score.mean() for name, score in scores.items()}
    assert means == pytest.approx(
        {
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


def test_real_predictions_score_as_published(reference_data):
    path = reference_data / "predictions" / "distime" / "charades_1B.json"
    records = json.loads(path.read_text())
    moments = [
        Moment(str(n), "charades_sta", "test", r["video"], None, r["query"], tuple(r["span"]), n)
        for n, r in enumerate(records)
    ]
    predictions = [{"id": str(n), "windows": r["pred"]} for n, r in enumerate(records)]
    payload = score_moments(moments, predictions)
    assert payload["counts"] == {"asked": 3720, "scored": 3720, "failed": 0}
    values = {name: round(metric["value"], 2) for name, metric in payload["metrics"].items()}
    # R1@0.5 and R1@0.7 hold exact ties that float32 loses (56.26, 29.65).
    assert values == {
        "R1@0.3": 78.09,
        "R1@0.5": 56.40,
        "R1@0.7": 29.68,
        "mIoU": 52.03,
        "IoP@0.3": 80.89,
        "IoP@0.5": 62.53,
        "mIoP": 60.29,
    }
