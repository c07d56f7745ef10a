"""Scoring: every moment asked has exactly one score; the constant window as a baseline."""

import json
import re

import numpy as np
import pytest

from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.constant import fit_constant_window, predict_constant
from groundvts.metrics.score import read_predictions, score_moments


def moment(name: str, *windows: tuple[float, float], split: str = "test") -> Moment:
    return Moment(name, "charades_sta", split, f"v{name}", 30.0, f"query {name}", windows, 1)


MOMENTS = [moment("a", (0.0, 10.0)), moment("b", (5.0, 15.0)), moment("c", (8.0, 2.0), (1.0, 2.0))]


def predictions(**windows) -> list[dict]:
    return [{"id": name, "windows": value, "failure": None} for name, value in windows.items()]


def test_the_first_window_is_scored_and_order_does_not_matter():
    given = predictions(c=[[1, 2]], b=[[20, 25], [5, 15]], a=[[0, 5]])
    payload = score_moments(MOMENTS, given, resamples=100)
    assert (payload["dataset"], payload["split"]) == ("charades_sta", "test")
    assert payload["queries"] == {
        "id": ["a", "b", "c"],
        "video": ["va", "vb", "vc"],
        "IoU": [0.5, 0.0, 1.0],
        "IoP": [1.0, 0.0, 1.0],
    }
    assert payload["counts"] == {"asked": 3, "scored": 3, "failed": 0}
    assert payload["metrics"]["mIoU"]["value"] == pytest.approx(50)
    assert payload["metrics"]["R1@0.5"]["value"] == pytest.approx(200 / 3)
    for metric in payload["metrics"].values():
        assert metric["low"] <= metric["value"] <= metric["high"]
    json.dumps(payload, allow_nan=False)


@pytest.mark.parametrize(
    ("prediction", "reason"),
    [
        ({"windows": [[5, 15]], "failure": "video_unreadable"}, "video_unreadable"),
        ({"windows": [], "failure": "one_number"}, "one_number"),
        ({"windows": []}, "no_window"),
        ({"windows": None}, "no_window"),
        ({}, "no_window"),
        ({"windows": [[5, None]]}, "not_finite"),
        ({"windows": [None]}, "not_finite"),
        ({"windows": [[5, float("nan")]]}, "not_finite"),
        ({"windows": [[5, float("inf")]]}, "not_finite"),
        ({"windows": [[5, 15, 20]]}, "not_finite"),
        ({"windows": "5-15"}, "not_finite"),
        ({"windows": [[15, 5]]}, "reversed"),
    ],
)
def test_a_failure_scores_zero_and_is_listed(prediction, reason):
    given = [*predictions(a=[[0, 10]], c=[[1, 2]]), {"id": "b"} | prediction]
    payload = score_moments(MOMENTS, given, resamples=100)
    assert payload["counts"] == {"asked": 3, "scored": 2, "failed": 1}
    assert payload["failures"] == [{"id": "b", "reason": reason}]
    assert payload["queries"]["IoU"] == [1.0, 0.0, 1.0]
    assert payload["metrics"]["mIoU"]["value"] == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (predictions(a=[], c=[]), "moments without a prediction: b;"),
        (predictions(a=[], b=[], c=[], d=[]), "predictions of no moment asked: d;"),
        (predictions(a=[], b=[], c=[]) + predictions(a=[]), "predictions repeated: a;"),
        ([], "moments without a prediction: a, b, c;"),
    ],
)
def test_ids_that_do_not_match_are_bad_input(given, message):
    with pytest.raises(BadInput, match=message):
        score_moments(MOMENTS, given)


def test_moments_that_cannot_be_scored_are_bad_input():
    with pytest.raises(BadInput, match="moments repeated: a"):
        score_moments([MOMENTS[0]] * 2, predictions(a=[]))
    with pytest.raises(BadInput, match="no moments to score"):
        score_moments([], [])
    with pytest.raises(BadInput, match="x: the moment has no true window"):
        score_moments([moment("x")], predictions(x=[]))
    mixed = [MOMENTS[0], moment("x", (0.0, 1.0), split="val")]
    with pytest.raises(BadInput, match="moments of several splits: test, val"):
        score_moments(mixed, predictions(a=[], x=[]))


def test_many_missing_ids_are_named_in_one_short_line():
    many = [moment(str(n), (0.0, 1.0)) for n in range(100)]
    expected = "moments without a prediction: 0, 1, 2, 3, 4 and 95 more; give one"
    with pytest.raises(BadInput, match=expected):
        score_moments(many, [])


def test_predictions_are_read_from_jsonl(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"id": "a", "windows": [[0, 5]]}\n\n{"id": "b", "windows": []}\n')
    assert [prediction["id"] for prediction in read_predictions(path)] == ["a", "b"]
    path.write_text('{"id": "a"}\n{"windows": []}\n')
    with pytest.raises(BadInput, match=re.escape(f"{path}, line 2: no id")):
        read_predictions(path)


def test_the_constant_window_is_the_best_on_a_brute_force_grid():
    generator = np.random.default_rng(3)
    starts = generator.uniform(0, 20, size=60)
    moments = [
        moment(str(n), (float(start), float(start + generator.uniform(2, 15))))
        for n, start in enumerate(starts)
    ]
    window = fit_constant_window(moments)
    best = score(moments, window)
    grid = np.arange(0, 36, 1.0)
    others = [score(moments, (a, b)) for a in grid for b in grid if a < b]
    assert best >= max(others) - 1e-9
    assert fit_constant_window(moments) == window


def test_the_constant_window_of_equal_moments_is_theirs():
    window = fit_constant_window([moment(str(n), (3.2, 7.9)) for n in range(3)])
    assert window == pytest.approx((3.2, 7.9), abs=0.05)
    with pytest.raises(BadInput, match="no true window"):
        fit_constant_window([moment("x")])


def test_constant_predictions_have_the_common_form():
    (prediction,) = predict_constant(MOMENTS[:1], (3.0, 8.0))
    assert prediction["windows"] == [[3.0, 8.0]]
    assert prediction["failure"] is None
    expected = "id video query answer windows failure detail seconds grid second_per_grid kept"
    assert list(prediction) == expected.split()
    assert (prediction["id"], prediction["video"]) == ("a", "va")


def score(moments, window) -> float:
    given = predict_constant(moments, window)
    return score_moments(moments, given, resamples=1)["metrics"]["mIoU"]["value"]
