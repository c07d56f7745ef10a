"""The paper's tables: whole, possible, and alike where the paper repeats a number, or noted."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from groundvts.report.published import FIRST, METRICS, NUMBERS, RETRIEVAL, SETTINGS, read_table

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "workflow" / "published"
TABLES = {  # where in the paper, and how many rows
    "moment_retrieval": ("Table 1", 28),
    "highlights": ("Table 2", 11),
    "grounded_qa": ("Tables 3 and 9", 4),
    "stages": ("Table 4", 7),
    "granularity": ("Table 5", 10),
    "mvbench": ("Table 6", 24),
    "didemo": ("Table 7", 14),
    "longvideobench": ("Table 8", 12),
    "parameter_free": ("Table 10", 6),
    "training_data": ("Table 11", 8),
    "token_density": ("Table 12", 30),
    "recipe": ("Table 13", 3),
    "parameters": ("Table 14", 2),
    "frame_rate": ("Figure 2", 1),
}
RATES = list(RETRIEVAL)
MAIN, OTHER = "charades_sta", "activitynet_captions"
OURS, TUNED, BASE = "GroundVTS-Q", "Qwen2.5VL-7B-G", "Qwen2.5VL-7B"


def rows(name: str, benchmark: str = MAIN, **wanted) -> pd.DataFrame:
    """The rows of a table that have these values."""
    table = read_table(FOLDER, name)
    for column, value in {"benchmark": benchmark, **wanted}.items():
        table = table[table[column] == value]
    return table


def row(name: str, benchmark: str = MAIN, **wanted) -> pd.Series:
    """The only row of a table that has these values."""
    (one,) = (found for _, found in rows(name, benchmark, **wanted).iterrows())
    return one


def rates(name: str, benchmark: str = MAIN, **wanted) -> list[float]:
    return row(name, benchmark, **wanted)[RATES].tolist()


# ---- each table


def test_every_file_is_a_table_known_here():
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{n}.csv" for n in TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_whole(name):
    table = read_table(FOLDER, name)
    source, count = TABLES[name]
    assert set(table.table) == {source}
    assert len(table) == count
    keys = [column for column in table if column in (*FIRST, *SETTINGS, "density")]
    assert not table.duplicated(keys).any()
    assert table.columns[:4].tolist() == list(FIRST)
    assert table.columns[-2:].tolist() == ["protocol", "note"]
    numbers = [column for column in table if column in NUMBERS]
    assert all(table[column].dtype == float for column in numbers)
    assert table[numbers].notna().any().all()


@pytest.mark.parametrize("name", TABLES)
def test_values_are_possible(name):
    table = read_table(FOLDER, name)
    values = table[[column for column in table if column in METRICS]]
    assert (values.isna() | ((values >= 0) & (values <= 100))).all(axis=None)
    for low, high in (
        ("R1@0.7", "R1@0.5"), ("R1@0.5", "R1@0.3"), ("MR-R1@0.7", "MR-R1@0.5"), ("mIoU", "mIoP"),
        ("IoU@0.5", "IoP@0.5"), ("Acc@GQA", "IoP@0.5"),
    ):  # fmt: skip
        if {low, high} <= set(table):
            known = table.dropna(subset=[low, high])
            assert (known[low] <= known[high]).all(), (low, high)


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("didemo", "frame_rate")])
def test_mean_overlap_fits_the_rates(name):
    """mIoU lies between its least and its greatest value at these rates, but for rounding."""
    table = read_table(FOLDER, name)
    if not set(RATES) <= set(table):
        return
    first, half, last, mean = (table[rate].dropna() for rate in RATES)
    least = 0.3 * (first - half) + 0.5 * (half - last) + 0.7 * last
    most = 0.3 * (100 - first) + 0.5 * (first - half) + 0.7 * (half - last) + last
    assert ((least - 0.1 <= mean) & (mean <= most + 0.1)).all()


def test_a_dash_is_no_number_and_no_text_is_lost():
    (absent,) = rows("moment_retrieval", OTHER, method="LLaVA-ST")[RATES].to_numpy()
    assert pd.isna(absent).all()
    assert row("stages", stages="none")["mIoU"] == 5.6
    assert row("granularity", positions="none")["mIoU"] == 9.5
    assert row("highlights", "qvhighlights", method="InternVL3.5-8B")["HD-Hit@1"] == 0.32


# ---- what the paper says of its numbers


@pytest.mark.parametrize("benchmark", [MAIN, OTHER])
def test_ablations_repeat_the_main_table(benchmark):
    ours = rates("moment_retrieval", benchmark, method=OURS)
    tuned = rates("moment_retrieval", benchmark, method=TUNED)
    assert rates("granularity", benchmark, granularity="token", positions="dense") == ours
    assert rates("parameter_free", benchmark, scorer="learned") == ours
    assert rates("training_data", benchmark, method=OURS) == ours
    assert rates("training_data", benchmark, method=TUNED) == tuned


def test_stages_begin_and_end_with_the_main_table():
    assert rates("stages", method=BASE) == rates("moment_retrieval", method=BASE)
    assert rates("stages", stages="1+2+3") == rates("moment_retrieval", method=OURS)


@pytest.mark.parametrize("method", [BASE, TUNED, OURS])
def test_the_main_table_is_at_density_one(method):
    """So GroundVTS, which reads 2 frames per second, stands beside baselines that read 1."""
    found = row("moment_retrieval", method=method)
    assert rates("token_density", method=method, density=1.0) == found[RATES].tolist()
    assert found.protocol.startswith("2 frames" if method == OURS else "1 frame ")
    assert "equals Table 12 at density 1.0" in found.note


def test_every_row_said_to_equal_the_main_table_does():
    said = 0
    for name in TABLES:
        table = read_table(FOLDER, name)
        for _, one in table[table.note.str.contains(r"^equals Table 1\b")].iterrows():
            assert one[RATES].tolist() == rates(
                "moment_retrieval", one.benchmark, method=one.method
            )
            said += 1
    assert said == 13


def test_densities_are_frame_rate_times_ratio():
    table = rows("token_density")
    for _, one in table.iterrows():
        words = one.protocol.split()
        ratio = float(words[-1]) if one.method == OURS else 1.0
        assert float(words[0]) * ratio == pytest.approx(one.density)
    assert sorted(set(table.density)) == [round(0.2 * n, 1) for n in range(1, 11)]


def test_claimed_gains():
    def gain(name, metric, ours, theirs, benchmark=MAIN):
        values = [row(name, benchmark, method=method)[metric] for method in (ours, theirs)]
        return round(values[0] - values[1], 1)

    assert gain("moment_retrieval", "mIoU", OURS, TUNED) == 18.4
    assert gain("moment_retrieval", "mIoU", OURS, "LLaVA-ST") == 7.7
    assert gain("highlights", "HD-mAP", "GroundVTS-I", "NumPro", "qvhighlights") == 12.0


@pytest.mark.parametrize("method", [BASE, OURS])
def test_subtasks_have_their_mean(method):
    table = rows("mvbench", "mvbench", method=method)
    whole = table[table.subtask == "all"]["Acc@QA"].item()
    assert round(table[table.subtask != "all"]["Acc@QA"].mean(), 1) == whole


def test_the_recipe_is_that_of_the_paper_scale():
    stages = yaml.safe_load((ROOT / "workflow/scales/paper.yaml").read_text())["stages"]
    table = read_table(FOLDER, "recipe").set_index("stage")
    assert table.index.tolist() == list(stages)
    for name, stage in stages.items():
        one = table.loc[name]
        assert set(stage["learning_rate"].values()) == {one.learning_rate}
        assert 8 * one.batch_size * one.accumulation == stage["global_batch"]
        for key in ("epochs", "batch_size", "lora_rank", "lora_alpha", "lora_dropout"):
            assert one[key] == stage[key] if key in stage else pd.isna(one[key])


# ---- what does not fit, each with a note


@pytest.mark.parametrize("benchmark", [MAIN, OTHER])
def test_uniform_is_not_the_tuned_baseline_it_is_said_to_be(benchmark):
    uniform = row("granularity", benchmark, granularity="uniform")
    assert uniform.method == TUNED
    assert uniform[RATES].tolist() != rates("moment_retrieval", benchmark, method=TUNED)
    assert "have other numbers" in uniform.note or "has other numbers" in uniform.note


def test_at_one_frame_rate_little_is_gained():
    ours = row("moment_retrieval", method=OURS)
    even = row("token_density", method=TUNED, density=2.0)
    gained = [round(ours[rate] - even[rate], 1) for rate in RATES]
    assert gained == [-2.9, 1.2, 3.6, 0.1]
    assert "at the same frame rate" in ours.note
    assert "30.5" in even.note
    assert even["R1@0.7"] == 30.6


def test_the_figure_has_another_peak():
    peak = row("frame_rate")
    table = row("token_density", method=BASE, density=2.0)
    assert peak.mIoU > table.mIoU
    assert f"{table.mIoU:g}" in peak.note
    assert "Figure 2" in table.note


def test_highlights_are_at_two_levels():
    table = rows("highlights", "qvhighlights").dropna(subset=["HD-mAP"])
    fair = table.protocol.str.contains("Fair")
    assert table[fair].method.str.contains("Qwen|InternVL|GroundVTS").all()
    assert table[~fair].protocol.str.contains("VeryGood").all()
    assert (fair == table.note.str.contains("not comparable with VeryGood")).all()
    bases = table[table.note.str.contains("prediction of zeros")]
    assert ((bases["HD-mAP"] - 24.78).abs() < 0.2).all()  # what zeros score: test_highlights.py
    assert bases.method.tolist() == [BASE, "InternVL3.5-8B"]


def test_parameters_are_counted_twice():
    """All minus LoRA is VTS and projector, which LoRA holds already."""
    table = read_table(FOLDER, "parameters").set_index("method")
    for method, twice in (("GroundVTS-Q", 29_367_296 + 44_574_464),
                          ("GroundVTS-I", 34_611_200 + 33_570_816)):  # fmt: skip
        one = table.loc[method]
        assert one["All"] - one["LoRA"] == pytest.approx(twice / 1e6, abs=0.1)
        assert "counts them twice" in one.note
