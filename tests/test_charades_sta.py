"""Charades-STA conversion, on hand-made faults and on the published files."""

import json

import pytest

from groundvts.data.convert import convert
from groundvts.data.moment import Moment, read_moments, write_moments
from groundvts.errors import BadInput

CSV = "id,subject,length\nAAAAA,x,10.0\nBBBBB,y,20.5\n"


@pytest.fixture
def converted(tmp_path):
    """Convert the given annotation bytes (and CSV text); return moments and findings by kind."""

    def run(text: bytes, lengths: str = CSV):
        (tmp_path / "sta.txt").write_bytes(text)
        (tmp_path / "lengths.csv").write_text(lengths)
        out = tmp_path / "out"
        content = convert(
            "charades_sta", "test", tmp_path / "sta.txt", out, durations=tmp_path / "lengths.csv"
        )
        assert json.loads((out / "validation.json").read_text()) == content
        assert sorted(file.name for file in out.iterdir()) == ["moments.jsonl", "validation.json"]
        findings = {}
        for finding in content["findings"]:
            findings.setdefault(finding["kind"], []).append(finding)
        counts = {kind: len(found) for kind, found in findings.items()}
        assert content["counts"]["findings"] == counts
        moments = read_moments(out / "moments.jsonl")
        assert content["counts"]["records"] == len(moments)
        return moments, findings

    return run


def test_a_clean_line_becomes_a_moment(converted):
    moments, findings = converted(b"AAAAA 0.5 7##person opens  the #1 door. \r\n\n")
    assert moments == [
        Moment(
            id="AAAAA-1",
            dataset="charades_sta",
            split="test",
            video="AAAAA",
            duration=10.0,
            query="person opens  the #1 door. ",
            windows=((0.5, 7.0),),
            source_line=1,
        )
    ]
    assert findings == {}


@pytest.mark.parametrize(
    ("line", "kind", "detail"),
    [
        (b"AAAAA 8.0 3.0##q", "inverted", "starts at 8 s, ends at 3 s"),
        (b"AAAAA 3.0 3.0##q", "empty", "starts and ends at 3 s"),
        (b"AAAAA 3.0 10.7##q", "overlong", "ends 0.7 s after the video of 10 s"),
        (b"AAAAA 3.0 10.004##q", "overlong", "ends 0.004 s after the video of 10 s"),
        (b"AAAAA -1.0 3.0##q", "negative_start", "starts at -1 s"),
        (b"ZZZZZ 1.0 3.0##q", "missing_duration", "no duration known for video ZZZZZ"),
        (b"AAAAA 1.0 3.0## ", "empty_query", "the query holds no word"),
        (b"BBBBB 0.0 5.0##first", "duplicate", "the same as line 1"),
        (b"AAAAA 1.0 3.0##caf\xe9", "not_utf8", "byte 19 of the line is not UTF-8"),
    ],
)
def test_a_faulty_record_is_kept_as_annotated_and_listed(converted, line, kind, detail, tmp_path):
    moments, findings = converted(b"BBBBB 0.0 5.0##first\n" + line + b"\n")
    assert len(moments) == 2
    assert list(findings) == [kind]
    (finding,) = findings[kind]
    assert finding["detail"] == detail
    assert finding["file"] == str(tmp_path / "sta.txt")
    assert (finding["line"], finding["id"]) == (2, moments[1].id)
    assert finding["action"].startswith("kept")
    times = line.split(b"##")[0].split()[1:]
    assert moments[1].windows == (tuple(map(float, times)),)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"AAAAA 1.0 3.0 no mark", "unreadable_line"),
        (b"AAAAA 1.0##q", "unreadable_line"),
        (b"AAAAA one two##q", "unreadable_line"),
        (b"AAAAA 1_0 2_0##q", "unreadable_line"),
        (b"AAAAA nan 3.0##q", "not_finite"),
        (b"AAAAA 1.0 inf##q", "not_finite"),
        (b"../../x 1.0 3.0##q", "unsafe_video"),
        (b"/etc/passwd 1.0 3.0##q", "unsafe_video"),
        (b"..\\x 1.0 3.0##q", "unsafe_video"),
        (b".. 1.0 3.0##q", "unsafe_video"),
    ],
)
def test_an_unreadable_line_costs_one_record(converted, line, kind):
    moments, findings = converted(b"AAAAA 0.0 5.0##a\n" + line + b"\nBBBBB 0.0 5.0##b\n")
    assert [moment.source_line for moment in moments] == [1, 3]
    assert list(findings) == [kind]
    assert findings[kind][0]["line"] == 2
    assert findings[kind][0]["action"] == "left out"


def test_a_byte_order_mark_is_no_part_of_the_first_id(converted):
    moments, findings = converted(b"\xef\xbb\xbfAAAAA 0.0 5.0##a\n", "\ufeff" + CSV)
    assert (moments[0].video, moments[0].duration) == ("AAAAA", 10.0)
    assert findings == {}


def test_bad_durations_are_findings(converted):
    lengths = "id,length\nAAAAA,nan\nBBBBB,20\nBBBBB,21\nCCCCC,-1\nDDDDD\n"
    moments, findings = converted(b"AAAAA 0.0 5.0##a\nBBBBB 0.0 5.0##b\n", lengths)
    assert [moment.duration for moment in moments] == [None, 20.0]
    assert [finding["line"] for finding in findings["unreadable_duration"]] == [2, 4, 5, 6]
    assert [finding["id"] for finding in findings["missing_duration"]] == ["AAAAA-1"]


