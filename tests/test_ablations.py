"""Ablations: rows beside the first, differences query by query, and words that follow them."""

from dataclasses import replace

import pandas as pd
import pytest
from synthetic_records import DATASET, write_results
from synthetic_scores import read_runs

from groundvts.errors import BadInput
from groundvts.metrics.comparison import compare_runs
from groundvts.records import read_record, recording, write_json
from groundvts.report.ablations import (
    caption,
    draw_ablation,
    findings,
    load_ablations,
    shown_ablation,
)

VARIANTS = ["vts-0.25", "random-0.25", "vts-0.5"]


@pytest.fixture
def results(tmp_path):
    folder = write_results(tmp_path)
    listed = [run for name in VARIANTS for run in read_runs(folder) if run["variant"] == name]
    groups: dict = {}
    for run in listed:
        score = read_record(folder / "scores" / run["run"] / f"{DATASET}.json")
        groups.setdefault(run["variant"], []).append(score)
    with recording("comparisons", {}, {}) as record:
        record |= {"dataset": DATASET, **compare_runs(groups, 300)}
    about = {"title": "Which", "source": "Table 4", "note": None, "place": 0}
    about |= {"variants": VARIANTS, "benchmark": DATASET}
    parts = {"runs": listed, "about": about, "comparisons": record}
    for name, content in parts.items():
        write_json(folder / "ablations" / "samplers" / f"{name}.json", content)
    return folder


def test_rows_are_in_the_order_asked_and_differ_from_the_first(results):
    [ablation] = load_ablations(results)
    table = ablation.table.set_index("variant")
    assert list(table.index) == VARIANTS
    assert ablation.heading == "Which (Table 4)"
    assert pd.isna(table.difference["vts-0.25"])
    for name in VARIANTS[1:]:
        gap = table.mIoU[name] - table.mIoU["vts-0.25"]
        assert table.difference[name] == pytest.approx(gap)
        assert table["difference low"][name] < gap < table["difference high"][name]
    printed = shown_ablation(ablation)
    assert printed["mIoU less that of vts-0.25"][0] == "–"
    assert printed["mIoU less that of vts-0.25"][1].startswith("-")
    assert printed["Seeds"].tolist() == ["mean of 0, 1", "mean of 0, 1", "0"]
    assert {"R1@0.3", "R1@0.5", "R1@0.7"} <= set(printed)
    assert not [name for name in printed if name.startswith("IoP")]


def test_words_follow_the_intervals(results):
    [ablation] = load_ablations(results)
    worse = [line for line in findings(ablation) if line.startswith("Worse")]
    assert "random-0.25 -" in worse[0]
    assert worse[0].index("random") < worse[0].index("vts-0.5")
    table = ablation.table.copy()
    table.loc[1, ["difference low", "difference high"]] = -3.0, 3.0
    table.loc[2, ["difference", "difference low", "difference high"]] = 5.0, 4.0, 6.0
    words = " ".join(findings(replace(ablation, table=table)))
    assert "Worse" not in words
    assert "Better: vts-0.5 +5.0 [+4.0, +6.0]" in words
    assert "Not told apart: random-0.25" in words
    assert "vts-0.25 99 (58, 25)" in words  # the object's tokens, the others', chance


def test_the_caption_says_where_rows_are_older(results):
    [ablation] = load_ablations(results)
    assert caption(ablation).startswith("Which (Table 4), at toy scale.")
    assert "other source" not in caption(ablation)
    table = ablation.table.assign(older=["", "train", ""])
    assert "other source" in caption(replace(ablation, table=table))


def test_a_picture_for_each(results, tmp_path):
    [ablation] = load_ablations(results)
    assert draw_ablation(ablation, tmp_path / "a").stat().st_size > 5000


def test_without_ablations_one_line(tmp_path):
    with pytest.raises(BadInput, match="snakemake ablations"):
        load_ablations(tmp_path)
