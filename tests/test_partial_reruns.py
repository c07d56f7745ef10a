"""After one edit Snakemake plans what depends on it, rule by rule, and nothing else."""

import csv
import os

import pytest
from dag import changed, configured, edited, jobs, planned, snakemake

from groundvts.report.output import MARK

MAIN = "results/toy/tables/main"
MADE = "results/toy/benchmark/annotations"
SRC = "src/groundvts"
REPORT = "data training results benchmarks protocols tokens"  # notebooks of the main job


def report(notebooks: str, **rules: int) -> dict[str, int]:
    """A plan: jobs by rule, notebooks, and what shows them."""
    return {**rules, **{f"notebook_{name}": 1 for name in notebooks.split()}, "page": 1, "all": 1}


def function(text: str) -> str:
    """Code that does something else."""
    return f"{text}\nCHANGED = True\n"


def comment(text: str) -> str:
    return f"{text}# a comment\n"


def test_nothing_is_done_twice(work):
    began = os.times()
    done = snakemake(work, "--", "all", "data", "cards")
    ended = os.times()
    assert jobs(done) == {}
    used = sum(ended[2:4]) - sum(began[2:4])  # of children: seconds of a core, whatever else runs
    assert used < 15


ASKED_ANEW = {"comparisons": 4, "protocols": 4, "tokens": 1}  # four benchmarks


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            lambda c: c["variants"]["vts-0.25"].update(ratio=0.3),
            report(REPORT, list_runs=1, train_stage=3, merge=1, infer=4, score=4, **ASKED_ANEW),
            id="a variant's ratio",
        ),
        pytest.param(
            lambda c: c["score"].update(resamples=200),
            report("training results benchmarks tokens", score=8, comparisons=4, tokens=1),
            id="score.resamples",
        ),
        pytest.param(
            lambda c: c["inference"].update(batch_size=3),
            report(REPORT.removeprefix("data "), infer=6, score=6, **ASKED_ANEW),
            id="inference.batch_size",
        ),
    ],
)
def test_a_changed_setting(work, change, expected):
    assert changed(work, change) == expected


def test_without_the_feature_cache_models_read_frames(work):
    plan = changed(work, lambda c: c.update(features=False))
    assert "features" not in plan
    assert plan["train_stage"] == 3


def test_one_ablation_asks_for_its_own_runs_alone(work):
    def add(config: dict) -> None:
        other = {"label": "Other", "like": "vts-0.25", "ratio": 0.5, "main": False}
        config["variants"]["other"] = other
        both = {"title": "Ratios", "variants": ["vts-0.25", "other"]}
        config["ablations"]["ratios"] = both
        config["most_seeds"] = 1

    plan = changed(work, add, "results/toy/ablations/ratios/comparisons.json")
    asked = {"merge": 1, "infer": 1, "score": 1, "list_ablation": 1, "ablation": 1}
    assert plan == {"train_stage": 3, **asked}


READ = {"convert": 1, "frames": 1, "features": 1, "overlap": 1}  # one split of one benchmark


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        (
            "notebooks/training.ipynb",
            lambda text: text.replace("# Training curves", "# Curves"),
            report("training"),
        ),
        ("workflow/published/token_density.csv", lambda text: text + "\n", report("results")),
        (
            "my/moments.jsonl",  # of a benchmark that has a test split alone
            lambda text: text + "\n",
            report(
                "data results benchmarks protocols",
                **READ, constant=1, infer=2, score=3, comparisons=1, protocols=1,
            ),
        ),
        (
            f"{MADE}/activitynet_captions/train.json",  # which the last stage trains on
            lambda text: text + "\n",
            report(
                REPORT,
                **READ, conversations=1, train_stage=1, merge=1, infer=4, score=4, **ASKED_ANEW,
            ),
        ),
        (
            f"{MADE}/nextgqa/gsub_test.json",
            lambda text: text + "\n",
            report(
                "data results benchmarks protocols",
                **READ, infer=1, score=1, comparisons=1, protocols=1,
            ),
        ),
    ],
)  # fmt: skip
def test_an_edited_file(work, file, change, expected):
    with edited(work / file, change):
        assert planned(work) == expected


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (
            "metrics/moments",
            report(
                "results benchmarks protocols tokens",
                constant=2, score=8, comparisons=4, protocols=4,
            ),
        ),
        ("metrics/conventions", report("protocols", protocols=4)),
        ("report/output", report(REPORT)),
        (
            "data/nextgqa",
            report(
                "data results benchmarks protocols",
                **READ, infer=1, score=1, comparisons=1, protocols=1,
            ),
        ),
    ],
)  # fmt: skip
def test_an_edited_module_of_a_cheap_rule(work, module, expected):
    with edited(work / SRC / f"{module}.py", function):
        assert planned(work) == expected


def test_what_neither_trains_nor_makes_anything_anew(work):
    """All at once: where the cache lies, the launcher, models and data modules with a comment."""

    def change(config: dict) -> None:
        config["cache"] = {"limit_gb": 50, "timeout": 90}
        config["launcher"] = {"engine": "deepspeed", "processes": 2, "zero": 2,
                              "gradient_checkpointing": True}  # fmt: skip

    with (
        configured(work, change),
        edited(work / SRC / "models" / "vts.py", function),
        edited(work / SRC / "inference" / "predict.py", function),
        edited(work / SRC / "data" / "entry.py", comment),
        edited(work / SRC / "answers.py", comment),
        edited(work / SRC / "prompts.yaml", comment),
    ):
        assert planned(work) == {}


def test_a_deleted_table_is_one_notebook_and_older_source_trains_nothing_but_is_marked(
    work, monkeypatch
):
    """The page is older than the notebook then, so this test is the last."""
    monkeypatch.setenv("PYTHONPATH", str(work / "src"))  # the edited source is what runs
    with edited(work / SRC / "training" / "trainer.py", function):
        assert planned(work) == {}
        (work / f"{MAIN}.csv").unlink()
        done = snakemake(work, "--", f"{MAIN}.csv")
    assert done.returncode == 0, done.stderr[-3000:]
    assert jobs(done) == {"notebook_results": 1}
    with open(work / f"{MAIN}.csv", encoding="utf-8") as file:
        older = {row["variant"]: row["older"] for row in csv.DictReader(file)}
    assert older["vts-0.25"].startswith("train, merge")
    assert older["trivial"] == ""
    lines = (work / f"{MAIN}.md").read_text().splitlines()
    [row] = [line for line in lines if "GroundVTS" in line and line.startswith("|")]
    assert f"GroundVTS {MARK} |" in row
    assert f"{MARK}: partly made by other source" in lines[-1]
