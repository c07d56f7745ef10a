"""The whole DAG at its smallest: it runs, it is then up to date, and reruns only what depends."""

import json
from pathlib import Path

import pytest
from dag import copy_project, planned, snakemake, tiny_config, write_config


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A copy of the project in which the tiny DAG has run."""
    folder = copy_project(tmp_path_factory.mktemp("dag"))
    write_config(folder, tiny_config())
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


def record(path: Path) -> dict:
    return json.loads(path.read_text())


def test_every_step_left_its_record(work):
    results = work / "results" / "toy"
    for stage in ("warmup", "joint", "grounding"):
        made = record(results / "stages" / "vts-0.25-s0" / stage / "record.json")
        assert made["steps"] == 3
        assert made["loss"]
        assert made["trainable"]["total"] == sum(made["trainable"]["groups"].values())
    merged = record(results / "merged" / "vts-0.25-s0" / "record.json")["check"]
    assert merged["adapter_difference"] <= 1e-4 < merged["base_difference"]
    for run in ("constant", "base", "vts-0.25-s0", "random-0.25-s0"):
        counts = record(results / "scores" / run / "charades_sta.json")["counts"]
        assert counts["asked"] == 12
        assert counts["asked"] == counts["scored"] + counts["failed"]
    assert (results / "index.html").read_text().startswith("<!DOCTYPE html>")


def test_nothing_is_done_twice(work):
    assert planned(work) == {}


def test_a_changed_ratio_reruns_that_variant_alone(work):
    config = tiny_config()
    config["variants"]["vts-0.25"]["ratio"] = 0.3
    write_config(work, config)
    plan = planned(work)
    write_config(work, tiny_config())
    assert plan["train_stage"] == 3
    assert plan["merge"] == plan["infer"] == plan["score"] == plan["tokens"] == 1
    assert not {"toy_benchmark", "frames", "toy_base", "features", "convert"} & set(plan)


def test_changed_inference_settings_train_nothing(work):
    config = tiny_config()
    config["inference"]["max_new_tokens"] = 12
    write_config(work, config)
    plan = planned(work)
    write_config(work, tiny_config())
    assert plan["infer"] == 3
    assert "train_stage" not in plan


def test_an_edited_notebook_reruns_that_notebook(work):
    notebook = work / "notebooks" / "training.ipynb"
    notebook.write_text(notebook.read_text().replace("# Training curves", "# Curves"))
    assert {name: n for name, n in planned(work).items() if name != "all"} == {
        "notebook": 1,
        "page": 1,
    }


def test_an_edited_library_trains_nothing(work):
    with open(work / "src" / "groundvts" / "models" / "vts.py", "a") as file:
        file.write("# a comment\n")
    assert not {"train_stage", "toy_base", "merge", "infer"} & set(planned(work))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("stages.joint.steps", lambda c: c["stages"]["joint"].update(steps="many")),
        ("variants.vts-0.25.ratio", lambda c: c["variants"]["vts-0.25"].update(ratio=1.5)),
        ("'sampelr' was unexpected", lambda c: c["variants"]["vts-0.25"].update(sampelr="vts")),
    ],
)
def test_a_wrong_config_gives_one_line_that_names_the_key(work, key, change):
    config = tiny_config()
    change(config)
    write_config(work, config)
    failed = snakemake(work, "-n")
    write_config(work, tiny_config())
    assert failed.returncode == 1
    lines = [line for line in failed.stderr.splitlines() if "specific profile" not in line]
    assert len(lines) == 1
    assert key in lines[0]


def test_another_scale_is_refused_in_one_line(work):
    failed = snakemake(work, "-n", "--config", "scale=paper", "base=somewhere")
    assert failed.returncode == 1
    assert "scale" in failed.stderr.splitlines()[-1]
