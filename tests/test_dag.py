"""The whole DAG at its smallest: it runs, it is then up to date, and reruns only what depends."""

import copy
import json
import os
from pathlib import Path

import pytest
from browser import CHROMIUM, check_pages
from dag import planned, record, run_tiny, snakemake, tiny_config, write_config
from huggingface_hub import ModelCard

CONFIG = tiny_config()
ASKED = ("constant", "base", "vts-0.25-s0")


@pytest.fixture(autouse=True)
def restored(work):
    """Every test leaves the configuration as the fixture wrote it."""
    yield
    write_config(work, CONFIG)


def changed(work: Path, change, *targets: str) -> dict[str, int]:
    """What Snakemake would run with a changed configuration."""
    config = copy.deepcopy(CONFIG)
    change(config)
    write_config(work, config)
    return planned(work, *targets)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return run_tiny(tmp_path_factory.mktemp("dag"), CONFIG, "all", "data", "cards", "report")


def test_every_step_left_its_record(work):
    results = work / "results" / "toy"
    for stage in ("warmup", "joint", "grounding"):
        made = record(results / "stages" / "vts-0.25-s0" / stage / "record.json")
        assert made["steps"] == 3
        assert made["loss"]
        assert made["trainable"]["total"] == sum(made["trainable"]["groups"].values())
    merged = record(results / "merged" / "vts-0.25-s0" / "record.json")["check"]
    assert merged["adapter_difference"] <= 1e-4 < merged["base_difference"]
    for run in ASKED:
        counts = record(results / "scores" / run / "charades_sta.json")["counts"]
        assert counts["asked"] == 15  # three of them about the clip that is broken on purpose
        assert counts["asked"] == counts["scored"] + counts["failed"]
        assert counts["failed"] >= (0 if run == "constant" else 3)
    assert (results / "index.html").read_text().startswith("<!DOCTYPE html>")


def test_nothing_is_done_twice(work):
    assert planned(work) == {}


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
def test_all_pages_pass_in_a_browser(work):
    assert check_pages(work / "results" / "toy", "report.html") == []


def test_the_report_of_the_same_call_knows_its_jobs(work):
    log = (work / "results" / "toy" / "logs" / "report.log").read_text()
    assert "Missing metadata" not in log
    for shown in ("Adding results.html", "Adding main.csv", "Adding miou.png", "Adding mine.json"):
        assert shown in log
    assert 'href="report.html"' in (work / "results" / "toy" / "index.html").read_text()


def test_a_run_with_nothing_to_do_is_short(work):
    began = os.times()
    done = snakemake(work, "--", "all", "data", "cards")
    ended = os.times()
    assert "Nothing to be done" in done.stdout + done.stderr
    used = sum(ended[2:4]) - sum(began[2:4])  # of children: seconds of a core, whatever else runs
    assert used < 15


def test_a_card_tells_the_run_and_its_scores(work):
    results = work / "results" / "toy"
    unscored = (results / "merged" / "vts-0.25-s0" / "README.md").read_text()
    assert "Not scored" in unscored
    card = ModelCard.load(results / "cards" / "vts-0.25-s0.md")
    assert {r.dataset_type for r in card.data.eval_results} == {*CONFIG["evaluate"]}
    assert card.data.license == "apache-2.0"
    for stage in ("warmup", "joint", "grounding"):
        assert f"| {stage} |" in card.text


def test_every_benchmark_is_converted_and_audited(work):
    results = work / "results" / "toy"
    for name, one in CONFIG["benchmarks"].items():
        for split in one.get("splits", ["test"]):
            content = record(results / "data" / name / split / "validation.json")
            assert content["counts"]["records"] > 0, name
    assert "broken0000" in (results / "notebooks" / "data.html").read_text()
    export = record(results / "data" / "llamafactory" / "dataset_info.json")
    trained = {f"{name}_train" for stage in CONFIG["stages"].values() for name in stage["data"]}
    assert set(export) == trained


