"""Ranked windows of a query: by hand, against a literal definition, and the official scores."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundvts.metrics.detection import CLASSES, THRESHOLDS, detection_scores, retrieval
from groundvts.metrics.moments import means

FULL = list(CLASSES).index("full")
AT = dict(zip(THRESHOLDS, range(10), strict=True))

second = st.integers(0, 30)
windows = st.lists(st.tuples(second, second).map(sorted), max_size=6)
ranked = st.lists(
    st.tuples(second, second, st.integers(0, 3)).map(lambda w: [*sorted(w[:2]), w[2]]), max_size=12
)


@pytest.mark.parametrize(
    ("given", "true", "r1", "r5", "ap"),
    [
        pytest.param([], [(0, 10)], 0, None, 0, id="empty prediction"),
        pytest.param([(0, 10)], [(0, 10)], 100, None, 100, id="perfect"),
        pytest.param([(0, 5)], [(0, 10)], 100, None, 100, id="at the threshold"),
        pytest.param([(0, 4.9)], [(0, 10)], 0, None, 0, id="below the threshold"),
        pytest.param([(3, 3)], [(3, 3)], 0, None, 0, id="zero length"),
        pytest.param([(9, 2)], [(2, 9)], 0, None, 0, id="reversed"),
        pytest.param([(20, 30), (0, 10)], [(0, 10)], 0, 100, 50, id="second rank"),
        pytest.param([(20, 30), (20, 30), (0, 10)], [(0, 10)], 0, 100, 100 / 3, id="third rank"),
        pytest.param([(30, 40)] * 5 + [(0, 10)], [(0, 10)], 0, 0, 100 / 6, id="sixth rank"),
        pytest.param([(30, 40)] * 10 + [(0, 10)], [(0, 10)], 0, 0, 0, id="the eleventh is cut"),
        pytest.param([(0, 10)], [(50, 60), (0, 10)], 100, None, 50, id="one of two found"),
        pytest.param([(0, 10), (0, 10)], [(0, 10), (50, 60)], 100, 100, 50, id="found twice"),
        pytest.param(
            [(0, 10), (80, 90), (50, 60)], [(50, 60), (0, 10)], 100, 100, 250 / 3, id="interpolated"
        ),
        pytest.param([(0, 10, 0.1), (50, 60, 0.9)], [(50, 60)], 0, 100, 100, id="unsorted scores"),
        pytest.param([(0, 10, 0.5), (50, 60, 0.5)], [(50, 60)], 0, 100, 50, id="equal scores"),
        # Both true windows have an IoU of 2/3 with the first prediction, which takes the later one.
        pytest.param([(2, 12), (4, 14)], [(0, 10), (4, 14)], 100, 100, 50, id="equal IoU"),
    ],
)
def test_one_query_by_hand(given, true, r1, r5, ap):
    scores = detection_scores([given], [true])
    assert scores["MR-R1@0.5"] == [r1]
    assert scores["MR-mAP@0.5"] == pytest.approx([ap])
    assert scores.get("MR-R5@0.5") == r5


@pytest.mark.parametrize(
    ("length", "classes"),
    [
        (0, set()),
        (0.5, {"short"}),
        (10, {"short"}),
        (10.1, {"middle"}),
        (30, {"middle"}),
        (30.1, {"long"}),
        (150, {"long"}),
        (151, set()),
    ],
)
def test_classes_of_length_include_their_upper_bound(length, classes):
    names = detection_scores([[(0, 5)]], [[(0, length)]])
    assert {name for name in ("short", "middle", "long") if f"MR-mAP-{name}" in names} == classes
    assert "MR-mAP" in names


def test_a_class_counts_its_own_targets_and_queries():
    true = [[(0, 10), (20, 40)], [(50, 60)], []]
    scores = detection_scores([[(0, 10), (90, 99)], [], [(0, 5)]], true)
    np.testing.assert_array_equal(scores["MR-mAP-short"], [100, 0, np.nan])
    np.testing.assert_array_equal(scores["MR-mAP-middle"], [0, np.nan, np.nan])
    np.testing.assert_array_equal(scores["MR-mAP"], [50, 0, np.nan])
    np.testing.assert_array_equal(scores["MR-R1@0.7"], [100, 0, np.nan])
    assert "MR-mAP-long" not in scores


def literal_precision(predictions, targets, threshold):
    """AP by its definition, one window at a time."""
    order = sorted(predictions[:10], key=lambda window: -window[2])
    free, found, points = set(range(len(targets))), 0, []
    for rank, (start, end, _) in enumerate(order, 1):
        reached = []
        for index in free:
            low, high = targets[index]
            shared = min(end, high) - max(start, low)
            iou = shared / (end - start + high - low - shared) if shared > 0 else 0
            reached.append((iou, index))
        if reached and max(reached)[0] >= threshold:
            free.remove(max(reached)[1])
            found += 1
            points.append((found, found / rank))
    best = [max(p for later, p in points if later >= n) for n in range(1, found + 1)]
    return sum(best) / len(targets)


@given(st.lists(st.tuples(ranked, windows), min_size=1, max_size=4), st.sampled_from(THRESHOLDS))
def test_precision_is_the_literal_definition(queries, threshold):
    predictions, targets = zip(*queries, strict=True)
    _, precision_QKT = retrieval(predictions, targets)
    for found, some, true in zip(precision_QKT, predictions, targets, strict=True):
        for (low, high), value in zip(CLASSES.values(), found[:, AT[threshold]], strict=True):
            within = [window for window in true if low < window[1] - window[0] <= high]
            expected = literal_precision(some, within, threshold) if within else np.nan
            assert value == pytest.approx(expected, nan_ok=True)


@given(ranked, windows.filter(len))
def test_scores_fall_with_the_threshold_and_stay_in_range(some, true):
    best_QK2, precision_QKT = retrieval([some], [true])
    precision_T = precision_QKT[0, FULL]
    assert (np.diff(precision_T) <= 1e-12).all()
    assert ((precision_T >= 0) & (precision_T <= 1)).all()
    assert best_QK2[0, FULL, 0] <= best_QK2[0, FULL, 1] <= 1


@given(st.sets(st.integers(0, 30), min_size=1, max_size=10))
def test_the_true_windows_themselves_are_perfect(starts):
    true = [(3 * start, 3 * start + 2) for start in starts]
    scores = detection_scores([true], [true])
    assert {name: value[0] for name, value in scores.items()} == pytest.approx(
        dict.fromkeys(scores, 100)
    )


def test_official_scores_of_a_real_submission(reference_data):
    folder = reference_data / "predictions" / "moment_detr"
    official = json.loads((folder / "sample_val_preds_metrics_raw.json").read_text())
    lines = (folder / "sample_val_preds.jsonl").read_text().splitlines()
    given = {record["qid"]: record["pred_relevant_windows"] for record in map(json.loads, lines)}
    path = reference_data / "annotations" / "qvhighlights" / "highlight_val_release.jsonl"
    true = {r["qid"]: r["relevant_windows"] for r in map(json.loads, path.read_text().splitlines())}
    submitted = [given[qid] for qid in true]

    best_QK2, precision_QKT = retrieval(submitted, list(true.values()))
    for column, name in enumerate(CLASSES):
        counts = ~np.isnan(best_QK2[:, column, 0])
        r1 = [100 * (best_QK2[counts, column, 0] >= at).mean() for at in THRESHOLDS]
        ap = 100 * precision_QKT[counts, column].mean(axis=0)
        ours = {"MR-R1": _rounded(r1), "MR-mAP": _rounded(ap) | {"average": round(ap.mean(), 2)}}
        assert ours == official[name]

    brief = {name.replace("HL", "HD"): value for name, value in official["brief"].items()}
    values = means(detection_scores(submitted, list(true.values())))
    for name in ("R1@0.5", "R1@0.7", "mAP", "mAP@0.5", "mAP@0.75"):
        assert round(values[f"MR-{name}"], 2) == brief[f"MR-full-{name}"]
    for name in ("short", "middle", "long"):
        assert round(values[f"MR-mAP-{name}"], 2) == brief[f"MR-{name}-mAP"]


def _rounded(values):
    return {str(at): round(float(v), 2) for at, v in zip(THRESHOLDS, values, strict=True)}
