"""Policies: what is dropped or repaired, and that both end consistently."""

import json

import pytest
from annotations import own_conversion, row

from groundvts.data.convert import convert
from groundvts.errors import BadInput


@pytest.fixture
def converted(tmp_path):
    return own_conversion(tmp_path)


@pytest.mark.parametrize(
    ("window", "policy", "left", "actions"),
    [
        ([5, 3], {"inverted": "repair"}, (3.0, 5.0), ["repaired: start and end swapped"]),
        ([3, 12], {"overlong": "repair"}, (3.0, 10.0), ["repaired: ends at 10 s"]),
        ([-2, 3], {"negative_start": "repair"}, (0.0, 3.0), ["repaired: starts at 0 s"]),
        (
            [12, 3],
            {"inverted": "repair", "overlong": "repair"},
            (3.0, 10.0),
            ["repaired: start and end swapped", "repaired: ends at 10 s"],
        ),
        (
            [12, -3],
            {"inverted": "repair", "overlong": "repair", "negative_start": "repair"},
            (0.0, 10.0),
            [
                "repaired: start and end swapped",
                "repaired: starts at 0 s",
                "repaired: ends at 10 s",
            ],
        ),
        (
            [12, 3],
            {"inverted": "repair"},
            (3.0, 12.0),
            ["repaired: start and end swapped", "kept as annotated"],
        ),
        ([12, 3], {"inverted": "repair", "overlong": "drop"}, None, ["dropped by policy"] * 2),
        ([11, 12], {"overlong": "repair"}, None, ["dropped: nothing is left after the repair"]),
        ([10, 12], {"overlong": "repair"}, None, ["dropped: nothing is left after the repair"]),
        (
            [-2, -1],
            {"negative_start": "repair"},
            None,
            ["dropped: nothing is left after the repair"],
        ),
        ([12, 3], {"overlong": "repair"}, (12.0, 3.0), ["kept as annotated"]),
        ([3, 10.02], {"overlong": "drop"}, (3.0, 10.02), ["kept as annotated"]),
        ([3, 10.0000001], {"overlong": "repair"}, (3.0, 10.0000001), ["kept as annotated"]),
        ([3, 10.03], {"overlong": "drop"}, None, ["dropped by policy"]),
    ],
)
def test_repairs_end_consistently(converted, window, policy, left, actions):
    moments, written = converted(row(windows=[window, [1, 2]]), policy=policy)
    rest = ((1.0, 2.0),)
    assert moments["m"].windows == ((left, *rest) if left else rest)
    assert [finding["action"] for finding in written["findings"]] == actions
    assert written["counts"]["windows"] == 1 + len(moments["m"].windows)
    moments, written = converted(row(windows=[window]), policy=policy)
    assert ("m" in moments) == bool(left)
    assert written["counts"]["dropped"] == (0 if left else 1)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"late": "drop"}, "policy: 'late' cannot be chosen; choose among absurd, "),
        ({"unsafe_video": "keep"}, "policy: 'unsafe_video' cannot be chosen"),
        ({"empty": "repair"}, "policy: empty: 'repair'; choose one of keep, drop"),
        ({"inverted": "swap"}, "policy: inverted: 'swap'; choose one of keep, drop, repair"),
        ({"inverted": None}, "policy: inverted: None; choose"),
    ],
)
def test_an_impossible_policy_is_bad_input(converted, tmp_path, policy, message):
    with pytest.raises(BadInput) as error:
        converted(row(), policy=policy)
    assert str(error.value).startswith(message)
    assert not (tmp_path / "out").exists()


def test_a_policy_that_leaves_nothing_is_bad_input(tmp_path):
    (tmp_path / "mine.jsonl").write_text(json.dumps(row(query="")))
    with pytest.raises(BadInput, match=r"mine\.jsonl: the policy drops every record"):
        convert(
            "moments",
            "val",
            tmp_path / "mine.jsonl",
            tmp_path / "out",
            policy={"empty_query": "drop"},
        )
