"""The whole DAG at its smallest: what it made, and what it refuses."""

import json

import pytest
import yaml
from browser import CHROMIUM, check_pages
from dag import changed, configured, record, snakemake
from huggingface_hub import ModelCard

ASKED = ("constant", "base-s0", "vts-0.25-s0")


@pytest.fixture(scope="module")
def config(work):
    return yaml.safe_load((work / "config.yaml").read_text())


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


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
def test_all_pages_pass_in_a_browser(work):
    assert check_pages(work / "results" / "toy", "report.html") == []


def test_the_report_of_the_same_call_knows_its_jobs(work):
    log = (work / "results" / "toy" / "logs" / "report.log").read_text()
    assert "Missing metadata" not in log
    for shown in ("Adding results.html", "Adding main.csv", "Adding miou.png", "Adding mine.json"):
        assert shown in log
    assert 'href="report.html"' in (work / "results" / "toy" / "index.html").read_text()


def test_a_card_tells_the_run_and_its_scores(work, config):
    results = work / "results" / "toy"
    unscored = (results / "merged" / "vts-0.25-s0" / "README.md").read_text()
    assert "Not scored" in unscored
    card = ModelCard.load(results / "cards" / "vts-0.25-s0.md")
    assert {r.dataset_type for r in card.data.eval_results} == {*config["evaluate"]}
    assert card.data.license == "apache-2.0"
    for stage in ("warmup", "joint", "grounding"):
        assert f"| {stage} |" in card.text


def test_every_benchmark_is_converted_and_audited(work, config):
    results = work / "results" / "toy"
    for name, one in config["benchmarks"].items():
        for split in one.get("splits", ["test"]) if one.get("main", True) else ():
            content = record(results / "data" / name / split / "validation.json")
            assert content["counts"]["records"] > 0, name
    assert "broken0000" in (results / "notebooks" / "data.html").read_text()
    export = record(results / "data" / "llamafactory" / "dataset_info.json")
    trained = {f"{name}_train" for stage in config["stages"].values() for name in stage["data"]}
    assert set(export) == trained


def test_a_clip_is_decoded_once_for_all_benchmarks(work, config):
    results = work / "results"
    indices = [
        record(results / "toy" / "frames" / place / "index.json")["videos"]["test0000"]
        for place in ("charades_sta/test", "activitynet_captions/test", "qvhighlights/val")
    ]
    assert len({entry["key"] for entry in indices}) == 1
    stored = list((results / "cache" / "frames").rglob("*.npy"))
    readable = sum(config["toy"]["clips"].values()) + 3
    assert len(stored) == readable


def test_ones_own_benchmark_is_scored(work):
    results = work / "results" / "toy"
    for run in ASKED:
        made = record(results / "scores" / run / "mine.json")
        assert made["counts"]["asked"] == 5
        assert made["dataset"] == "mine"
    failures = record(results / "scores" / "base-s0" / "mine.json")["failures"]
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
    with configured(work, change):
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
    out = work / "results" / "toy" / "predictions" / "base-s0" / "mine.jsonl"
    plan = changed(work, lambda c: c["inference"].update(shards=3))
    assert (plan["infer_shard"], plan["gather"]) == (18, 6)
    assert not {"infer", "train_stage", "merge"} & set(plan)
    whole = [json.loads(line) for line in out.read_text().splitlines()]
    with configured(work, lambda c: c["inference"].update(shards=2)):
        done = snakemake(work, "--", str(out.relative_to(work)))
    assert done.returncode == 0, done.stderr[-3000:]
    assert [json.loads(line) for line in out.read_text().splitlines()] == whole
    made = record(out.with_suffix(".record.json"))
    assert made["speed"]["taken_over"] == made["speed"]["queries"] > 0
    assert len(made["shards"]) == 2
    assert not (out.parent / "mine.shards" / "1-of-2.jsonl").exists()


def test_portable_numerics_reach_the_rules(work):
    out = "results/toy/predictions/constant/mine.jsonl"
    done = snakemake(work, "--force", "--config", "numerics=portable", "--", out)
    assert done.returncode == 0, done.stderr[-3000:]
    made = record(work / out.replace(".jsonl", ".record.json"))
    assert made["hardware"]["numerics"] == "portable"
    others = record(work / "results/toy/predictions/base-s0/mine.record.json")
    assert others["hardware"]["numerics"] == "fast"
