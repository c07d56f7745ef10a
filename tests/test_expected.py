"""The time that a plan is expected to take, from what Snakemake noted of finished jobs."""

import json

import pytest

from groundvts.expected import expectation, job_kind, measured_seconds, save_seconds

TRAINED = "results/toy/logs/train/vts-0.25-s0_{}.log"


@pytest.fixture
def metadata(tmp_path):
    """Metadata of two stages (one of them with two outputs), a merge, and another scale's merge."""
    jobs = [
        ("a", "train_stage", TRAINED.format("grounding"), 100),
        ("b", "train_stage", TRAINED.format("grounding"), 100),
        ("c", "train_stage", TRAINED.format("grounding").replace("s0", "s1"), 50),
        ("d", "train_stage", TRAINED.format("warmup"), 20),
        ("sub/e", "merge", "results/toy/logs/merge/vts.log", 8),
        ("f", "merge", "results/paper/logs/merge/vts.log", 8000),
    ]
    for name, rule, log, seconds in jobs:
        file = tmp_path / "metadata" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        times = {"starttime": 1000.0, "endtime": 1000.0 + seconds}
        file.write_text(json.dumps({"rule": rule, "log": [log], "shellcmd": "x", **times}))
    local = {"rule": "list_runs", "log": ["results/toy/logs/list_runs.log"], "shellcmd": None}
    (tmp_path / "metadata" / "g").write_text(json.dumps({**local, "starttime": 0, "endtime": 9e9}))
    return tmp_path / "metadata"


def test_seconds_are_means_of_jobs_by_rule_and_stage(metadata):
    assert measured_seconds("toy", metadata) == {
        "merge": 8.0,
        "train_stage grounding": 75.0,
        "train_stage warmup": 20.0,
    }
    assert job_kind("train_stage", [TRAINED.format("joint")]) == "train_stage joint"
    assert job_kind("merge", ["results/toy/logs/merge/a_b.log"]) == "merge"


def test_a_plan_is_told_in_one_line(metadata, tmp_path):
    file = tmp_path / "seconds.json"
    save_seconds("toy", file, metadata)
    jobs = {"train_stage grounding": 10, "train_stage warmup": 5, "merge": 10, "list_runs": 1}
    told = expectation(jobs, "toy", 2, file)
    assert told.startswith("26 jobs, 15 of them stages of training: about 8 minutes on 2 cores")
    assert "\n" not in told


@pytest.mark.parametrize("jobs", [{}, {"merge": 10}, {"list_runs": 1000}])
def test_of_a_short_plan_nothing_is_said(metadata, tmp_path, jobs):
    save_seconds("toy", tmp_path / "seconds.json", metadata)
    assert expectation(jobs, "toy", 2, tmp_path / "seconds.json") is None


def test_of_what_was_never_measured_nothing_is_said(metadata, tmp_path):
    file = tmp_path / "seconds.json"
    assert expectation({"train_stage grounding": 100}, "toy", 2, file) is None
    save_seconds("toy", file, metadata)
    before = file.read_bytes()
    assert expectation({"train_stage grounding": 100}, "paper", 2, file) is None
    save_seconds("toy", file, tmp_path / "nowhere")
    assert file.read_bytes() == before


def test_what_was_not_measured_again_stays(metadata, tmp_path):
    file = tmp_path / "seconds.json"
    file.write_text(json.dumps({"scale": "toy", "seconds": {"merge": 1.0, "ablation": 3.0}}))
    save_seconds("toy", file, metadata)
    kept = json.loads(file.read_text())["seconds"]
    assert (kept["merge"], kept["ablation"]) == (8.0, 3.0)
