"""One variable shares data and trained stages between working directories."""

import os
import re
from pathlib import Path

import pytest
from dag import copy_project, snakemake, tiny_config, write_config

VARIABLE = "SNAKEMAKE_OUTPUT_CACHE"
STAGE = "results/toy/stages/vts-0.25-s0/warmup"
TARGETS = ("--", STAGE, "results/toy/data/nextgqa/test/moments.jsonl")


def project(folder: Path, monkeypatch, comment: str = "") -> Path:
    """A copy of the project that runs its own library."""
    folder.mkdir()
    config = tiny_config()
    config["ablations"], config["reducers"] = {}, {}
    write_config(copy_project(folder), config)
    (folder / "src" / "groundvts" / "data" / "moment.py").open("a").write(comment)
    monkeypatch.setenv("PYTHONPATH", str(folder / "src"))
    return folder


def dry_run(folder: Path) -> str:
    """What a dry run prints."""
    plan = snakemake(folder, "-n", *TARGETS)
    assert plan.returncode == 0, plan.stderr
    return plan.stdout + plan.stderr


def shared(plan: str) -> dict[str, int]:
    """How many jobs a dry run expects from the cache, and how many it would add to it."""
    found = re.findall(r"will be (obtained from|written to) global between-workflow cache", plan)
    return {word: found.count(word) for word in sorted(set(found))}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.slow
def test_a_second_working_directory_takes_data_and_a_stage_from_the_cache(
    tmp_path, monkeypatch, cache
):
    first = project(tmp_path / "first", monkeypatch)
    made = snakemake(first, *TARGETS)
    assert made.returncode == 0, made.stderr[-3000:]
    assert list((cache / "frames").rglob("*.npy"))
    assert not (first / "results" / "cache").exists()
    second = project(tmp_path / "second", monkeypatch)
    assert shared(dry_run(second)) == {"obtained from": 8}  # of 6 splits, a base and a stage
    taken = snakemake(second, *TARGETS)
    assert taken.returncode == 0, taken.stderr[-3000:]
    logs = second / "results" / "toy" / "logs"
    said = {str(path.relative_to(logs)) for path in logs.rglob("*.log") if path.stat().st_size}
    assert "frames/llava_video_train.log" in said
    assert not [name for name in said if name.startswith(("convert/", "train/", "toy_base"))]
    name = "adapter_model.safetensors"
    assert (second / STAGE / name).read_bytes() == (first / STAGE / name).read_bytes()
    for folder in (first, second):
        monkeypatch.setenv("PYTHONPATH", str(folder / "src"))
        assert "Nothing to be done" in dry_run(folder)
    changed = project(tmp_path / "changed", monkeypatch, "# a comment\n")
    assert shared(dry_run(changed)) == {"written to": 8}
    with (first / "src" / "groundvts" / "data" / "moment.py").open("a") as file:
        file.write("# a comment\n")
    monkeypatch.setenv("PYTHONPATH", str(first / "src"))
    assert "Nothing to be done" in dry_run(first)
    monkeypatch.delenv(VARIABLE)
    assert "Nothing to be done" in dry_run(first)


def test_without_the_variable_nothing_is_shared(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    plan = dry_run(project(tmp_path / "work", monkeypatch))
    assert "train_stage" in plan
    assert "between-workflow" not in plan


def test_a_relative_folder_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "cache")
    failed = snakemake(project(tmp_path / "work", monkeypatch), "-n", *TARGETS)
    assert failed.returncode == 1
    assert "absolute path" in failed.stderr.splitlines()[-1]


def test_what_a_folder_of_ones_own_videos_holds_is_part_of_the_key(tmp_path, monkeypatch, cache):
    """Another video under the same name is another key, though no rule has it as input."""
    keys = []
    work = project(tmp_path / "work", monkeypatch)
    (work / "my").mkdir()
    line = '{"video": "clip", "duration": 9.0, "query": "red", "windows": [[1, 4]]}\n'
    (work / "my" / "moments.jsonl").write_text(line)
    config = tiny_config()
    own = {"format": "moments", "videos": "my", "annotations": "my/moments.jsonl"}
    config["benchmarks"]["mine"] = own
    write_config(work, config)
    target = "results/toy/data/mine/test/moments.jsonl"
    for content in (b"one", b"another"):
        (work / "my" / "clip.mp4").write_bytes(content)
        done = snakemake(work, "--forcerun", "convert", "--", target)
        assert done.returncode == 0, done.stderr[-2000:]
        keys.append(os.readlink(work / target))
    assert keys[0] != keys[1]
