"""The data verbs at the command line: wrong options, settings and paths are one line each."""

import json

import pytest
from clips import write_clip
from test_cli import groundvts, refused

from groundvts import cli
from groundvts.verbs.settings import read_settings

SETTINGS = '{"seed": 0, "prompts_set": "toy", "prompts_file": null, "time_format": "{:.1f}"}'
OWN = '{"video": "v", "query": "q", "windows": [[1, 2]]}\n'


@pytest.fixture
def own(tmp_path):
    """A converted moments.jsonl of one's own."""
    (tmp_path / "mine.jsonl").write_text(OWN)
    main = ["convert", "moments", "--split", "test", "--annotations", tmp_path / "mine.jsonl"]
    cli.main([*map(str, main), "--out", str(tmp_path / "out")])
    return tmp_path / "out" / "moments.jsonl"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("convert", "moments"), "--split"),
        (("conversations", "--kinds", "dance"), "dance"),
        (("frames", "--workers", "0"), "'0' is no number from 1 on"),
        (("convert", "moments", "--split", ""), "is empty"),
    ],
)
def test_wrong_options_are_one_line(capsys, arguments, named):
    assert named in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("{}", "lacks 'prompts_set'"),
        ("[1]", "not a mapping"),
        ("{bad", "the inline JSON cannot be read"),
        ("nowhere.yaml", "nowhere.yaml: No such file"),
    ],
)
def test_wrong_settings_are_one_line(own, tmp_path, capsys, settings, named):
    line = refused(capsys, "conversations", "--moments", own, "--kinds", "grounding",
                   "--settings", settings, "--out", tmp_path / "c.jsonl")  # fmt: skip
    assert named in line


def test_small_numbers_in_settings_stay_numbers():
    assert read_settings('{"rate": 1e-05}') == {"rate": 1e-05}


def test_no_verb_overwrites_its_input(own, tmp_path, capsys):
    again = ("convert", "moments", "--split", "test", "--annotations", own)
    assert "would be overwritten" in refused(capsys, *again, "--out", own.parent)
    talk = ("conversations", "--moments", own, "--kinds", "grounding", "--settings", SETTINGS)
    assert "would be overwritten" in refused(capsys, *talk, "--out", own)
    assert "would be overwritten" in refused(capsys, "overlap", "--moments", own, own, "--out", own)


def test_nothing_to_train_on_and_parts_of_one_name_are_refused(own, tmp_path, capsys):
    talk = ("conversations", "--moments", own, "--settings", SETTINGS, "--out", tmp_path / "c")
    assert "nothing to train on" in refused(capsys, *talk, "--kinds", "question")
    status, out, err = groundvts(capsys, *talk, "--kinds", "grounding")
    assert (status, err) == (0, "")
    assert "1 grounding conversations" in out
    part = f"a={tmp_path / 'c'}={tmp_path / 'videos'}"
    line = refused(capsys, "export", "--parts", part, part, "--out", tmp_path / "e")
    assert "'a' names two parts" in line


def test_frames_of_missing_videos_are_listed(own, tmp_path, capsys):
    write_clip(tmp_path / "w.mp4", list(range(0, 4000, 125)))
    rows = [json.loads(own.read_text()), json.loads(own.read_text()) | {"id": "w", "video": "w"}]
    own.write_text("".join(json.dumps(row) + "\n" for row in rows))
    status, out, err = groundvts(
        capsys, "frames", "--moments", own, "--videos", tmp_path, "--settings", '{"fps": 1}',
        "--cache", tmp_path / "cache", "--out", tmp_path / "frames",
    )  # fmt: skip
    assert status == 0, err
    assert "1 videos read, 1 failed" in out
    assert "v: " in out.splitlines()[-1]
    assert "no such video file" in out.splitlines()[-1]
