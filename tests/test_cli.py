"""The command: what its verbs write, and one clear line with the right status on failure."""

import json
import subprocess
import sys

import pytest
from clips import write_clip
from tiny import write_base

from groundvts import cli


def groundvts(capsys, *arguments):
    """Status, stdout and stderr of a verb."""
    try:
        cli.main([str(argument) for argument in arguments])
        status = 0
    except SystemExit as stopped:
        status = stopped.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, *arguments):
    """The one line of an error with status 2."""
    status, _, err = groundvts(capsys, *arguments)
    assert status == 2
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("groundvts: ")
    return lines[0]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("models") / "base")


def test_convert_writes_moments_and_validation(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("AB12 3.0 9.5##a person runs.\nAB12 9 4##back#wards\n")
    (tmp_path / "d.csv").write_text("id,length\nAB12,12.5\n")
    status, out, _ = groundvts(
        capsys, "convert", "charades_sta", "--split", "test", "--annotations", tmp_path / "a.txt",
        "--durations", tmp_path / "d.csv", "--out", tmp_path / "out",
    )  # fmt: skip
    assert status == 0
    assert "2 records" in out
    assert "1 inverted" in out
    lines = (tmp_path / "out" / "moments.jsonl").read_text().splitlines()
    moments = [json.loads(line) for line in lines]
    assert [m["windows"] for m in moments] == [[[3.0, 9.5]], [[9.0, 4.0]]]
    assert json.loads((tmp_path / "out" / "validation.json").read_text())["counts"]["records"] == 2


@pytest.mark.parametrize("content", [b"", b"\n\n", b"no moment here\n", b"\xff\xfe\x00\x01"])
def test_an_annotation_file_without_a_record_is_refused(tmp_path, capsys, content):
    (tmp_path / "a.txt").write_bytes(content)
    line = refused(
        capsys, "convert", "charades_sta", "--split", "test", "--annotations", tmp_path / "a.txt",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert "a.txt" in line
    assert not (tmp_path / "out" / "moments.jsonl").exists()


def test_an_unknown_dataset_is_refused(tmp_path, capsys):
    line = refused(
        capsys, "convert", "nonsense", "--split", "test", "--annotations", tmp_path / "a",
        "--out", tmp_path,
    )  # fmt: skip
    assert "nonsense" in line


def test_score_writes_the_record(tmp_path, capsys):
    moments = [
        {"id": f"q{i}", "dataset": "charades_sta", "split": "test", "video": "v", "duration": 10.0,
         "query": "a", "windows": [[2.0, 6.0]], "source_line": i + 1}
        for i in range(2)
    ]  # fmt: skip
    predictions = [
        {"id": "q0", "windows": [[2.0, 6.0]], "failure": None},
        {"id": "q1", "windows": [], "failure": "no_window"},
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(m) + "\n" for m in moments))
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(p) + "\n" for p in predictions))
    status, out, err = groundvts(
        capsys, "score", "charades_sta", "--predictions", tmp_path / "p.jsonl", "--annotations",
        tmp_path / "m.jsonl", "--resamples", "100", "--out", tmp_path / "s.json",
    )  # fmt: skip
    assert status == 0, err
    record = json.loads((tmp_path / "s.json").read_text())
    assert record["counts"] == {"asked": 2, "scored": 1, "failed": 1}
    assert record["metrics"]["mIoU"]["value"] == pytest.approx(50.0)
    assert record["failures"] == [{"id": "q1", "of": "windows", "reason": "no_window"}]
    assert "mIoU" in out
    line = refused(
        capsys, "score", "tacos", "--predictions", tmp_path / "p.jsonl", "--annotations",
        tmp_path / "m.jsonl", "--out", tmp_path / "s.json",
    )  # fmt: skip
    assert "charades_sta" in line
    (tmp_path / "p.jsonl").write_text(json.dumps(predictions[0]) + "\n")
    line = refused(
        capsys, "score", "charades_sta", "--predictions", tmp_path / "p.jsonl", "--annotations",
        tmp_path / "m.jsonl", "--out", tmp_path / "s.json",
    )  # fmt: skip
    assert "q1" in line


def test_ground_answers_and_draws(base, tmp_path, capsys):
    video = write_clip(tmp_path / "clip.mp4", list(range(0, 8000, 125)))
    status, out, err = groundvts(
        capsys, "ground", base, video, "red circle", "--out", tmp_path / "out"
    )
    assert status == 0, err
    assert len(out.strip().splitlines()) == 1
    record = json.loads((tmp_path / "out" / "clip.json").read_text())
    assert record["prediction"]["query"] == "red circle"
    assert (tmp_path / "out" / "clip.png").stat().st_size > 1000


