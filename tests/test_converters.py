"""Every benchmark's published layout, made by hand."""

import json

import pytest
from annotations import conversion, lines

from groundvts.data.moment import Moment
from groundvts.errors import BadInput


@pytest.fixture
def converted(tmp_path):
    return conversion(tmp_path)


CAPTIONS = {"duration": 20, "timestamps": [[0, 2.5], [4, 9]], "sentences": [" A man. ", "b"]}


def test_activitynet_by_video(converted):
    moments, listed, _ = converted("activitynet_captions", "train.json", {"v_x": CAPTIONS})
    assert listed == []
    assert moments[0] == Moment(
        id="v_x-0",
        dataset="activitynet_captions",
        split="val",
        video="v_x",
        duration=20.0,
        query=" A man. ",
        windows=((0.0, 2.5),),
        source_key="v_x[0]",
    )
    assert [(m.id, m.source_key) for m in moments] == [("v_x-0", "v_x[0]"), ("v_x-1", "v_x[1]")]


@pytest.mark.parametrize(
    ("key", "value"), [("video", "v_x.mp4"), ("video", "v_x"), ("vid", "v_x"), ("video_id", "v_x")]
)
def test_activitynet_as_a_list(converted, key, value):
    rows = [CAPTIONS | {key: value}, {k: v for k, v in CAPTIONS.items() if k != "duration"}]
    rows[1][key] = value
    moments, listed, _ = converted("activitynet_captions", "val_2.json", rows)
    assert [moment.id for moment in moments] == ["v_x-0", "v_x-1", "v_x-2", "v_x-3"]
    assert [moment.source_key for moment in moments][1:3] == ["[0][1]", "[1][0]"]
    missing = ("missing_duration", "[1][0]", "kept as annotated")
    assert listed[0] == missing
    assert {kind for kind, *_ in listed} == {"missing_duration", "duplicate"}


def test_a_video_may_be_called_like_a_place_in_a_list(converted):
    moments, _, _ = converted("activitynet_captions", "t.json", {"[0]": CAPTIONS})
    assert [moment.id for moment in moments] == ["[0]-0", "[0]-1"]


def test_sentences_and_timestamps_of_different_length(converted):
    short = CAPTIONS | {"sentences": ["a", "b", "c", "d"]}
    moments, listed, written = converted("activitynet_captions", "t.json", {"v": short})
    assert [moment.query for moment in moments] == ["a", "b"]
    assert listed == [
        ("length_mismatch", "v[2]", "left out"),
        ("length_mismatch", "v[3]", "left out"),
    ]
    assert written["counts"]["left_out"] == 2


def test_a_video_that_stands_twice_keeps_both_entries(converted):
    one, two = json.dumps(CAPTIONS), json.dumps(CAPTIONS | {"sentences": ["c", "d"]})
    text = f'{{"v": {one}, "v": {two}}}'
    moments, listed, _ = converted("activitynet_captions", "t.json", text)
    assert [moment.id for moment in moments] == ["v-0", "v-1", "v-2", "v-3"]
    assert [moment.query for moment in moments] == [" A man. ", "b", "c", "d"]
    assert listed == [("duplicate_key", "v", "every entry is read")]


HIGHLIGHT = {
    "qid": 9769,
    "query": "q",
    "duration": 150,
    "vid": "a_b_c_360.0_510.0",
    "relevant_windows": [[72, 82], [84, 94.5]],
    "relevant_clip_ids": [36, 37],
    "saliency_scores": [[4, 3, 2], [0, 1, 0]],
}


def test_qvhighlights(converted):
    unlabelled = {key: HIGHLIGHT[key] for key in ("query", "duration", "vid")} | {"qid": 7}
    shorter = HIGHLIGHT | {"qid": 8, "duration": 120}
    moments, listed, _ = converted("qvhighlights", "h.jsonl", lines(HIGHLIGHT, unlabelled, shorter))
    assert (moments[0].id, moments[0].video) == ("9769", "a_b_c_360.0_510.0")
    assert moments[0].windows == ((72.0, 82.0), (84.0, 94.5))
    assert moments[0].saliency == ((36, (4, 3, 2)), (37, (0, 1, 0)))
    assert (moments[1].windows, moments[1].saliency) == ((), None)
    assert [moment.source_line for moment in moments] == [1, 2, 3]
    assert ("duration_mismatch", 3, "kept as annotated") in listed


@pytest.mark.parametrize(
    ("changes", "kind", "saliency"),
    [
        ({"relevant_clip_ids": [36]}, "length_mismatch", ((36, (4, 3, 2)),)),
        ({"relevant_clip_ids": None}, "bad_saliency", None),
        ({"relevant_clip_ids": [36, 75]}, "bad_saliency", ((36, (4, 3, 2)),)),
        ({"relevant_clip_ids": [-1, 37]}, "bad_saliency", ((37, (0, 1, 0)),)),
        ({"relevant_clip_ids": [37, 37]}, "bad_saliency", ((37, (4, 3, 2)),)),
        ({"relevant_clip_ids": [True, 37]}, "bad_saliency", ((37, (0, 1, 0)),)),
        ({"saliency_scores": [[4, 3, 5], [0, 1, 0]]}, "bad_saliency", ((37, (0, 1, 0)),)),
        ({"saliency_scores": [[4, 3, 1.5], [0, 1, 0]]}, "bad_saliency", ((37, (0, 1, 0)),)),
        ({"saliency_scores": [[], [0, 1, 0]]}, "bad_saliency", ((37, (0, 1, 0)),)),
        ({"saliency_scores": [[4, 3], [0, 1, 0]]}, "bad_saliency", ((36, (4, 3)),)),
        ({"saliency_scores": "none"}, "bad_saliency", None),
    ],
)
def test_wrong_saliency_costs_its_clips_alone(converted, changes, kind, saliency):
    moments, listed, _ = converted("qvhighlights", "h.jsonl", lines(HIGHLIGHT | changes))
    assert [found for found, *_ in listed] == [kind]
    assert moments[0].saliency == saliency
    assert len(moments[0].windows) == 2


