"""Token recall, counted by hand on a small grid."""

import json

import pytest

from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.tokens import token_recall

# 4 grid steps of 1 s, 2x2 tokens each: dense index = 4 * step + 2 * row + column.
OBJECTS = {
    "v": {
        "red ball": {"cell": [0, 1], "window": [1.0, 3.0]},
        "blue box": {"cell": [1, 0], "window": [0.0, 2.5]},
    }
}
MOMENT = Moment("m", "charades_sta", "test", "v", 4.0, "red ball", ((1.0, 3.0),), 1)


def selection(kept, **changes) -> dict:
    return {"id": "m", "grid": [4, 2, 2], "second_per_grid": 1.0, "kept": kept} | changes


def values(kept) -> dict:
    found = token_recall([MOMENT], [selection(kept)], OBJECTS, resamples=10)
    shares = {name: found[name]["value"] for name in ("object", "interval", "distractors")}
    return shares | {"kept_share": found["kept_share"]}


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([5, 9], (100, 25, 0, 12.5)),  # the red ball at steps 1 and 2
        ([2, 6], (0, 12.5, 100, 12.5)),  # the blue box at steps 0 and 1; step 2 is not whole
        ([10], (0, 12.5, 0, 6.25)),
        ([5], (50, 12.5, 0, 6.25)),
        (list(range(16)), (100, 100, 100, 100)),
        ([], (0, 0, 0, 0)),
    ],
)
def test_shares_by_hand(kept, expected):
    assert tuple(values(kept).values()) == pytest.approx(expected)


def test_float_noise_does_not_lose_a_step():
    thirds = selection([1, 5, 9], second_per_grid=0.1)
    objects = {"v": {"red ball": {"cell": [0, 1], "window": [0.0, 0.1 + 0.2]}}}
    moment = Moment("m", "charades_sta", "test", "v", 0.4, "red ball", ((0.0, 0.3),), 1)
    found = token_recall([moment], [thirds], objects, resamples=10)
    assert found["object"]["value"] == pytest.approx(100)
    assert found["interval"]["value"] == pytest.approx(25)
    assert found["distractors"] is None
    json.dumps(found, allow_nan=False)


def test_shares_are_pooled_and_intervals_cluster_by_video():
    other = Moment("n", "charades_sta", "test", "v", 4.0, "blue box", ((0.0, 2.5),), 2)
    chosen = [selection([5, 9]), selection([2], id="n")]
    found = token_recall([MOMENT, other], chosen, OBJECTS, resamples=100)
    assert found["object"] == pytest.approx({"value": 75, "low": 75, "high": 75})
    assert found["counts"] == {"asked": 2, "scored": 2, "failed": 0}


def test_a_selection_without_tokens_is_counted_and_listed():
    other = Moment("n", "charades_sta", "test", "w", 4.0, "red ball", ((1.0, 3.0),), 2)
    unread = {"id": "n", "grid": None, "kept": [], "failure": "video_unreadable"}
    found = token_recall([MOMENT, other], [selection([5]), unread], OBJECTS, resamples=10)
    assert found["counts"] == {"asked": 2, "scored": 1, "failed": 1}
    assert found["failures"] == [{"id": "n", "reason": "video_unreadable"}]
    assert found["object"]["value"] == pytest.approx(50)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (selection([16]), "m: kept holds an index twice or outside 0..15"),
        (selection([-1]), "m: kept holds an index twice or outside 0..15"),
        (selection([3, 3]), "m: kept holds an index twice or outside 0..15"),
        (selection([0], grid=[4, 2, 1]), "m: 'red ball' lies in cell"),
        (selection([0], grid=None), "m: no selection holds tokens"),
        (selection([0], id="n"), "predictions of no moment asked: 'n'"),
    ],
)
def test_impossible_selections_are_bad_input(chosen, message):
    with pytest.raises(BadInput, match=message):
        token_recall([MOMENT], [chosen], OBJECTS)


def test_an_unknown_object_is_bad_input():
    with pytest.raises(BadInput, match=r"m: objects\.json has no 'red ball' in video v"):
        token_recall([MOMENT], [selection([0])], {"v": {}})
