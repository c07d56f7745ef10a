"""What the report says of speed: tables, pictures and words from made-up records."""

import copy

import pytest
from conftest import ROOT

from groundvts.records import recording, write_json
from groundvts.report import efficiency, throughput
from groundvts.report.efficiency import PREFILL, STAGES, conclusions, load
from groundvts.report.efficiency_figures import prefill_bars, stage_bars, time_against_operations
from groundvts.report.notebook import render_notebook


def spread(value: float) -> dict:
    return {"median": value, "low": 0.95 * value, "high": 1.05 * value}


def prefill_mode(kind: str, ratio: float, time: float, flops: float) -> dict:
    """A mode whose full sequence takes 10 s and 1e12 operations."""
    name = kind if kind == "full" else f"{kind} {ratio:g}"
    seconds = {"scores": 0.05, "post-MLP": 0.1 * ratio, "sequence": 0.02}
    seconds["language model"] = 10 * time - sum(seconds.values())
    quotient = time / flops
    return {
        "name": name, "kind": kind, "ratio": ratio, "tokens": 2176, "attention": "causal",
        "attention_called": "causal", "cache_bytes": 1000, "within": abs(quotient - 1) <= 0.1,
        "flops": {"scores": 1e9, "post-MLP": 1e9, "prefill": 1e12 * flops - 2e9},
        "seconds": {stage: spread(v) for stage, v in {**seconds, "prefill": 10 * time}.items()},
        "time_ratio": spread(time), "flop_ratio": flops, "quotient": quotient,
    }  # fmt: skip


def stage_mode(ratio: float, prefill: float, flops: float, tokens: int) -> dict:
    stages = dict.fromkeys((*efficiency.BEFORE, *efficiency.BY_STAGE), 0.002)
    stages |= {"read": 0.06, "prefill": prefill, "decode": 0.022}
    stages["query"] = sum(stages.values())
    return {
        "ratio": ratio, "seconds": {stage: spread(value) for stage, value in stages.items()},
        "decode_per_token": 0.002, "new_tokens": 12, "prompt_tokens": 100.0,
        "cache_tokens": float(tokens), "cache_bytes": 1000.0 * tokens, "peak_bytes": 2_000_000,
        "flops": {"prefill": flops, "decode": 5.0},
    }  # fmt: skip


def training_mode(time: float, flops: float) -> dict:
    """A mode whose step with hidden tokens takes 10 s, 1e13 operations and 2 GB."""
    return {
        "seconds": spread(10 * time), "time_ratio": spread(time), "flop_ratio": flops,
        "flops": int(1e13 * flops), "quotient": time / flops, "peak_bytes": int(2e9 * time),
    }  # fmt: skip


def grouped_mode(name: str, slower: float) -> dict:
    stages = dict.fromkeys(("read", "tower", "reduce", "generate"), 0.5 * slower)
    return {"name": name, "queries_per_second": spread(3 / slower), "stage_seconds": stages,
            "grouped_is_faster": spread(slower), "same": 1.0}  # fmt: skip


@pytest.fixture
def of_speed() -> dict[str, dict]:
    """What is measured of training steps and of grouped inference."""
    model = {"width": 2048, "layers": 4, "dtype": "float32", "device": "cpu", "threads": 2}
    training = {
        "model": model, "visual": 2048, "ratio": 0.5,
        "modes": {name: training_mode(time, flops) for name, time, flops in (
            ("masked", 1.0, 1.0), ("dropped", 0.53, 0.55), ("full", 0.9, 1.02))},
    }  # fmt: skip
    grouped = {
        "counts": {"videos": 2, "queries": 6}, "visual_tokens": 600.0,
        "model": {"parameters": 3e8, "dtype": "float32", "device": "cpu"},
        "modes": [grouped_mode("grouped", 1.0), grouped_mode("tower per query", 2.1),
                  grouped_mode("decoding and tower per query", 2.2),
                  grouped_mode("one at a time", 3.0)],
    }  # fmt: skip
    return {"training_step-qwen": training, "grouped_inference-0.25": grouped}


