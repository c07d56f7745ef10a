"""Broken annotation files of every benchmark: one line of bad input, or a finding, nothing else."""

import pytest
from annotations import (
    CAPTIONS,
    CSV,
    FRAMES,
    GSUB,
    HIGHLIGHT,
    OWN,
    TACOS,
    TURNS,
    VALID,
    document,
    lines,
    outcome,
)


@pytest.mark.parametrize("dataset", VALID)
def test_valid_files_of_every_format(tmp_path, dataset):
    known = {"missing_duration", "duplicate"}
    spans = {"spans": GSUB} if dataset == "nextgqa" else {}
    assert outcome(tmp_path, dataset, *VALID[dataset], **spans) <= known


@pytest.mark.parametrize("dataset", VALID)
def test_a_byte_order_mark_and_crlf_change_nothing(tmp_path, dataset):
    name, data = VALID[dataset]
    text = b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n") + b"\r\n"
    for folder in ("plain", "other"):
        (tmp_path / folder).mkdir()
    outcome(tmp_path / "plain", dataset, name, data)
    outcome(tmp_path / "other", dataset, name, text)
    plain, other = (tmp_path / folder / "out" / "moments.jsonl" for folder in ("plain", "other"))
    assert plain.read_bytes() == other.read_bytes()


def own(**changes) -> bytes:
    return lines(OWN | {"id": "first", "query": "first"}, OWN | changes)


def caption(**changes) -> bytes:
    return document({"v_x": CAPTIONS, "v_y": CAPTIONS | changes})


def highlight(**changes) -> bytes:
    return lines(HIGHLIGHT, HIGHLIGHT | {"qid": 2, "query": "r"} | changes)


ANET, QVH, LLAVA = "activitynet_captions", "qvhighlights", "llava_video"
NAN, INF, DEEP = float("nan"), float("inf"), b"[" * 100_000
DIGITS = b"1" * 5_000
FINDINGS = [
    (ANET, caption(timestamps=[[0, NAN], [1, 2]]), {"not_finite"}),
    (ANET, caption(timestamps=[[0, INF], [1, 2]]), {"not_finite"}),
    (ANET, caption(timestamps=[[0, 10**400], [1, 2]]), {"not_finite"}),
    (ANET, caption().replace(b"2.5", DIGITS), {"not_finite"}),
    (ANET, caption(timestamps=[["0", "1"], [1, 2]]), {"unreadable_entry"}),
    (ANET, caption(timestamps=[[True, 1], [1, 2]]), {"unreadable_entry"}),
    (ANET, caption(timestamps=[[1, 2, 3], [1, 2]]), {"unreadable_entry"}),
    (ANET, caption(timestamps=[None, {"a": [[]]}]), {"unreadable_entry"}),
    (ANET, caption(timestamps={"a": 1}), {"unreadable_entry"}),
    (ANET, caption(sentences=None), {"unreadable_entry"}),
    (ANET, caption(sentences=[None, 3]), {"unreadable_entry"}),
    (ANET, caption(sentences=["a"]), {"length_mismatch"}),
    (ANET, caption(duration=None), {"missing_duration"}),
    (ANET, caption(duration=-INF), {"unreadable_duration"}),
    (ANET, caption(duration=1e9), {"absurd"}),
    (ANET, caption(sentences=["\ud800", "b"]), {"not_utf8"}),
    (ANET, caption().replace(b'"b"', b'"\xff\xfe"'), {"not_utf8"}),
    (ANET, document({"v_x": CAPTIONS, "v_y": [1]}), {"unreadable_entry"}),
    (ANET, document({"v_x": CAPTIONS, "../../x": CAPTIONS}), {"unsafe_video"}),
    (ANET, document({"v_x": CAPTIONS, "/etc/x": CAPTIONS}), {"unsafe_video"}),
    (ANET, document({"v_x": CAPTIONS, "..\\x": CAPTIONS}), {"unsafe_video"}),
    (ANET, document({"v_x": CAPTIONS, "v\ud800": CAPTIONS}), {"unsafe_video"}),
    (ANET, document({"v_x": CAPTIONS, "v\n": CAPTIONS}), {"unsafe_video"}),
    (ANET, document([CAPTIONS | {"video": "a"}, CAPTIONS]), {"unreadable_entry"}),
    (ANET, document([CAPTIONS | {"video": "a"}, None]), {"unreadable_entry"}),
    (ANET, caption().replace(b'"duration"', b'"duration": 3, "duration"'), {"duplicate_key"}),
    (QVH, lines(HIGHLIGHT) + b"{broken\n", {"unreadable_line"}),
    (QVH, b"{broken\n" + lines(HIGHLIGHT), {"unreadable_line"}),
    (QVH, lines(HIGHLIGHT) + DEEP + b"\n", {"unreadable_line"}),
    (QVH, lines(HIGHLIGHT)[:-1] + b" {}\n" + lines(HIGHLIGHT), {"unreadable_line"}),
    (QVH, lines(HIGHLIGHT) + b"[1, 2]\nnull\n3\n", {"unreadable_line"}),
    (QVH, highlight(qid=None), {"unreadable_entry"}),
    (QVH, highlight(qid=1.5), {"unreadable_entry"}),
    (QVH, highlight(qid=1), {"duplicate_id"}),
    (QVH, highlight(relevant_windows=None), {"unreadable_entry"}),
    (QVH, highlight(relevant_windows=[[1, 1e308], [-1e308, 2]]), {"overlong", "negative_start"}),
    (QVH, highlight(relevant_windows=[[1e308, -1e308]]), {"inverted"}),
    (QVH, highlight(relevant_windows=[[1, 2]] * 100_000), {"absurd"}),
    (QVH, highlight(relevant_clip_ids=[10**400, 37]), {"bad_saliency"}),
    (QVH, highlight(saliency_scores=[[NAN, 1, 1], [1, 1, 1]]), {"bad_saliency"}),
    (QVH, highlight(vid="a_nan_inf"), set()),
    (QVH, highlight(vid="a_0_90"), {"duration_mismatch"}),
    (QVH, highlight(query="q" * 10**6), {"absurd"}),
    (QVH, highlight().replace(b'"r"', b'"caf\xe9"'), {"not_utf8"}),
    ("nextgqa", CSV.encode() + b"12,90\n", {"unreadable_line"}),
    ("nextgqa", CSV.encode() + b"1,2,3,4,q\x00,a,2,t,a,b,c,d,e\n", set()),
    ("nextgqa", CSV.encode() + b"1,2,3,4,caf\xe9,a,2,t,a,b,c,d,e\n", {"not_utf8"}),
    ("nextgqa", CSV.encode() + b"../x,2,3,4,q,a,2,t,a,b,c,d,e\n", {"unsafe_video"}),
    ("nextgqa", CSV.encode() + b"1,2,3,4,,a,2,t,a,b,c,d,\n", {"empty_query", "empty_option"}),
    ("tacos", lines(TACOS, TACOS | {"vid": 3}), {"unreadable_entry"}),
    ("tacos in frames", document({"a": FRAMES, "b": FRAMES | {"fps": 0}}), {"unreadable_entry"}),
    ("tacos in frames", document({"a": FRAMES, "b": FRAMES | {"fps": 1e-320}}), {"not_finite"}),
    (LLAVA, lines({"id": 1, "video": "a" * 300, "conversations": TURNS}, OWN), None),
    (LLAVA, document([{"video": "v", "conversations": TURNS * 2}]), {"duplicate"}),
    ("moments", own(video=["v"]), {"unreadable_entry"}),
    ("moments", own(query=None), {"unreadable_entry"}),
    ("moments", own(id=""), {"unreadable_entry"}),
    ("moments", own(options=None), {"unreadable_entry"}),
    ("moments", own(answer=3), {"unreadable_entry"}),
    ("moments", own(windows=[[1, "2"]]), {"unreadable_entry"}),
    ("moments", own(**{"\ud800\n": 1}), {"unknown_key"}),
    ("moments", own(id="\ud800"), {"not_utf8"}),
    ("moments", own(saliency=[[0, [9]], 3, [1]]), {"bad_saliency"}),
    ("moments", own(windows=[[7, 8]]).replace(b"[7, 8]", DIGITS), {"unreadable_entry"}),
]