def test_a_clip_is_decoded_once_for_all_benchmarks(work):
    results = work / "results"
    indices = [
        record(results / "toy" / "frames" / place / "index.json")["videos"]["test0000"]
        for place in ("charades_sta/test", "activitynet_captions/test", "qvhighlights/val")
    ]
    assert len({entry["key"] for entry in indices}) == 1
    stored = list((results / "cache" / "frames").rglob("*.npy"))
    readable = sum(CONFIG["toy"]["clips"].values()) + 3
    assert len(stored) == readable


def test_one_ablation_asks_for_its_own_runs_alone(work):
    def add(config: dict) -> None:
        other = {"label": "Other", "like": "vts-0.25", "ratio": 0.5, "main": False}
        config["variants"]["other"] = other
        both = {"title": "Ratios", "variants": ["vts-0.25", "other"]}
        config["ablations"]["ratios"] = both

    plan = changed(work, add, "results/toy/ablations/ratios/comparisons.json")
    assert plan["train_stage"] == 3
    assert plan["ablation"] == plan["score"] == plan["infer"] == 1


def test_ones_own_benchmark_is_scored(work):
    results = work / "results" / "toy"
    for run in ASKED:
        made = record(results / "scores" / run / "mine.json")
        assert made["counts"]["asked"] == 5
        assert made["dataset"] == "mine"
    failures = record(results / "scores" / "base" / "mine.json")["failures"]
    assert "unread_video" in {failure["reason"] for failure in failures}
    found = record(results / "data" / "mine" / "test" / "validation.json")["findings"]
    assert [f["id"] for f in found if f["kind"] == "unknown_video"] == ["clip3"]
    assert ">mine</h2>" in (results / "index.html").read_text()


def test_every_kind_of_pass_is_asked_and_scored(work):
    results = work / "results" / "toy"
    asked = record(results / "predictions" / "vts-0.25-s0" / "qvhighlights.record.json")
    assert asked["kinds"] == ["grounding", "highlights"]
    scored = record(results / "scores" / "vts-0.25-s0" / "qvhighlights.json")
    assert {"MR-mAP", "HD-mAP-VeryGood"} <= set(scored["metrics"])
    scored = record(results / "scores" / "vts-0.25-s0" / "nextgqa.json")
    assert {"Acc@QA", "Acc@GQA", "IoP@0.5"} <= set(scored["metrics"])
    for counts in (scored["counts"], asked["counts"]):
        assert counts["asked"] == counts["scored"] + counts["failed"] > 0
    for name in ("charades_sta", "qvhighlights", "nextgqa"):
        assert record(results / "protocols" / "vts-0.25-s0" / f"{name}.json")["effects"]


def test_a_changed_ratio_reruns_that_variant_alone(work):
    plan = changed(work, lambda c: c["variants"]["vts-0.25"].update(ratio=0.3))
    assert plan["train_stage"] == 3
    assert plan["merge"] == plan["tokens"] == 1
    assert plan["infer"] == plan["score"] == plan["comparisons"] == 4  # benchmarks
    assert not {"toy_benchmark", "frames", "toy_base", "features", "convert"} & set(plan)


def test_changed_inference_settings_train_nothing(work):
    plan = changed(work, lambda c: c["inference"].update(batch_size=3))
    assert plan["infer"] == 6
    assert "train_stage" not in plan


def test_without_the_feature_cache_models_read_frames(work):
    plan = changed(work, lambda c: c.update(features=False))
    assert "features" not in plan
    assert plan["train_stage"] == 3


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("my/moments.jsonl", {"convert": 1, "frames": 1, "infer": 2, "score": 3}),
        (
            "results/toy/benchmark/annotations/activitynet_captions/train.json",
            {"convert": 1, "conversations": 1, "frames": 1, "features": 1, "train_stage": 1},
        ),
        (
            "results/toy/benchmark/annotations/nextgqa/gsub_test.json",
            {"convert": 1, "frames": 1, "overlap": 1, "infer": 1, "score": 1},
        ),
    ],
)
def test_an_edited_annotation_reruns_what_depends_on_it(work, file, expected):
    before = (work / file).read_bytes()
    os.utime(work / file)
    (work / file).write_bytes(before + b"\n")
    try:
        plan = planned(work)
    finally:
        (work / file).write_bytes(before)
    assert {rule: plan.get(rule) for rule in expected} == expected
    assert not {"toy_benchmark", "toy_base"} & set(plan)
    if "train_stage" not in expected:
        assert "train_stage" not in plan


