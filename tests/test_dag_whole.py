"""Every target of the DAG at its smallest, with both backbones."""

import pytest
from dag import VARIANTS, planned, record, run_tiny, tiny_config

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
    for run in ("base", "base-internvl", "vts-0.25-s0", "internvl-vts-0.25-s0"):
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


def test_what_is_timed_left_its_records_and_a_notebook(work):
    results = work / "results" / "toy"
    for name in ("prefill-qwen", "prefill-internvl"):
        modes = {mode["name"] for mode in record(results / "benchmarks" / f"{name}.json")["modes"]}
        assert {"full", "masked 0.5", "dropped 0.25"} <= modes
    for run in ("vts-0.25-s0", "internvl-vts-0.25-s0"):
        assert record(results / "benchmarks" / f"stages-{run}.json")["modes"]
    assert "notebooks/efficiency.html" in (results / "index.html").read_text()
