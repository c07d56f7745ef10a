"""The report's tables, differences, words and pictures, from made-up records."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_records import LEVEL, RUNS, write_results
from synthetic_scores import read_runs

from groundvts.errors import BadInput
from groundvts.records import read_record, write_json
from groundvts.report.choice import predicted
from groundvts.report.comparisons import differences
from groundvts.report.findings import conclusions, stage_conclusions, supervision
from groundvts.report.output import (
    MARK,
    markdown,
    shown,
    shown_plain,
    span,
    write_table,
)
from groundvts.report.page import write_page
from groundvts.report.published import read_table
from groundvts.report.runs import load_runs
from groundvts.report.strips import dim
from groundvts.report.tables import (
    beside_paper,
    headline,
    main_table,
    training_table,
)

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "workflow" / "published"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("toy"))


def iou_of(results, run):
    return np.array(read_record(results / f"scores/{run}/charades_sta.json")["queries"]["IoU"])


# ---- tables


def test_main_table_shows_seeds_singly_and_joined(results):
    table = main_table(results)
    assert len(table) == len(RUNS) + 3
    rows = table[table.variant == "vts-0.25"]
    assert rows.seeds.tolist() == ["0", "1", "2", "0, 1, 2"]
    assert rows["count"].tolist() == [1, 1, 1, 3]
    assert rows.joined.tolist() == [False, False, False, True]
    assert rows.mIoU.iloc[3] == pytest.approx(rows.mIoU.iloc[:3].mean())
    assert rows["mIoU low"].iloc[3] < rows.mIoU.iloc[3] < rows["mIoU high"].iloc[3]
    without = table[table.variant.isin(("constant", "base"))]
    assert (without.seeds.tolist(), without["count"].tolist()) == (["", ""], [0, 0])
    assert (table.asked == table.scored + table.failed).all()
    assert rows.object.iloc[0] == 99
    assert rows.distractors.iloc[0] == 58
    assert headline(table).variant.tolist() == list(dict.fromkeys(row[1] for row in RUNS))


def test_an_interval_of_one_seed_stands_in_round_brackets(results):
    table = main_table(results)
    printed = shown(table)
    for (_, row), cell in zip(table.iterrows(), printed.mIoU, strict=True):
        values = f"{row['mIoU low']:.1f}, {row['mIoU high']:.1f}"
        one = row["count"] == 1
        assert cell == f"{row.mIoU:.1f} " + (f"({values})" if one else f"[{values}]")
    ends = dict(zip(table.variant, printed.mIoU.str[-1], strict=True))  # the last row of each
    assert (ends["base"], ends["vts-0.25"], ends["vts-0.5"]) == ("]", "]", ")")
    seeds = dict(zip(table.variant, printed.Seeds, strict=True))
    assert (seeds["constant"], seeds["vts-0.5"]) == ("–", "0")
    assert seeds["vts-0.25"] == "mean of 0, 1, 2"


@pytest.mark.parametrize(
    ("counts", "printed"),
    [
        ({}, "7.0 [6.0, 8.0]"),
        ({"count": 0}, "7.0 [6.0, 8.0]"),
        ({"count": 1}, "7.0 (6.0, 8.0)"),
        ({"count": 3}, "7.0 [6.0, 8.0]"),
        ({"count": 3, "gap count": 1}, "7.0 (6.0, 8.0)"),  # of a difference: its own
        ({"count": 1, "gap count": 3}, "7.0 [6.0, 8.0]"),
        ({"count": 1, "gap low": None}, "7.0"),
    ],
)
def test_a_span_has_the_brackets_of_its_own_seeds(counts, printed):
    row = pd.Series({"gap": 7.0, "gap low": 6.0, "gap high": 8.0} | counts)
    assert span(row, "gap") == printed


def test_absent_runs_leave_no_row(tmp_path):
    kept = {"constant", "vts-0.25-s1"}
    folder = write_results(tmp_path, skip=tuple(r[0] for r in RUNS if r[0] not in kept), videos=3)
    table = main_table(folder)
    assert table.variant.tolist() == ["constant", "vts-0.25"]
    assert not table.joined.any()
    assert differences(folder).theirs.tolist() == ["constant"]
    assert any("constant span" in sentence for sentence in conclusions(folder))
    assert "vts-0.25-s0: no score record on Charades-STA" in write_page(folder).read_text()


def test_nothing_scored_is_bad_input(tmp_path):
    folder = write_results(tmp_path, skip=tuple(row[0] for row in RUNS), videos=1)
    with pytest.raises(BadInput, match="no run has a score record"):
        main_table(folder)


def test_difference_is_taken_against_the_better(results):
    paired = differences(results)
    means = {
        name: np.mean([iou_of(results, f"{name}-s{seed}") for seed in (0, 1, 2)])
        for name in ("random-0.25", "uniform-0.25", "vts-0.25")
    }
    better = max(("random-0.25", "uniform-0.25"), key=means.get)
    row = paired.iloc[0]
    assert (row.ours, row.theirs) == ("vts-0.25", better)
    assert row.mIoU == pytest.approx(100 * (means["vts-0.25"] - means[better]))
    assert row["mIoU low"] < row.mIoU < row["mIoU high"]
    base = paired[(paired.ours == "vts-0.25") & (paired.theirs == "base")].iloc[0]
    expected = 100 * (means["vts-0.25"] - iou_of(results, "base").mean())
    assert base.mIoU == pytest.approx(expected)


def test_rows_of_other_source_are_marked(tmp_path):
    folder = write_results(tmp_path, videos=2)
    assert not main_table(folder).older.any()
    path = folder / "stages/vts-0.5-s0/joint/record.json"
    write_json(path, read_record(path) | {"source": "0" * 64})
    table = main_table(folder)
    assert table[table.older != ""].variant.tolist() == ["vts-0.5"]
    assert table[table.older != ""].older.tolist() == ["train"]
    assert [MARK in name for name in shown(table).Method].count(True) == 1
    assert f"{MARK} partly made by other source" in write_page(folder).read_text()


def test_training_table_has_every_stage(results):
    table = training_table(results)
    assert len(table) == 3 * (len(RUNS) - 2)
    assert (table["last loss"] < table["first loss"]).all()


def test_table_files(results, tmp_path):
    table = main_table(results)
    write_table(table, shown(table), tmp_path / "main", "All & more, 95 %.")
    assert pd.read_csv(tmp_path / "main.csv").mIoU.tolist() == pytest.approx(table.mIoU.tolist())
    lines = (tmp_path / "main.md").read_text().splitlines()
    assert len({line.count("|") for line in lines[: len(table) + 2]}) == 1
    tex = (tmp_path / "main.tex").read_text()
    assert all(word in tex for word in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"All \& more, 95 \%." in tex
    assert "_" not in tex.replace(r"\_", "")


def test_a_row_without_seeds_names_none_beside_the_paper(results):
    beside = beside_paper(PUBLISHED, main_table(results))
    ours = beside[beside.what == "this run"].set_index("method")
    assert ours.note["GroundVTS"] == "seeds 0"
    assert "seeds" not in ours.note["Base"]


def test_paper_and_toy_stand_apart(results):
    beside = beside_paper(PUBLISHED, main_table(results))
    assert beside.what.tolist().count("this run") == 3
    paper = beside[beside.what == "paper"]
    base, tuned, ours = "Qwen2.5VL-7B", "Qwen2.5VL-7B-G", "GroundVTS-Q"
    assert list(zip(paper.method, paper.note, strict=True)) == [
        (base, "Table 1, 1 frame per second"),
        (base, "Table 12, 2 frames per second"),
        (tuned, "Table 1, 1 frame per second"),
        (tuned, "Table 12, 2 frames per second"),
        (ours, "Table 1, 2 frames per second; ratio 0.5"),
    ]
    main, dense = (read_table(PUBLISHED, name) for name in ("moment_retrieval", "token_density"))
    values = [*main[main.method == base].mIoU[:1], *dense[dense.density == 2.0].mIoU[:1]]
    assert paper.mIoU.tolist()[:2] == values
    assert f"{values[0]} |" in markdown(shown_plain(beside))


# ---- words


def test_what_the_base_was_taught_is_told_once(results):
    told = supervision(results)
    assert [line.split()[0] for line in told] == ["Colour", "Questions,"]


def test_the_bases_of_other_seeds_add_what_they_were_taught(tmp_path):
    folder = write_results(tmp_path / "results" / "toy", videos=1)
    other = "given/bases/qwen-s1"
    record = read_record(folder / "base" / "record.json")
    again = {"supervision": [record["supervision"][0], "Another line."]}
    write_json(tmp_path / other / "record.json", record | again)
    listed = read_runs(folder)
    listed[-1]["base"] = other
    listed[-2]["base"] = "given/no such folder"
    write_json(folder / "runs.json", listed)
    assert supervision(folder) == [*record["supervision"], "Another line."]


def test_conclusions_follow_the_numbers(results, tmp_path, monkeypatch):
    good = conclusions(results)
    assert "The aim of at least 20 points, surely above 0, is met." in good[0]
    assert "The aim of at least 30 points, surely above 0, is met." in good[1]
    absent = tuple(f"{name}-0.25-s2" for name in ("vts", "random", "uniform"))
    two = conclusions(write_results(tmp_path / "few", skip=absent))
    assert "surely above 0, is not judged: it takes 3 seeds." in two[0]
    monkeypatch.setitem(LEVEL, "vts-0.25", 0.39)
    bad = conclusions(write_results(tmp_path / "bad"))
    assert "The aim of at least 20 points, surely above 0, is NOT met." in bad[0]


def test_stage_conclusions_need_the_object_above_the_others(results):
    sentences = stage_conclusions(load_runs(results))
    assert len(sentences) == 5
    assert all("does not yet follow the query" in sentence for sentence in sentences)


# ---- pictures


def test_dropped_cells_fade_and_kept_cells_stay():
    frame = np.full((4, 6, 3), 100, dtype=np.uint8)
    dimmed = dim(frame, np.array([[True, False, False], [False, False, True]]))
    assert (dimmed[:2, :2] == 100).all()
    assert (dimmed[2:, 4:] == 100).all()
    assert (dimmed[:2, 2:] > 200).all()
    assert (dimmed[2:, :4] > 200).all()


def test_kept_tokens_are_time_major(results):
    choices = predicted(results, "vts-0.25-s0")
    timeline = choices.timeline(4)
    assert timeline.kept_thw.shape == (16, 2, 2)
    assert timeline.kept_thw.sum() == len(timeline.kept) == 16
    step, row, col = np.argwhere(timeline.kept_thw)[0]
    assert timeline.kept[0] == step * 4 + row * 2 + col
    inside, chance = choices.inside().mean(axis=0)
    assert inside > chance
    assert choices.shared((0, 0)) == 100