@pytest.fixture
def results(tmp_path, of_speed):
    """A folder with one record of each kind, of prefill and stages for both backbones."""
    with recording("benchmark", {}, {}) as record:
        pass
    for name, content in of_speed.items():
        write_json(tmp_path / "benchmarks" / f"{name}.json", record | content)
    modes = [
        prefill_mode("full", 1.0, 1.0, 1.0),
        prefill_mode("masked", 0.5, 1.06, 1.08),
        prefill_mode("dropped", 0.5, 0.54, 0.55),
        prefill_mode("dropped", 0.25, 0.40, 0.32),
    ]
    modes[0]["profile"] = [{"operator": "mm", "seconds": 9.0, "calls": 4}]
    modes[3]["profile"] = [{"operator": "mm", "seconds": 3.68, "calls": 4},
                           {"operator": "copy", "seconds": 0.1, "calls": 4}]  # fmt: skip
    prefill = {
        "model": {"width": 2048, "layers": 4, "dtype": "float32", "device": "cpu", "threads": 2},
        "visual": 2048, "text": 128, "modes": modes, "attention_share": 0.055,
        "added_share": {"scores": 0.005, "post-MLP": 0.01},
        "attention_kernel": {"skips_hidden_half": True},
    }  # fmt: skip
    stages = {
        "counts": {"asked": 20, "scored": 19, "failed": 1}, "equal_answers": 19,
        "modes": {"full": stage_mode(1.0, 0.01, 100, 120),
                  "masked": stage_mode(0.25, 0.011, 110, 120),
                  "dropped": stage_mode(0.25, 0.008, 40, 50)},
    }  # fmt: skip
    for name in ("internvl", "qwen"):
        write_json(tmp_path / "benchmarks" / f"{PREFILL}{name}.json", record | prefill)
    for name in ("internvl-vts-0.25-s0", "vts-0.25-s0"):
        write_json(tmp_path / "benchmarks" / f"{STAGES}{name}.json", record | stages)
    write_json(tmp_path / "benchmarks" / "frame_cache.json", record | {"ratio": spread(20.0)})
    return tmp_path


def test_tables_hold_every_mode_with_the_main_backbone_first(results):
    table = efficiency.prefill_table(load(results, PREFILL))
    assert table.backbone.tolist() == ["qwen"] * 4 + ["internvl"] * 4
    printed = efficiency.shown_prefill(table)
    assert printed["Within 10 %"].tolist()[:4] == ["–", "yes", "yes", "NO"]
    assert printed.iloc[2]["Time ratio"] == "0.540 [0.513, 0.567]"
    assert printed.iloc[3]["Sequence"] == "dropped at 0.25"
    assert table.operations.tolist()[:2] == pytest.approx([1e12, 1.08e12])
    stages = efficiency.stage_table(load(results, STAGES))
    assert list(dict.fromkeys(stages.run)) == ["vts-0.25-s0", "internvl-vts-0.25-s0"]
    printed = efficiency.shown_stages(stages)
    assert printed.iloc[2][["Tokens", "Prefill (ms)", "KV cache (KB)"]].tolist() == [
        "dropped", "8.0", "50"]  # fmt: skip
    profile = efficiency.profile_table(load(results, PREFILL))
    assert profile.Sequence.tolist()[:3] == ["full", "dropped 0.25", "dropped 0.25"]


def test_words_say_what_is_met_and_what_is_missed(results):
    text = "\n".join(conclusions(results))
    qwen = "Qwen2.5-VL, "
    half, quarter = (line for line in text.splitlines() if line.startswith(f"{qwen}dropped"))
    assert half.endswith("time over operations is 0.982, within 10 %: met.")
    # of 9 s, 0.32 would be 2.88: 3.68 is 800 ms too long
    assert quarter.endswith("MISSED. Against that ratio the profile has: mm +800 ms, copy +100 ms.")
    assert f"{qwen}masked at 0.5: prefill takes 1.060 (1.007 to 1.113) of the full time" in text
    assert text.count("hiding saves nothing") == 2
    assert "scores and top-K take 0.50 % of a full prefill" in text
    assert "attention is 5.5 % of the operations (aim below 10 %: met)" in text
    assert (
        "prefill of dropped tokens takes 0.80 of the full time, with 0.40 of its operations: "
        in (text)
    )
    assert "too short a sequence for time to follow operations" in text
    assert "the same answer in 19 of 19 queries" in text
    assert "20.0 times as fast as decoded anew" in text