@pytest.mark.parametrize(("dataset", "data", "kinds"), FINDINGS)
def test_a_broken_entry_is_a_finding(tmp_path, dataset, data, kinds):
    got = outcome(tmp_path, dataset, VALID[dataset][0], data)
    if kinds is None:
        assert "record can be read" in got
    else:
        assert got - {"missing_duration", "duplicate"} == kinds - {"missing_duration", "duplicate"}
        assert kinds <= got


EMPTY = [(dataset, data) for dataset in VALID for data in (b"", b"\n\n", b"\xef\xbb\xbf", b"null")]
UTF16 = [(dataset, data.decode().encode("utf-16")) for dataset, (_, data) in VALID.items()]
LISTS = [(dataset, b"[[], 3]") for dataset in VALID]
NESTED = [(dataset, DEEP) for dataset in VALID]


@pytest.mark.parametrize(("dataset", "data"), EMPTY + UTF16 + LISTS + NESTED)
def test_a_file_without_a_record_is_one_line_of_bad_input(tmp_path, dataset, data):
    assert isinstance(outcome(tmp_path, dataset, VALID[dataset][0], data), str)


@pytest.mark.parametrize(
    ("dataset", "data", "message"),
    [
        (ANET, b'{"v_x":\n {"duration": 1,\n', "t.json, line 3: not valid JSON"),
        (ANET, b'{"v_x": {}\n}}', "t.json, line 2: not valid JSON (Extra data)"),
        (ANET, DEEP, "t.json: nested too deeply"),
        (ANET, b"3", "t.json: holds no list and no object"),
        (ANET, b"{}", "t.json, no activitynet_captions record can be read"),
        (ANET, b'{"a\\nb": 3}', "t.json, 'a\\nb': not an object: 3; no activitynet_captions"),
        (QVH, b"{}\n", "t.jsonl, line 1: video is no text: null or missing; no qvhighlights"),
        (LLAVA, b'[\n{"id"', "t.json, line 2: not valid JSON"),
        ("tacos in frames", b'{"s.avi":\n', "t.json, line 2: not valid JSON"),
        ("nextgqa", CSV.encode().replace(b",qid", b",id"), "t.csv, line 1: no column `qid`"),
        ("nextgqa", CSV.encode()[:95], "t.csv, line 2: not CSV (unexpected end of data)"),
        ("nextgqa", CSV.encode() + b'"' + b"x" * 140_000, "t.csv, line 3: not CSV (field larger"),
    ],
)
def test_a_broken_document_names_file_and_line(tmp_path, dataset, data, message):
    got = outcome(tmp_path, dataset, VALID[dataset][0], data)
    assert isinstance(got, str)
    assert got.removeprefix(f"{tmp_path}/in/").startswith(message)
