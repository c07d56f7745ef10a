"""The verbs that answer and gather: whole, in parts, and killed at any moment."""

import json
import random
import subprocess
import time
from pathlib import Path

import pytest
from caches import SAMPLING, build, six_clips
from dag import command
from test_journal import without_seconds
from tiny import write_base

from groundvts import records
from groundvts.cli import main
from groundvts.data.moment import Moment, read_moments, write_moments
from groundvts.data.store import Store
from groundvts.models import load

QUERIES = ("red", "blue square", "circle red", "square")
SETTINGS = {"protocol": "fixed", "seed": 0, "prompts_file": None, "prompts_set": "toy",
            "batch_size": 2, "max_new_tokens": {"grounding": 24}}  # fmt: skip
BATCHES = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A model, frames of six clips, and four queries of each, and of one that is not there."""
    folder = tmp_path_factory.mktemp("infer")
    write_base(folder / "base")
    store, missing = Store(folder / "cache"), {"gone": "gone.mp4: no such file"}
    build(six_clips(folder / "videos"), folder / "frames", store, SAMPLING, missing=missing)
    asked = [
        Moment(f"{video}{n}", "mine", "test", video, None, query, ())
        for n, query in enumerate(QUERIES)
        for video in (*"abcde", "slow", "gone")
    ]
    write_moments(folder / "moments.jsonl", asked)
    return folder


def words(made: Path, out: Path, *more: str, **settings) -> list[str]:
    """The command that answers into `out`."""
    files = [f"--model={made}/base", f"--moments={made}/moments.jsonl", f"--source={made}/frames"]
    how = f"--settings={json.dumps(SETTINGS | settings)}"
    return ["infer", "--run=tiny", *files, how, f"--out={out}", *more]


def lines(out: Path) -> list[dict]:
    return [without_seconds(json.loads(line)) for line in out.read_text().splitlines()]


def record(out: Path) -> dict:
    return json.loads(out.with_suffix(".record.json").read_text())


@pytest.fixture(scope="module")
def whole(made) -> list[dict]:
    """What an undivided, uninterrupted run says."""
    out = made / "whole" / "mine.jsonl"
    main(words(made, out))
    speed = record(out)["speed"]
    assert (speed["queries"], speed["taken_over"]) == (24, 0)
    assert speed["queries_per_second"] > 0
    assert record(out)["counts"]["asked"] == 28
    return lines(out)


def parts(made: Path, folder: Path, count: int, **settings) -> list[str]:
    """Answers of each shard, below `folder`."""
    found = [folder / "mine.shards" / f"{n + 1}-of-{count}.jsonl" for n in range(count)]
    for part in found:
        shared = (f"--shard={part.stem}", f"--journal={folder}/mine.answered")
        main(words(made, part, *shared, **settings))
    return list(map(str, found))


def gather(made: Path, out: Path, found: list[str]) -> None:
    main(["gather", f"--moments={made}/moments.jsonl", f"--out={out}", "--parts", *found])


def test_gathered_shards_are_the_undivided_predictions(made, whole, tmp_path):
    out = tmp_path / "mine.jsonl"
    gather(made, out, parts(made, tmp_path, 3))
    assert lines(out) == whole
    ours, theirs = record(out), record(made / "whole" / "mine.jsonl")
    for key in ("verb", "run", "settings", "inputs", "counts", "kinds", "prompts", "fingerprint"):
        assert ours[key] == theirs[key], key
    assert ours["speed"]["queries"] == 24
    assert sum(shard["counts"]["asked"] for shard in ours["shards"]) == 28
    assert ours["seconds"] == sum(shard["seconds"] for shard in ours["shards"])
    stages = [shard["speed"]["stage_seconds"]["generate"] for shard in ours["shards"]]
    assert ours["speed"]["stage_seconds"]["generate"] == sum(stages)


def test_more_shards_than_videos_are_gathered(made, whole, tmp_path):
    out = tmp_path / "mine.jsonl"
    gather(made, out, parts(made, tmp_path, 8))
    assert lines(out) == whole
    assert (tmp_path / "mine.shards" / "8-of-8.jsonl").read_text() == ""


def test_another_number_of_shards_takes_over_what_is_answered(made, whole, tmp_path):
    out = tmp_path / "mine.jsonl"
    parts(made, tmp_path, 2)
    main(words(made, out))
    assert lines(out) == whole
    assert record(out)["speed"]["taken_over"] == 24
    main(words(made, out, seed=1))  # other settings
    assert record(out)["speed"]["taken_over"] == 0
    [kept] = (tmp_path / "mine.answered").iterdir()
    assert kept.name == f"{record(out)['fingerprint']}.1-of-1.jsonl"


@pytest.mark.parametrize("changed", ["libraries", "precision"])
def test_answers_of_other_libraries_or_precision_are_not_taken_over(
    made, tmp_path, monkeypatch, changed
):
    out = tmp_path / "mine.jsonl"
    main(words(made, out))
    if changed == "libraries":
        monkeypatch.setattr(records, "_versions", lambda: {"torch": "0.1"})
    else:
        true = load.load_model
        monkeypatch.setattr(load, "load_model", lambda name, vts: true(name, vts, "bfloat16"))
    main(words(made, out))
    assert record(out)["speed"]["taken_over"] == 0


def test_a_part_that_lacks_or_repeats_is_refused(made, tmp_path, capsys):
    found = parts(made, tmp_path, 2)
    other = parts(made, tmp_path / "other", 2, seed=1)
    out = tmp_path / "mine.jsonl"
    wrong = {
        "are in none, first": found[:1],
        "stands in two of": [*found, found[0]],
        "made with other settings": [found[0], other[1]],
        "no such record": [found[0], str(tmp_path / "none.jsonl")],
    }
    for said, given in wrong.items():
        with pytest.raises(SystemExit, match="2"):
            gather(made, out, given)
        [line] = capsys.readouterr().err.splitlines()[-1:]
        assert said in line
        assert not out.exists()


def kill_at_random(made: Path, out: Path, kills: int, seed: int) -> int:
    """Starts inference again and again and kills it after a random number of batches.

    Returns how often it was killed in the middle.
    """
    generator, killed = random.Random(seed), 0
    arguments, environment = command("groundvts", *words(made, out))
    environment["OMP_NUM_THREADS"] = "1"
    for _ in range(kills):
        answered, more = batches(out), generator.randint(0, 3)
        with subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL) as run:
            while run.poll() is None and batches(out) < answered + more:
                time.sleep(0.001)
            time.sleep(generator.random() * 0.02)
            run.kill()
        assert not out.exists() or batches(out) == BATCHES
        killed += not out.exists()
    return killed


def batches(out: Path) -> int:
    """Whole lines in the journal."""
    files = out.with_suffix(".answered").glob("*.jsonl")
    return sum(path.read_bytes().count(b"\n") for path in files)


def asked_once(made: Path, out: Path) -> None:
    """Every query that can be asked is answered in one batch of the journal."""
    [file] = out.with_suffix(".answered").iterdir()
    entries = map(json.loads, file.read_text().splitlines())
    ids = sorted(line["id"] for entry in entries for line in entry["lines"])
    readable = [m.id for m in read_moments(made / "moments.jsonl") if m.video != "gone"]
    assert ids == sorted(readable)


@pytest.mark.parametrize(("kills", "seed"), [(2, 0), pytest.param(10, 1, marks=pytest.mark.slow)])
def test_killed_inference_repeats_and_drops_nothing(made, whole, tmp_path, kills, seed):
    out = tmp_path / "mine.jsonl"
    assert kill_at_random(made, out, kills, seed) > 0
    answered = batches(out)
    main(words(made, out))
    assert lines(out) == whole
    assert record(out)["speed"]["taken_over"] == 2 * answered
    asked_once(made, out)
