"""The whole DAG at its smallest: it runs, it is then up to date, and reruns only what depends."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("Snakefile", "config.yaml", "workflow", "notebooks", "profiles", "envs", "src")


def tiny_config() -> dict:
    """The toy configuration with every number cut down; two variants."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for stage in config["stages"].values():
        stage.update(steps=3, batch_size=4)
    kept = ("vts-0.25", "random-0.25")
    config["variants"] = {name: {**config["variants"][name], "seeds": [0]} for name in kept}
    config["score"] = {"resamples": 100}
    config["toy"] = {
        "side": 56,
        "clips": {"pretrain": 10, "train": 10, "val": 3, "test": 4},
        "base": {"steps": 3, "batch": 4, "align_steps": 10, "align_batch": 2},
    }
    return config


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A copy of the project in which the tiny DAG has run."""
    folder = tmp_path_factory.mktemp("dag")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy2(ROOT / name, folder / name)
    write_config(folder, tiny_config())
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


def write_config(folder: Path, config: dict) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    command = [str(bin_folder / "snakemake"), "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def planned(folder: Path) -> dict[str, int]:
    """Rules that Snakemake would run now, with their number of jobs."""
    plan = snakemake(folder, "-n", "--quiet", "host")
    assert plan.returncode == 0, plan.stderr
    text = plan.stdout + plan.stderr
    if "Nothing to be done" in text:
        return {}
    table = text.split("Job stats:")[1].split("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


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
    assert (results / "index.html").read_text().startswith("<!doctype html>")


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
    (work / "notebooks" / "training.ipynb").touch()
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
