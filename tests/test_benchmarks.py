"""The scripts that measure speed: they time what they say, at sizes that take no time."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import steady, write_clip
from conftest import ROOT
from tiny import tiny, write_base

from groundvts.data.inputs import Encoder
from groundvts.models.sizes import meta_model, parameter_counts, published_config
from groundvts.prompts import Prompts

sys.path.insert(0, str(ROOT / "benchmarks"))

import prefill
import script
import time_by_stage
import timing
import training_step
from memory import PeakMemory
from random_model import prompt_inputs, published

SIZES = "--layers 1 --width 64 --mlp 96 --heads 4 --kv-heads 2 --head-dim 16 --visual 64 --text 10"


@pytest.fixture
def call(monkeypatch):
    """Runs a script with a line of options."""

    def run(script, options: str) -> int:
        monkeypatch.setattr(sys, "argv", [script.__file__, *options.split()])
        return script.main()

    return run


# ---- what they share


def test_a_part_within_another_counts_once(monkeypatch):
    monkeypatch.setattr(timing.time, "perf_counter", iter(range(100)).__next__)
    watch, inner = timing.Stopwatch(torch.device("cpu")), torch.nn.Identity()
    with watch.watching({"inner": inner}), watch.part("outer"):
        inner(1)
        with watch.part("other"):
            inner(1)
    inner(1)  # no longer watched
    assert dict(watch.seconds) == {"inner": 2, "other": 2, "outer": 3}


def test_turns_alternate():
    assert list(script.turns(["a", "b"], 3)) == ["a", "b", "b", "a", "a", "b"]


def test_peak_memory_is_what_the_work_takes_at_its_most():
    kept = [np.ones(15_000) for _ in range(1000)]  # 120 MB of small arrays: from the heap
    del kept[:-1]  # freed, yet still the process's
    with PeakMemory(torch.device("cpu")) as peak:
        np.ones(8_000_000).sum()  # 64 MB, gone at the end
    assert 55e6 < peak.bytes < 150e6


# ---- a training step


@pytest.mark.parametrize("backbone", ["qwen", "internvl"])
def test_a_training_step_costs_what_its_mode_says(tmp_path, call, backbone):
    out = tmp_path / "training.json"
    options = f"{SIZES} --text 48 --repeats 1 --device cpu"
    assert call(training_step, f"--backbone {backbone} {options} --out {out}") == 0
    modes = json.loads(out.read_text())["modes"]
    flops = {name: mode["flops"] for name, mode in modes.items()}
    assert flops["dropped"] < flops["masked"] < flops["full"]  # all: the MLP on every token
    assert modes["masked"]["flop_ratio"] == modes["masked"]["quotient"] == 1
    # 32 of 112 tokens fewer, but as many text embeddings, scores and projections
    assert 1 - 32 / 112 < modes["dropped"]["flop_ratio"] < 0.9


def test_wrong_options_of_a_training_step_are_one_line(tmp_path, call, capsys):
    for options, said in {"--ratio 1": "--ratio", "--text 10": "--text", "--repeats 0": "--repeats"
                          }.items():  # fmt: skip
        words = f"{SIZES} --device cpu --out {tmp_path / 'x.json'} --text 48 {options}"
        assert call(training_step, words) == 2
        [line] = capsys.readouterr().err.splitlines()[-1:]
        assert line.startswith(said)


# ---- prefill


@pytest.mark.parametrize("backbone", ["qwen", "internvl"])
def test_prefill_reads_what_its_mode_says(tmp_path, call, backbone):
    out = tmp_path / "prefill.json"
    options = f"{SIZES} --ratios 0.5 0.25 --repeats 2 --device cpu"
    assert call(prefill, f"--backbone {backbone} {options} --out {out}") == 0
    record = json.loads(out.read_text())
    modes = {mode["name"]: mode for mode in record["modes"]}
    read = {"full": 74, "masked 0.5": 74, "dropped 0.5": 42, "masked 0.25": 74, "dropped 0.25": 26}
    assert {name: mode["tokens"] for name, mode in modes.items()} == read
    for mode in modes.values():
        assert mode["cache_bytes"] == 2 * 2 * 16 * 4 * mode["tokens"]
        assert mode["attention_called"] == ("mask" if mode["kind"] == "masked" else "causal")
        stages = [one["median"] for stage, one in mode["seconds"].items() if stage != "prefill"]
        assert all(value > 0 for value in stages) or mode["kind"] == "full"
        assert mode["quotient"] == mode["time_ratio"]["median"] / mode["flop_ratio"]
    assert modes["full"]["flops"]["scores"] == modes["full"]["seconds"]["scores"]["high"] == 0
    assert modes["full"]["time_ratio"] == {"median": 1, "low": 1, "high": 1}
    missed = [name for name, mode in modes.items() if "dropped" in name and not mode["within"]]
    assert [name for name, mode in modes.items() if "profile" in mode] == (
        ["full", *missed] if missed else []
    )


def test_a_kernel_counts_half_only_where_it_is_called_so_and_skips(tmp_path):
    options = prefill_options("qwen")
    model = prefill.build(options)
    work = prefill.Prefill(model, prompt_inputs(model, 64, 10))
    skipping, whole = {"causal": 1.0, "square": 2.0}, {"causal": 2.0, "square": 2.0}
    dropped, masked = (prefill.Mode(kind, 0.5) for kind in ("dropped", "masked"))
    assert prefill.describe(work, dropped, skipping)["attention"] == "causal"
    assert prefill.describe(work, dropped, whole)["attention"] == "square"
    assert prefill.describe(work, masked, skipping)["attention"] == "square"


def prefill_options(backbone: str):
    words = f"--backbone {backbone} {SIZES} --device cpu --out x".split()
    return prefill.parser().parse_args(words)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--repeats 0", "--repeats 0"),
        ("--ratios 1.5", "--ratios"),
        ("--heads 3", "--heads"),
        ("--published", "--published: leave out"),
        ("--visual 0", "--visual"),
        ("--head-dim 8", "--head-dim 8"),
    ],
)
def test_prefill_refuses_in_one_line(tmp_path, call, capsys, options, message):
    assert call(prefill, f"{SIZES} --device cpu --out {tmp_path / 'x.json'} {options}") == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(("backbone", "layers"), [("qwen", 28), ("internvl", 36)])
def test_the_published_sizes_keep_all_but_the_tower(backbone, layers):
    counts = parameter_counts(meta_model(published(backbone)))
    whole = parameter_counts(meta_model(published_config(backbone)))
    assert published(backbone).text_config.num_hidden_layers == layers
    assert counts["vision tower"] < whole["vision tower"] / 10
    assert {k: v for k, v in counts.items() if k not in ("vision tower", "total")} == {
        k: v for k, v in whole.items() if k not in ("vision tower", "total")
    }


# ---- time by stage


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny merged model, two clips, one file that is none, and queries about all three."""
    folder = tmp_path_factory.mktemp("stages")
    base, model = write_base(folder / "base"), folder / "model"
    tiny(base, ratio=0.25, query_scope="query").model.save_pretrained(model)
    Encoder.copy_files(base, model)
    known = {"frames": {"min_pixels": 784, "max_pixels": 3136}, "protocol": "fixed"}
    known["prompts"] = Prompts.load("toy").templates
    (model / "groundvts.json").write_text(json.dumps(known))
    (folder / "videos").mkdir()
    for number in range(2):
        write_clip(folder / "videos" / f"clip{number}.mp4", steady(150))
    (folder / "videos" / "clip2.mp4").write_text("no video")
    rows = [
        {"id": f"q{n}", "dataset": "own", "split": "test", "video": f"clip{n}", "duration": 6.0,
         "query": "red circle", "windows": [[1.0, 3.0]]}
        for n in range(3)
    ]  # fmt: skip
    (folder / "moments.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def stage_options(folder: Path, **changes: object) -> str:
    named = {"model": folder / "model", "videos": folder / "videos"}
    named |= {"moments": folder / "moments.jsonl", "out": folder / "out.json"}
    named |= {"queries": 3, "repeats": 1, "new-tokens": 4}
    return " ".join(f"--{key} {value}" for key, value in (named | changes).items())


def test_time_by_stage_compares_the_same_queries_in_each_mode(folder, call, monkeypatch):
    def here(options, queries):
        return dict.fromkeys(
            time_by_stage.MODES,
            time_by_stage.peak_bytes(options.model, "dropped", options.new_tokens, queries),
        )

    monkeypatch.setattr(time_by_stage, "memory", here)
    assert call(time_by_stage, stage_options(folder)) == 0
    record = json.loads((folder / "out.json").read_text())
    assert record["counts"] == {"asked": 3, "scored": 2, "failed": 1}
    assert [one["id"] for one in record["failures"]] == ["q2"]
    assert "clip2" in record["failures"][0]["reason"]
    assert record["equal_answers"] == 2
    full, masked, dropped = (record["modes"][name] for name in ("full", "masked", "dropped"))
    assert full["cache_tokens"] == masked["cache_tokens"] == full["prompt_tokens"]
    visual = 6 * 2 * 1  # six steps of a second, two tokens each
    assert full["cache_tokens"] - dropped["cache_tokens"] == visual - visual // 4
    assert dropped["cache_bytes"] / full["cache_bytes"] == pytest.approx(
        dropped["cache_tokens"] / full["cache_tokens"]
    )
    for mode in (full, masked, dropped):
        stages = {name: one["median"] for name, one in mode["seconds"].items()}
        assert stages.pop("query") == pytest.approx(sum(stages.values()))
        assert set(stages) == {"read", "prepare", *time_by_stage.STAGES}
        assert min(stages.values()) > 0
        assert mode["new_tokens"] == 4
        assert mode["decode_per_token"] == pytest.approx(stages["decode"] / 3)
        assert mode["peak_bytes"] >= 0
    assert dropped["flops"]["prefill"] < full["flops"]["prefill"] < masked["flops"]["prefill"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"videos": "nowhere"}, "nowhere"),
        ({"moments": "nowhere.jsonl"}, "nowhere.jsonl"),
        ({"model": "/nowhere"}, "/nowhere"),
        ({"queries": 0}, "--queries"),
    ],
)
def test_time_by_stage_refuses_in_one_line(folder, call, capsys, changes, message):
    assert call(time_by_stage, stage_options(folder, **changes)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
