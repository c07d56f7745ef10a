"""Broken files beside the annotation, outputs that cannot be written, and any damage at all."""

import tempfile
from pathlib import Path

import pytest
from annotations import GSUB, VALID, outcome
from hypothesis import example, given, settings
from hypothesis import strategies as st

from groundvts.data.convert import convert
from groundvts.errors import BadInput

DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("spans", "kinds"),
    [
        (b'{"12": 3}', "spans: no video's segments can be read"),
        (b'{"12": {"location": []}, "13": {"location": {}}}', {"unreadable_entry", "no_windows"}),
        (b'{"12": {"location": {"1": null}, "duration": 9}}', {"no_windows"}),
        (b'{"12": {"location": {"1": []}, "duration": 9}}', set()),
        (b'{"12": {"location": {"1": [[1, 2]], "1": [[3, 4]]}, "duration": 9}}', {"duplicate_key"}),
        (b'{"12": {"location": {"2": [[1, 2]]}}}', {"unknown_question", "no_windows"}),
        (b'{"12": {"location": {"1": [[1, "2"]]}}}', "windows are no list"),
        (b'{"12": {"location": {"1": [[1, NaN]]}}}', "times are not finite"),
        (b"[]", "spans: holds no object by video"),
        (b'{"12":\n{', "spans, line 2: not valid JSON"),
        (b"", "spans, line 1: not valid JSON"),
        (DEEP, "spans: nested too deeply"),
    ],
)
def test_broken_spans(tmp_path, spans, kinds):
    got = outcome(tmp_path, "nextgqa", *VALID["nextgqa"], spans=spans)
    if isinstance(kinds, str):
        assert kinds in got
    else:
        assert got - {"missing_duration"} == kinds


@pytest.mark.parametrize(
    ("durations", "kinds"),
    [
        (b'{"v": NaN, "w": null, "x": "9", "y": true, "z": 1}', {"unreadable_duration"}),
        (b'{"v": NaN, "w": null}', "durations: no duration can be read"),
        (b'{"v": 3, "v": 4}', {"unreadable_duration", "duplicate_key"}),
        (b"id,length\nv,nan\nw\n\nz,1\n", {"unreadable_duration"}),
        (b"id,length\nv,3\xff\nz,1\n", {"unreadable_duration"}),
        (b"[]", "durations: holds no object by video"),
        (b"{", "durations, line 1: not valid JSON"),
        (b'id,length\n"v', "durations, line 2: not CSV"),
        (b"", "durations, line 1: no columns `id` and `length`"),
        (b"\xff\xfei\x00d\x00", "durations, line 1: no columns"),
    ],
)
def test_broken_durations(tmp_path, durations, kinds):
    got = outcome(tmp_path, "moments", *VALID["moments"], durations=durations)
    if isinstance(kinds, str):
        assert kinds in got
    else:
        assert got - {"duplicate"} == kinds


def test_an_output_that_cannot_be_written_is_bad_input(tmp_path):
    name, data = VALID["moments"]
    (tmp_path / name).write_bytes(data)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match="file: cannot be written"):
        convert("moments", "val", tmp_path / name, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(BadInput, match="not a regular file"):
        convert("moments", "val", tmp_path, tmp_path / "out")


INSERTED = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [
            b"NaN",
            b"-1",
            b"null",
            b"[",
            b"{}",
            b'"',
            b",",
            b"\n",
            b"##",
            b"../",
            b"1e999",
            b"\\ud800",
        ]
    ),
)
EDITS = st.lists(st.tuples(st.integers(0, 999), st.integers(0, 30), INSERTED), max_size=4)


@pytest.mark.parametrize("dataset", VALID)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(edits=EDITS, cut=st.integers(0, 1000))
@example(edits=[], cut=1000)
def test_any_damage_ends_in_bad_input_or_findings(dataset, edits, cut):
    """Bytes are replaced at thousandths of the file's length, then the file is cut there."""
    name, data = VALID[dataset]
    for place, removed, inserted in edits:
        start = len(data) * place // 1000
        data = data[:start] + inserted + data[start + removed :]
    data = data[: len(data) * cut // 1000]
    spans = {"spans": GSUB} if dataset == "nextgqa" else {}
    with tempfile.TemporaryDirectory() as root:
        outcome(Path(root), dataset, name, data, **spans)