def test_words_follow_the_numbers(results):
    path = results / "benchmarks" / f"{PREFILL}qwen.json"
    record = copy.deepcopy(load(results, PREFILL)["qwen"])
    record["added_share"]["scores"], record["attention_share"] = 0.02, 0.15
    record["modes"][1]["time_ratio"] = spread(0.6)
    record["attention_kernel"]["skips_hidden_half"] = False
    write_json(path, record)
    text = "\n".join(line for line in conclusions(results) if line.startswith("Qwen"))
    assert text.count("NOT met") == 2
    assert "hiding saves nothing" not in text
    assert "does not skip" in text


def test_words_of_training_and_of_grouping_follow_the_numbers(results):
    [training, grouped] = throughput.conclusions(results)
    assert "dropped at 0.5 it takes 0.530 (0.503 to 0.557) of the time with them hidden" in training
    assert "time over operations is 0.964, within 10 %: met" in training
    assert training.endswith("Peak memory over the model is 0.53 of the other's.")
    record = copy.deepcopy(load(results, throughput.TRAINING)["qwen"])
    for quotient, said in ((1.2, "MISSED: more than 10 % above"), (0.8, "10 % below: a mask")):
        record["modes"]["dropped"]["quotient"] = quotient
        write_json(results / "benchmarks" / "training_step-qwen.json", record)
        assert said in throughput.conclusions(results)[0]
    assert "answered 3.00 (2.85 to 3.15) times as fast as one at a time" in grouped
    assert "it is 2.10 times as fast as with the vision tower once for every query" in grouped
    assert "(aim 2: met)" in grouped
    assert "those of one at a time in 100 % of them" in grouped
    record = copy.deepcopy(load(results, throughput.GROUPED)["0.25"])
    record["modes"][3]["grouped_is_faster"] = spread(1.5)
    write_json(results / "benchmarks" / "grouped_inference-0.25.json", record)
    assert "(aim 2: MISSED)" in throughput.conclusions(results)[1]


def test_tables_of_training_and_of_grouping(results):
    table = throughput.training_table(load(results, throughput.TRAINING))
    printed = throughput.shown_training(table)
    assert printed.Tokens.tolist() == ["masked", "dropped", "full"]
    assert printed.iloc[1]["Time ratio"] == "0.530 [0.503, 0.557]"
    table = throughput.grouped_table(load(results, throughput.GROUPED))
    printed = throughput.shown_grouped(table)
    assert printed.iloc[1]["Grouped is faster (times)"] == "2.100 [1.995, 2.205]"
    assert printed.iloc[0]["Same answers"] == "100 %"


def test_without_records_nothing_is_claimed(tmp_path):
    assert conclusions(tmp_path) == ["Nothing was measured: run the target efficiency."]


def test_figures_are_drawn(results, tmp_path):
    table = efficiency.prefill_table(load(results, PREFILL))
    assert time_against_operations(table, tmp_path / "figures/prefill").is_file()
    assert prefill_bars(table, tmp_path / "figures/prefill_stages").is_file()
    stages = efficiency.stage_table(load(results, STAGES))
    assert stage_bars(stages, tmp_path / "figures/stages").is_file()
    assert (tmp_path / "figures/stages.pdf").is_file()


def test_the_notebook_shows_all_of_it(results):
    page = results / "notebooks" / "efficiency.html"
    notebook = ROOT / "notebooks" / "efficiency.ipynb"
    render_notebook(notebook, page.with_suffix(".ipynb"), page, {"results": str(results)})
    text = page.read_text()
    for words in (
        "Step (s)",
        "times as fast as one at a time",
        "Whole query (ms)",
        "MISSED",
        "Milliseconds",
        "hiding saves nothing",
    ):
        assert words in text
    assert (results / "tables" / "efficiency_prefill.tex").is_file()


FIGURES = ("prefill", "prefill_stages", "stages")
TABLES = ("grouped", "prefill", "profile", "stages", "training")


def test_without_records_every_table_and_figure_says_so(tmp_path):
    page = tmp_path / "notebooks" / "efficiency.html"
    notebook = ROOT / "notebooks" / "efficiency.ipynb"
    render_notebook(notebook, page.with_suffix(".ipynb"), page, {"results": str(tmp_path)})
    assert page.read_text().count("Not measured: run the target efficiency.") == 4
    for name in TABLES:
        table = tmp_path / "tables" / f"efficiency_{name}"
        assert all(table.with_suffix(f".{kind}").is_file() for kind in ("csv", "md", "tex"))
    assert all((tmp_path / f"figures/{name}.pdf").is_file() for name in FIGURES)
