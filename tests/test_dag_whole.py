"""Every target of the DAG at its smallest, with both backbones."""

import json
import math

import pytest
from browser import CHROMIUM, check_pages
from dag import VARIANTS, planned, record, run_tiny, snakemake, tiny_config

CONFIG = tiny_config(*VARIANTS)
TARGETS = ("all", "data", "ablations", "efficiency", "cards")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return run_tiny(tmp_path_factory.mktemp("whole"), CONFIG, *TARGETS)


def test_nothing_is_done_twice(work):
    assert planned(work, "--", *TARGETS) == {}


def test_both_backbones_are_trained_and_scored(work):
    results = work / "results" / "toy"
    for run in ("base-s0", "base-internvl-s0", "vts-0.25-s0", "internvl-vts-0.25-s0"):
        counts = record(results / "scores" / run / "charades_sta.json")["counts"]
        assert counts["asked"] == counts["scored"] + counts["failed"] == 15
    for run in ("vts-0.25-s0", "internvl-vts-0.25-s0"):
        merged = record(results / "merged" / run / "record.json")["check"]
        assert merged["adapter_difference"] <= 1e-4 < merged["base_difference"]
        assert (results / "cards" / f"{run}.md").is_file()


def test_the_benchmark_of_the_cache_left_its_record(work):
    made = record(work / "results" / "toy" / "benchmarks" / "frame_cache.json")
    assert made["counts"] == {"videos": sum(CONFIG["toy"]["clips"].values()), "failed": 1}
    assert made["ratio"]["low"] <= made["ratio"]["median"] <= made["ratio"]["high"]


def test_an_ablation_is_compared_and_linked_from_the_page(work):
    results = work / "results" / "toy"
    compared = record(results / "ablations" / "backbones" / "comparisons.json")
    assert list(compared["variants"]) == ["vts-0.25", "internvl-vts-0.25"]
    assert "Backbones" in (results / "notebooks" / "ablations.html").read_text()
    assert "notebooks/ablations.html" in (results / "index.html").read_text()


def test_an_ablation_trains_no_stage_twice_and_asks_models_in_another_way(work):
    results = work / "results" / "toy"
    trained = {
        str(path.parent.relative_to(results)) for path in results.glob("stages/*/*/record.json")
    }
    assert {name for name in trained if "skips" in name} == {"stages/skips-s0/grounding"}
    previous = record(results / "stages" / "skips-s0" / "grounding" / "record.json")["inputs"]
    assert previous["previous"]["path"].endswith("stages/vts-0.25-s0/warmup")
    assert not any("asked" in name or "untrained" in name for name in trained)
    assert record(results / "merged" / "untrained-s0" / "record.json")["check"]["modules"] == {}
    counts = {}
    for run in ("vts-0.25-s0", "asked-s0"):
        text = (results / "predictions" / run / "charades_sta.jsonl").read_text()
        lines = [json.loads(line) for line in text.splitlines()]
        counts[run] = {one["id"]: (len(one["kept"]), one["grid"]) for one in lines if "grid" in one}
    assert counts["asked-s0"].keys() == counts["vts-0.25-s0"].keys() != set()
    for query, (few, [steps, *cell]) in counts["vts-0.25-s0"].items():
        many, [halved, *same] = counts["asked-s0"][query]
        assert (halved, same) == (steps // 2, cell)  # half as many frames a second
        assert few == math.ceil(0.25 * steps * math.prod(cell))
        assert many == math.ceil(0.5 * halved * math.prod(cell))
    compared = record(results / "ablations" / "ways" / "comparisons.json")["variants"]
    assert list(compared) == ["vts-0.25", "base", "untrained", "asked", "skips"]


def test_what_is_timed_left_its_records_and_a_notebook(work):
    results = work / "results" / "toy"
    for name in ("prefill-qwen", "prefill-internvl"):
        modes = {mode["name"] for mode in record(results / "benchmarks" / f"{name}.json")["modes"]}
        assert {"full", "masked 0.5", "dropped 0.25"} <= modes
    for run in ("vts-0.25-s0", "internvl-vts-0.25-s0"):
        assert record(results / "benchmarks" / f"stages-{run}.json")["modes"]
    assert "notebooks/efficiency.html" in (results / "index.html").read_text()


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
def test_the_report_has_what_further_targets_made(work):
    done = snakemake(work, "--", "report")
    assert done.returncode == 0, done.stderr[-3000:]
    log = (work / "results" / "toy" / "logs" / "report.log").read_text()
    for notebook in ("ablations", "efficiency"):
        assert f"Adding {notebook}.html" in log
    assert check_pages(work / "results" / "toy", "report.html") == []