@pytest.mark.parametrize("text", [b"", b"\n\n", b"no record here\n", "A 1 2##q".encode("utf-16")])
def test_a_file_without_a_record_is_bad_input(converted, text, tmp_path):
    with pytest.raises(BadInput, match=r"sta\.txt.*no charades_sta record can be read") as error:
        converted(text)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_other_bad_input(converted, tmp_path):
    with pytest.raises(BadInput, match=r"lengths\.csv, line 1: no columns `id` and `length`"):
        converted(b"AAAAA 0.0 5.0##a\n", "video,seconds\nAAAAA,3\n")
    with pytest.raises(BadInput, match=r"nowhere\.txt: No such file"):
        convert("charades_sta", "test", tmp_path / "nowhere.txt", tmp_path / "out")
    with pytest.raises(
        BadInput, match="charades: no such benchmark; choose one of activitynet_captions, "
    ):
        convert("charades", "test", tmp_path / "sta.txt", tmp_path / "out")


def test_without_durations_every_record_says_so(tmp_path):
    (tmp_path / "sta.txt").write_text("AAAAA 0.0 5.0##a\nBBBBB 0.0 5.0##b\n")
    content = convert("charades_sta", "test", tmp_path / "sta.txt", tmp_path / "out")
    assert content["counts"]["findings"] == {"missing_duration": 2}


@pytest.mark.parametrize(
    ("split", "records", "findings"),
    [
        ("train", 12_408, {"inverted": 4, "overlong": 1805}),
        ("test", 3_720, {"overlong": 562}),
    ],
)
def test_published_files(reference_data, tmp_path, split, records, findings):
    folder = reference_data / "annotations" / "charades_sta"
    annotations = folder / f"charades_sta_{split}.txt"
    lengths = folder / f"Charades_v1_{split}.csv"
    content = convert("charades_sta", split, annotations, tmp_path / "a", durations=lengths)
    assert content["counts"]["records"] == records
    assert content["counts"]["findings"] == findings
    assert content["counts"]["left_out"] == 0
    moments = read_moments(tmp_path / "a" / "moments.jsonl")
    lines = annotations.read_text().splitlines()
    assert [moment.query for moment in moments] == [line.split("##", 1)[1] for line in lines]
    if split == "train":
        inverted = [
            moment.source_line for moment in moments if moment.windows[0][0] > moment.windows[0][1]
        ]
        assert inverted == [8252, 8440, 9623, 9624]
    convert("charades_sta", split, annotations, tmp_path / "b", durations=lengths)
    for name in ("moments.jsonl", "validation.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def moment(**changes) -> dict:
    fields = {"id": "m", "dataset": "own", "split": "test", "video": "v", "duration": None}
    return fields | {"query": "q ü#", "windows": [[1, 2.5]], "source_line": 1} | changes


def test_moments_are_written_and_read_back_unchanged(tmp_path):
    path = tmp_path / "moments.jsonl"
    moments = [
        Moment("a", "own", "test", "v 1", 9.1, " q ü# ", ((1.0, 2.5), (7.1, 3.0)), 4),
        Moment("b", "own", "test", "v 1", None, "", (), 5),
    ]
    write_moments(path, moments)
    assert read_moments(path) == moments
    assert list(json.loads(path.read_text().splitlines()[0])) == list(Moment.__dataclass_fields__)
    assert [file.name for file in tmp_path.iterdir()] == ["moments.jsonl"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "moments.jsonl"
    good = Moment("a", "own", "test", "v", 9.1, "q", ((1.0, 2.5),), 1)
    write_moments(path, [good])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_moments(path, [good, Moment("b", "own", "test", "v", float("nan"), "q", (), 2)])
    assert read_moments(path) == [good]
    assert [file.name for file in tmp_path.iterdir()] == ["moments.jsonl"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "line 2: not a JSON object"),
        ("[1, 2]", "line 2: not a JSON object"),
        ("[" * 100_000, "line 2: not a JSON object"),
        (json.dumps({"id": "x"}), "line 2: the keys of a moment are id, dataset"),
        (json.dumps(moment(id="m")), "line 2: id 'm' stands in line 1 already"),
        (json.dumps(moment(id="n", video="../x")), "line 2: video '../x' is not a plain file"),
        (json.dumps(moment(id="n", windows=[[1, float("nan")]])), "line 2: windows has"),
        (json.dumps(moment(id="n", windows=[[1]])), "line 2: windows has"),
        (json.dumps(moment(id="n", windows=3)), "line 2: windows has"),
        (json.dumps(moment(id="n", duration="9")), "line 2: duration has"),
        (json.dumps(moment(id="n", query=None)), "line 2: query has"),
    ],
)
def test_a_wrong_moment_names_file_and_line(tmp_path, line, message):
    path = tmp_path / "moments.jsonl"
    path.write_text(json.dumps(moment()) + "\n" + line + "\n")
    with pytest.raises(BadInput) as error:
        read_moments(path)
    assert str(error.value).startswith(f"{path}, {message}")


def test_an_empty_moments_file_is_bad_input(tmp_path):
    (tmp_path / "moments.jsonl").write_text("\n")
    with pytest.raises(BadInput, match="holds no record"):
        read_moments(tmp_path / "moments.jsonl")