HEADER = "video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
QUESTION = '12,90,640,480,"why, then",red,1,CW,blue,red,green,grey,black\n'


def test_nextgqa(converted):
    spans = {"12": {"duration": 34, "location": {"1": [[1.2, 5.8], [7, 9]]}, "fps": 29.97}}
    spans["12"]["location"]["9"] = [[1, 2]]
    bare = QUESTION.replace(",1,CW", ",2,CW")
    moments, listed, _ = converted("nextgqa", "val.csv", HEADER + QUESTION + bare, spans=spans)
    assert moments[0] == Moment(
        id="12-1",
        dataset="nextgqa",
        split="val",
        video="12",
        duration=34.0,
        query="why, then",
        windows=((1.2, 5.8), (7.0, 9.0)),
        source_line=2,
        options=("blue", "red", "green", "grey", "black"),
        answer="red",
    )
    assert listed == [
        ("no_windows", 3, "kept as annotated"),
        ("unknown_question", "12.9", "not used"),
    ]


def test_nextgqa_without_spans_has_no_windows(converted):
    moments, listed, _ = converted("nextgqa", "val.csv", HEADER + QUESTION)
    assert moments[0].windows == ()
    assert (moments[0].duration, listed) == (None, [])


def test_a_question_over_two_lines_is_named_by_its_first(converted):
    text = (
        HEADER + "\n" + QUESTION.replace("why, then", "why\nthen") + QUESTION.replace(",1,", ",3,")
    )
    moments, _, _ = converted("nextgqa", "val.csv", text)
    assert [moment.source_line for moment in moments] == [3, 5]


def test_tacos_editions_agree(converted):
    frames = {
        "s34-d28.avi": {
            "timestamps": [[201, 487], [501, 954]],
            "sentences": ["a", "b"],
            "fps": 29.4,
            "num_frames": 11800,
        }
    }
    in_frames, listed, _ = converted("tacos", "2dtan.json", frames)
    assert listed == []
    assert in_frames[0].windows == ((201 / 29.4, 487 / 29.4),)
    assert (in_frames[0].video, in_frames[0].duration) == ("s34-d28", 11800 / 29.4)
    rows = [
        {
            "qid": m.id,
            "query": m.query,
            "duration": m.duration,
            "vid": m.video,
            "relevant_windows": m.windows,
        }
        for m in in_frames
    ]
    in_seconds, listed, _ = converted("tacos", "release.jsonl", lines(*rows))
    assert listed == []
    assert [(m.id, m.video, m.windows, m.duration) for m in in_seconds] == [
        (m.id, m.video, m.windows, m.duration) for m in in_frames
    ]
    assert [m.id for m in in_frames] == ["s34-d28_0", "s34-d28_1"]


@pytest.mark.parametrize("fps", [0, -1, None, "30", True])
def test_tacos_in_frames_needs_a_rate(converted, fps):
    good = {"timestamps": [[1, 2]], "sentences": ["a"], "fps": 10, "num_frames": 50}
    moments, listed, _ = converted("tacos", "t.json", {"a.avi": good | {"fps": fps}, "b.avi": good})
    assert [moment.windows for moment in moments] == [((0.1, 0.2),)]
    assert listed == [("unreadable_entry", "a.avi", "left out")]


def test_own_moments(converted):
    second = {"id": "m", "video": "b", "query": "q", "note": 1, "windows": [[1, 2]], "duration": 9}
    rows = ({"video": "a.mp4", "query": "q"}, second)
    moments, listed, _ = converted("moments", "mine.jsonl", lines(*rows), name="mine")
    assert [(m.id, m.video, m.dataset, m.split) for m in moments] == [
        ("a.mp4-1", "a", "mine", "val"),
        ("m", "b", "mine", "val"),
    ]
    assert listed == [
        ("no_windows", 1, "kept as annotated"),
        ("unknown_key", 2, "kept as annotated"),
    ]


def test_the_kits_own_moments_convert_to_themselves(converted, tmp_path):
    first, _, _ = converted("qvhighlights", "h.jsonl", lines(HIGHLIGHT))
    text = (tmp_path / "out" / "moments.jsonl").read_text()
    again, listed, _ = converted("moments", "m.jsonl", text, name="qvhighlights")
    assert (again, listed) == (first, [])


def test_durations_fill_what_the_annotation_lacks(converted, tmp_path):
    (tmp_path / "d.json").write_text(json.dumps({"a": 9, "b.mp4": 8.5, "c": "9", "d": 0}))
    rows = [{"video": name, "query": "q"} for name in "abcd"] + [{"video": "a", "query": "r"}]
    rows[4]["duration"] = 3
    moments, listed, written = converted(
        "moments", "mine.jsonl", lines(*rows), durations=tmp_path / "d.json"
    )
    assert [moment.duration for moment in moments] == [9.0, 8.5, None, None, 3.0]
    assert listed[:2] == [
        ("unreadable_duration", "c", "not used"),
        ("unreadable_duration", "d", "not used"),
    ]
    assert written["files"]["durations"] == str(tmp_path / "d.json")
    assert written["counts"]["left_out"] == 0


def test_spans_belong_to_nextgqa(converted):
    with pytest.raises(BadInput, match=r"spans\.json: tacos has no file of spans"):
        converted("tacos", "t.jsonl", "{}", spans={})
