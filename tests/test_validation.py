"""Findings, alike for all benchmarks; videos that are not there; other splits."""

import json

import pytest
from annotations import GOOD, own_conversion, row

from groundvts.data.checks import option_of
from groundvts.data.convert import convert
from groundvts.data.entry import CHANGED, Finding
from groundvts.data.moment import Moment
from groundvts.data.validate import DROPPABLE, REPAIRABLE, shared_videos
from groundvts.errors import BadInput


@pytest.fixture
def converted(tmp_path):
    return own_conversion(tmp_path)


FAULTS = [
    (row(windows=[[5, 3]]), "inverted", 2.0),
    (row(windows=[[3, 3]]), "empty", None),
    (row(windows=[[3, 10.5]]), "overlong", 0.5),
    (row(windows=[[-1.5, 3]]), "negative_start", 1.5),
    (row(query=" "), "empty_query", None),
    (row(answer=""), "empty_answer", None),
    (row(duration=None), "missing_duration", None),
    (row(duration=0), "unreadable_duration", None),
    (row(duration=-3), "unreadable_duration", None),
    (row(duration="10"), "unreadable_duration", None),
    (row(duration=float("nan")), "unreadable_duration", None),
    (row(duration=90_000), "absurd", None),
    (row(query="q" * 2_001), "absurd", None),
    (row(windows=[[1, 2]] * 1_001), "absurd", None),
    (row(query="half \ud800"), "not_utf8", None),
    (row(options=["a", "b"], answer="c"), "answer_unknown", None),
    (row(options=["a", "b", "a"], answer="a"), "answer_twice", None),
    (row(options=["a", "b", "a"], answer="b"), "option_twice", None),
    (row(options=["a", " "], answer="a"), "empty_option", None),
    (row(saliency=[[1, [5]]]), "bad_saliency", None),
    (row(saliency=3), "bad_saliency", None),
    (row(extra=1), "unknown_key", None),
    (row(id="good"), "duplicate_id", None),
    (GOOD | {"id": "m"}, "duplicate", None),
]


@pytest.mark.parametrize(("fault", "kind", "by"), FAULTS)
def test_a_fault_is_found_and_kept_or_dropped(converted, tmp_path, fault, kind, by):
    moments, written = converted(fault)
    (finding,) = written["findings"]
    assert (finding["kind"], finding["by"], finding["line"]) == (kind, by, 2)
    assert finding["action"] == CHANGED.get(kind, "kept as annotated")
    assert finding["file"] == str(tmp_path / "mine.jsonl")
    assert finding["id"] in moments
    assert len(moments) == 2
    assert written["counts"]["largest"] == ({} if by is None else {kind: by})
    _, written = converted(fault, policy={kind: "drop"})
    assert written["findings"] == [finding | {"action": "dropped by policy"}]
    assert (written["counts"]["records"], written["counts"]["dropped"]) == (1, 1)
    assert written["counts"]["findings"] == {kind: 1}
    assert written["policy"] == {kind: "drop"}


def test_every_kind_is_explained():
    words = Finding.__doc__.replace(".", " ").split()
    assert [kind for kind in REPAIRABLE + DROPPABLE if kind not in words] == []


def test_without_a_policy_no_window_is_touched(converted):
    windows = [[5, 3], [3, 3], [-1, 12], [11, 12]]
    moments, written = converted(row(windows=windows))
    assert [list(window) for window in moments["m"].windows] == windows
    assert written["counts"]["findings"] == {
        "empty": 1,
        "inverted": 1,
        "negative_start": 1,
        "overlong": 2,
    }
    assert written["counts"]["largest"] == {"inverted": 2.0, "negative_start": 1.0, "overlong": 2.0}
    assert written["counts"]["several_windows"] == 1


def test_a_duration_is_missed_only_where_times_are_annotated(converted):
    _, written = converted(row(duration=None, windows=[], answer="yes"))
    assert written["findings"] == []
    _, written = converted(row(duration=None, windows=[], saliency=[[1, [2]]]))
    assert written["counts"]["findings"] == {"missing_duration": 1}


def test_an_unlabelled_record_is_not_dropped(converted):
    moments, written = converted(row(windows=[]), policy={"empty": "drop"})
    assert moments["m"].windows == ()
    assert written["counts"]["findings"] == {"no_windows": 1}


def test_repeated_ids_become_unique(converted):
    rows = [row(id="good", video=name) for name in "xyz"] + [row(id="good~2", video="w")]
    moments, written = converted(*rows)
    assert len(moments) == 5
    assert written["counts"]["findings"] == {"duplicate_id": 4}
    assert "good" in written["findings"][0]["detail"]


def test_a_window_or_an_option_makes_another_record(converted):
    rows = (
        row(),
        row(id="n", windows=[[1, 3]]),
        row(id="o", options=["a"]),
        row(id="p", answer="a"),
    )
    _, written = converted(*rows)
    assert written["counts"]["findings"] == {}


def test_missing_videos_are_named_once(converted, tmp_path):
    videos = tmp_path / "videos"
    (videos / "deep").mkdir(parents=True)
    (videos / "deep" / "g.mkv").touch()
    rows = (row(), row(id="n", query="other"))
    moments, written = converted(*rows, videos=videos)
    assert len(moments) == 3
    (finding,) = written["findings"]
    assert (finding["kind"], finding["id"], finding["line"]) == ("unknown_video", "v", 2)
    moments, written = converted(*rows, videos=videos, policy={"unknown_video": "drop"})
    assert list(moments) == ["good"]
    assert written["counts"]["dropped"] == 2
    with pytest.raises(BadInput, match="nowhere: no such folder"):
        converted(videos=tmp_path / "nowhere")


def test_videos_of_another_split_are_named_once(converted, tmp_path):
    (tmp_path / "train.jsonl").write_text(json.dumps(GOOD | {"video": "v"}))
    convert("moments", "train", tmp_path / "train.jsonl", tmp_path / "train")
    other = tmp_path / "train" / "moments.jsonl"
    rows = (row(), row(id="n", query="other"))
    moments, written = converted(*rows, against=[other])
    assert len(moments) == 3
    (finding,) = written["findings"]
    assert (finding["kind"], finding["id"]) == ("overlap", "v")
    assert finding["detail"] == f"video is also in train ({other})"
    assert written["files"]["against"] == [str(other)]
    moments, _ = converted(*rows, against=[other], policy={"overlap": "drop"})
    assert list(moments) == ["good"]
    with pytest.raises(BadInput, match="nowhere: No such file"):
        converted(against=[tmp_path / "nowhere"])


def test_pairs_of_splits_that_share_videos():
    def split(dataset: str, name: str, videos: str) -> list[Moment]:
        return [Moment(v, dataset, name, v, None, "q", ()) for v in videos]

    splits = [split("a", "train", "zxy"), split("a", "val", "w"), split("a", "test", "yzz")]
    assert shared_videos([*splits, split("b", "test", "x")]) == {
        "a": {"train and test": ["y", "z"]}
    }


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ("red", 0),
        ("B", 1),
        ("B.", 1),
        ("(B)", 1),
        ("B. blue", 1),
        ("B. blue.", 1),
        ("B) blue", 1),
        ("A. blue", None),
        ("D", None),
        ("blu", None),
        ("b", None),
        ("A blue", None),
    ],
)
def test_letter_answers(answer, place):
    assert option_of(answer, ("red", "blue", "green")) == place
