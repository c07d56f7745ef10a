"""Scales other than toy really run: tiny checkpoints, videos and annotations of one's own."""

import pytest
from dag import copy_project, planned, snakemake
from scales import make_sources, read, write_settings

pytestmark = pytest.mark.slow
OTHERS = ("activitynet_captions", "qvhighlights", "nextgqa", "llava_video")


def prepared(folder, **changes) -> tuple:
    """A copy of the project, and a file of settings that names tiny sources."""
    work = copy_project(folder)
    sources = make_sources(work / "own")
    benchmarks = {name: sources["benchmarks"][name] for name in changes.pop("benchmarks")}
    left_out = dict.fromkeys(OTHERS) if len(benchmarks) == 1 else {"llava_video": None}
    changes["benchmarks"] = left_out | benchmarks
    changes.setdefault("evaluate", {name: None for name in OTHERS[:3] if name not in benchmarks})
    mine = write_settings(work / "mine.yaml", {**sources, **changes})
    return work, mine


def released(folder, benchmarks) -> tuple:
    copies = {
        name: {"released": {"checkpoint": str(folder / "own" / "published")}}
        for name in ("vts-0.5", "internvl-vts-0.5")
    }
    probe = "charades_sta/test"
    work, mine = prepared(folder, variants=copies, benchmarks=benchmarks, probe=probe)
    return work, ("--configfile", "workflow/scales/released.yaml", mine.name)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A copy of the project in which the published checkpoints have been asked about Charades."""
    work, given = released(tmp_path_factory.mktemp("released"), ["charades_sta"])
    wanted = [
        f"results/released/{scores}/{run}-s0/charades_sta.json"
        for scores in ("scores", "scores_official")
        for run in ("vts-0.5", "internvl-vts-0.5")
    ]
    done = snakemake(work, *given, "--", *wanted)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return work, given, wanted


def test_published_checkpoints_are_imported_asked_and_scored(imported):
    work, _, wanted = imported
    results = work / "results" / "released"
    assert read(results / "preflight.json")["wrong"] == []
    for run, kind in (("vts-0.5-s0", "qwen2_5_vl"), ("internvl-vts-0.5-s0", "internvl")):
        made = results / "merged" / run
        assert read(made / "config.json")["model_type"] == f"groundvts_{kind}"
        assert read(made / "import.json")["counts"]["renamed"] > 0
        asked = read(results / "predictions" / run / "charades_sta.record.json")["counts"]
        assert asked["asked"] == asked["scored"] + asked["failed"] > 0
    assert [read(work / file)["protocol"] for file in wanted] == ["fixed"] * 2 + ["official"] * 2
    assert not (results / "stages").exists()


def test_what_was_checked_again_runs_nothing_again(imported):
    work, given, wanted = imported
    assert planned(work, *given, "--", *wanted) == {}
    more = write_settings(work / "more.yaml", {"preflight": {"sample": 2}})
    plan = planned(work, *given, more.name, "--", *wanted)
    assert plan == {"configuration": 1, "preflight": 1}


def test_what_is_wrong_stops_before_anything_costly(imported):
    work, given, wanted = imported
    mine = {"benchmarks": {"charades_sta": {"videos": "nowhere"}}, "scale": "elsewhere"}
    more = write_settings(work / "more.yaml", mine)
    other = [file.replace("released", "elsewhere", 1) for file in wanted]
    failed = snakemake(work, *given, more.name, "--", *other)
    assert failed.returncode == 1
    text = failed.stdout + failed.stderr
    assert "wrong: benchmarks.charades_sta.videos: nowhere: no such folder" in text
    assert not (work / "results" / "elsewhere" / "frames").exists()
    assert not (work / "results" / "elsewhere" / "merged").exists()


def test_the_whole_of_released(tmp_path):
    names = ["charades_sta", "activitynet_captions", "qvhighlights", "nextgqa"]
    work, given = released(tmp_path, names)
    done = snakemake(work, *given)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert (work / "results" / "released" / "index.html").is_file()
    assert planned(work, *given) == {}


def test_the_whole_of_paper_with_training(tmp_path, monkeypatch):
    """With checkpoints in folders of one's own, and what can be shared in a cache."""
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "shared"))
    names = ["charades_sta", "activitynet_captions", "qvhighlights", "nextgqa", "llava_video"]
    stages = {name: {"steps": 2} for name in ("warmup", "joint", "grounding")}
    few = {"nextgqa": None, "activitynet_captions": None}
    two = {"processes": 2}  # of eight
    work, mine = prepared(tmp_path, benchmarks=names, stages=stages, evaluate=few, launcher=two)
    given = ("--configfile", "workflow/scales/paper.yaml", mine.name)
    done = snakemake(work, *given)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    results = work / "results" / "paper"
    assert (results / "index.html").is_file()
    stages_of = {folder.name: sorted(p.name for p in folder.iterdir())
                 for folder in (results / "stages").iterdir()}  # fmt: skip
    every = ["grounding", "joint", "warmup"]
    assert stages_of == {"full-s0": ["grounding"], "internvl-full-s0": ["grounding"],
                         "vts-0.5-s0": every, "internvl-vts-0.5-s0": every}  # fmt: skip
    trained = read(results / "stages" / "full-s0" / "grounding" / "record.json")["trainable"]
    assert set(trained["groups"]) == {"projector", "lora"}
    assert planned(work, *given) == {}
    stage = results / "stages" / "vts-0.5-s0" / "warmup"
    assert stage.resolve().is_relative_to(tmp_path / "shared")