def test_an_edited_notebook_reruns_that_notebook(work):
    notebook = work / "notebooks" / "training.ipynb"
    notebook.write_text(notebook.read_text().replace("# Training curves", "# Curves"))
    assert {name: n for name, n in planned(work).items() if name != "all"} == {
        "notebook_training": 1,
        "page": 1,
    }


def test_another_launcher_trains_nothing_anew(work):
    before = planned(work)
    launcher = {"engine": "deepspeed", "processes": 2, "zero": 2, "gradient_checkpointing": True}

    def change(config):
        config["launcher"] = launcher

    assert changed(work, change) == before


def test_an_edited_library_trains_nothing(work):
    with open(work / "src" / "groundvts" / "models" / "vts.py", "a") as file:
        file.write("# a comment\n")
    assert not {"train_stage", "toy_base", "merge", "infer"} & set(planned(work))


def test_a_comment_in_what_makes_data_makes_nothing_again(work):
    before = planned(work)
    assert not {"convert", "conversations", "train_stage"} & set(before)
    for file in ("data/entry.py", "answers.py", "prompts.yaml"):
        with open(work / "src" / "groundvts" / file, "a") as opened:
            opened.write("# a comment\n")
    assert planned(work) == before


def test_a_changed_reader_converts_its_benchmark_again(work):
    reader = work / "src" / "groundvts" / "data" / "nextgqa.py"
    before = reader.read_text()
    reader.write_text(before + "\nCHANGED = True\n")
    try:
        assert planned(work)["convert"] == 1
    finally:
        reader.write_text(before)


def test_where_the_cache_lies_reruns_nothing(work):
    before = planned(work)
    assert changed(work, lambda c: c.update(cache={"limit_gb": 50, "timeout": 90})) == before


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("stages.joint.steps", lambda c: c["stages"]["joint"].update(steps="many")),
        ("variants.vts-0.25.ratio", lambda c: c["variants"]["vts-0.25"].update(ratio=1.5)),
        ("stages.joint.data", lambda c: c["stages"]["joint"].update(data=["nothing"])),
        ("policy: 'lost'", lambda c: c.update(policy={"train": {"lost": "drop"}})),
        ("probe", lambda c: c.update(probe="charades_sta/nowhere")),
        ("'sampelr' was unexpected", lambda c: c["variants"]["vts-0.25"].update(sampelr="vts")),
    ],
)
def test_a_wrong_config_gives_one_line_that_names_the_key(work, key, change):
    config = copy.deepcopy(CONFIG)
    change(config)
    write_config(work, config)
    failed = snakemake(work, "-n")
    assert failed.returncode == 1
    lines = [line for line in failed.stderr.splitlines() if "specific profile" not in line]
    assert len(lines) == 1
    assert key in lines[0]


def test_another_scale_is_refused_in_one_line(work):
    failed = snakemake(work, "-n", "--config", "scale=paper", "base=somewhere")
    assert failed.returncode == 1
    assert "scale" in failed.stderr.splitlines()[-1]


def test_another_number_of_shards_asks_nothing_again(work):
    """Last, since gathered predictions are newer than their scores."""
    out = work / "results" / "toy" / "predictions" / "base" / "mine.jsonl"
    plan = changed(work, lambda c: c["inference"].update(shards=3))
    assert (plan["infer_shard"], plan["gather"]) == (18, 6)
    assert not {"infer", "train_stage", "merge"} & set(plan)
    whole = [json.loads(line) for line in out.read_text().splitlines()]
    config = copy.deepcopy(CONFIG)
    config["inference"]["shards"] = 2
    write_config(work, config)
    done = snakemake(work, "--", str(out.relative_to(work)))
    assert done.returncode == 0, done.stderr[-3000:]
    assert [json.loads(line) for line in out.read_text().splitlines()] == whole
    made = record(out.with_suffix(".record.json"))
    assert made["speed"]["taken_over"] == made["speed"]["queries"] > 0
    assert len(made["shards"]) == 2
    assert not (out.parent / "mine.shards" / "1-of-2.jsonl").exists()