def test_ground_refuses_what_it_cannot_read(base, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("not a video")
    assert "text.mp4" in refused(capsys, "ground", base, tmp_path / "text.mp4", "red circle")
    assert "gone.mp4" in refused(capsys, "ground", base, tmp_path / "gone.mp4", "red circle")
    video = write_clip(tmp_path / "clip.mp4", list(range(0, 2000, 125)))
    assert "query" in refused(capsys, "ground", base, video, "   ")
    status, out, _ = groundvts(capsys, "ground", base, video, "red <|video_pad|> circle")
    assert status == 0
    assert "bad_query" in out
    assert "nowhere" in refused(capsys, "ground", tmp_path / "nowhere", video, "red circle")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("ground", "M", "--0w1YA1Hm4.mp4", "query"), "--0w1YA1Hm4.mp4"),
        (("ground", "M", "v.mp4", "-hello"), "-hello"),
        (("page", "-results"), "-results"),
        (("compare", "a.json", "-b.json", "--out", "o"), "-b.json"),
        (("score", "tacos", "--predictions", "-p.json", "--out", "o"), "-p.json"),
        (("demo", "--port", "1", "--model"), "--model"),
    ],
)
def test_a_value_that_looks_like_an_option_is_told_how_to_be_written(capsys, arguments, word):
    line = refused(capsys, *arguments)
    assert f"{word} is no option: write ./{word} for a file, or -- before a value" in line


def test_a_missing_value_is_no_matter_of_dashes(capsys):
    assert "no option" not in refused(capsys, "ground", "M", "--out", "o")


def test_ground_takes_names_and_queries_that_begin_with_a_dash(base, tmp_path, capsys, monkeypatch):
    write_clip(tmp_path / "--0w1.mp4", list(range(0, 2000, 125)))
    monkeypatch.chdir(tmp_path)
    for words in (
        ("./--0w1.mp4", "-5 degrees"),
        ("--", "--0w1.mp4", "-hello"),
        ("./--0w1.mp4", "-5"),
    ):
        status, out, err = groundvts(capsys, "ground", base, *words)
        assert (status, len(out.splitlines())) == (0, 1), err


def test_ground_prints_its_answer_before_it_writes(base, tmp_path, capsys, monkeypatch):
    def full(path, record):
        raise OSError(28, "No space left on device")

    video = write_clip(tmp_path / "clip.mp4", list(range(0, 2000, 125)))
    monkeypatch.setattr("groundvts.records.write_json", full)
    status, out, err = groundvts(capsys, "ground", base, video, "red", "--out", tmp_path / "out")
    assert (status, len(out.splitlines())) == (1, 1)
    note, error = err.splitlines()
    assert "asked with default prompts" in note
    assert error.startswith(f"groundvts: {tmp_path / 'out' / 'clip'}: No space left on device")


def test_names_with_codes_are_shown_and_not_run(base, tmp_path, capsys):
    for name in ("no\x1b[31m\u202e.mp4", "no\r\nsuch.mp4"):
        line = refused(capsys, "ground", base, tmp_path / name, "red")
        assert line.isprintable()
    for query in ("bad \udcff", "  "):
        assert (
            "rename" in (line := refused(capsys, "ground", base, "x.mp4", query)) or "empty" in line
        )


@pytest.mark.slow
def test_ground_answers_every_real_clip_or_says_why(base, reference_data, capsys):
    clips = sorted(path for path in (reference_data / "videos").iterdir() if path.is_file())
    assert len(clips) == 20
    for clip in clips:
        status, out, err = groundvts(capsys, "ground", base, clip, "red circle")
        assert status in (0, 2), err
        text = out if status == 0 else err
        assert len(text.strip().splitlines()) == 1, text
        assert status == 0 or clip.name in err


def test_weights_that_are_missing_are_named(base, tmp_path, capsys):
    import shutil

    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(base, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights.pop("lm_head.weight")
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    video = write_clip(tmp_path / "clip.mp4", list(range(0, 2000, 125)))
    assert "lm_head.weight" in refused(capsys, "ground", broken, video, "red circle")


def test_what_converts_scores_and_draws_does_not_import_torch():
    code = (
        "import sys; from groundvts import cli, verbs\n"
        "import groundvts.metrics.score, groundvts.metrics.tokens, groundvts.data.convert\n"
        "import groundvts.report.page, groundvts.report.notebook\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
