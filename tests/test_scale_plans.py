"""Scales other than toy: what each would run."""

import json
import re
import shutil

import pytest
import yaml
from dag import copy_project, planned, snakemake
from scales import write_settings
from test_scales import NAMES, SCALES, SCHEMA

from groundvts.config import checked

RULES = {  # and how many jobs of each
    "paper": {"download": 22, "download_model": 2, "convert": 8, "conversations": 4, "frames": 16,
              "preflight": 1, "train_stage": 8, "merge": 4, "infer": 24, "constant": 4,
              "score": 28, "comparisons": 4, "protocols": 4, "page": 1,
              "notebook_training": 1, "notebook_results": 1},
    "paper-yaml": {"train_stage": 6, "merge": 2, "infer": 16, "score": 20, "preflight": 1},
    "released": {"download": 10, "download_model": 2, "import_released": 2, "convert": 7,
                 "frames": 8, "infer": 8, "score": 12, "reread": 8, "preflight": 1,
                 "notebook_results": 1, "page": 1},
}  # fmt: skip
NEVER = {
    "paper": {"toy_benchmark", "toy_base", "tokens", "features", "import_released", "reread"},
    "paper-yaml": {"toy_benchmark", "toy_base", "tokens", "features", "import_released"},
    "released": {"toy_benchmark", "toy_base", "tokens", "features", "train_stage", "merge",
                 "conversations", "notebook_training"},
}  # fmt: skip


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A copy of the project in which nothing has run."""
    return copy_project(tmp_path_factory.mktemp("scales"))


def file_of(name: str) -> tuple[str, str]:
    return "--configfile", f"workflow/scales/{name}.yaml"


def test_snakemake_holds_what_the_file_says(work):
    done = snakemake(work, *file_of("paper"), "--", "configuration")
    assert done.returncode == 0, done.stderr
    [file] = (work / "results" / "paper" / "configurations").iterdir()
    found = json.loads(file.read_text())
    shutil.rmtree(work / "results")
    assert found == checked(yaml.safe_load((SCALES / "paper.yaml").read_text()), SCHEMA)


@pytest.mark.parametrize("name", NAMES)
def test_it_plans_with_no_path_filled_in(name, work):
    plan = planned(work, *file_of(name))
    assert {rule: plan.get(rule) for rule in RULES[name]} == RULES[name]
    assert not NEVER[name] & set(plan)


@pytest.mark.parametrize(
    ("name", "waiting"),
    [("paper", {"frames", "train_stage"}), ("released", {"frames", "import_released"})],
)
def test_what_is_costly_waits_for_the_check(name, waiting, work):
    graph = snakemake(work, "--rulegraph", "dot", *file_of(name)).stdout
    rules = dict(re.findall(r'(\d+)\[label = "(\w+)"', graph))
    edges = re.findall(r"(\d+) -> (\d+)", graph)
    after = {rules[to] for start, to in edges if rules[start] == "preflight"}
    assert after == waiting


def test_what_the_user_names_is_not_downloaded(work, tmp_path):
    for name in ("test.csv", "gsub.json"):
        (tmp_path / name).touch()
    (tmp_path / "model").mkdir()
    mine = write_settings(tmp_path / "mine.yaml", {
        "benchmarks": {"nextgqa": {"annotations": str(tmp_path / "test.csv"),
                                   "spans": str(tmp_path / "gsub.json")}},
        "backbones": {"qwen": {"checkpoint": str(tmp_path / "model")}},
    })  # fmt: skip
    plan = planned(work, *file_of("paper"), str(mine))
    assert (plan["download"], plan["download_model"]) == (20, 1)


def test_cards_are_of_trained_runs_that_are_asked(work, tmp_path):
    assert "card" not in planned(work, *file_of("released"), "--", "cards")
    few = dict.fromkeys(("activitynet_captions", "qvhighlights", "nextgqa"))
    few["charades_sta"] = ["constant", "vts-0.5"]
    mine = write_settings(tmp_path / "mine.yaml", {"evaluate": few})
    plan = planned(work, *file_of("paper"), str(mine), "--", "cards")
    assert (plan["card"], plan["merge"], plan["score"]) == (1, 1, 1)


def test_the_check_is_a_target_of_its_own(work):
    plan = planned(work, *file_of("paper"), "--", "preflight")
    assert set(plan) == {"download", "convert", "configuration", "preflight"}
