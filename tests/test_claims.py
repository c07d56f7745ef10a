"""Claims are judged by the interval of the paired difference, beside the paper's own difference."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from synthetic_ablations import write_ablation
from synthetic_records import write_results

from groundvts.report.ablations import _paper_columns, load_ablations
from groundvts.report.claims import (
    CAPTION,
    judged,
    load_claims,
    shown_claims,
    tally,
    verdict,
)
from groundvts.report.output import html_table, write_table
from groundvts.report.published import read_table

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.fixture(scope="module")
def claims(tmp_path_factory):
    folder = write_results(tmp_path_factory.mktemp("claims") / "results")
    write_ablation(folder)
    return load_claims(folder)


def test_main_claims_first_each_with_both_differences(claims):
    assert claims.says.tolist() == ["The choice helps", "More is better"]
    first, second = (row for _, row in claims.iterrows())
    assert (first.verdict, second.verdict) == ("holds", "does not hold")
    assert first["mIoU low"] > 0 > second["mIoU high"]
    assert first["paper difference"] == pytest.approx(50.1 - 35.7)
    assert pd.isna(second["paper difference"])
    assert (first["better seeds"], second["better seeds"]) == (2, 1)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 2, "holds"),
        (-2, -0.1, "does not hold"),
        (-1, 1, "not told apart"),
        (0, 1, "not told apart"),
    ],
)
def test_the_verdict_follows_the_interval(low, high, words):
    assert verdict(low, high) == words


def test_the_tally_counts_and_names(claims):
    lines = tally(claims)
    assert lines[0].startswith("Of 1 main claims (the first rows) 1 hold, 0 do not hold, 0 are")
    assert "Do not hold here: More is better." in lines
    assert lines[-1].startswith("2 of 2 rest on fewer than 3 seeds")


def test_no_claims_make_a_table_without_rows(tmp_path):
    folder = write_results(tmp_path / "results", videos=3)
    write_ablation(folder, claims=())
    none = judged(load_ablations(folder))
    assert none.empty
    assert tally(none) == ["No ablation makes a claim."]
    write_table(none, shown_claims(none), tmp_path / "claims", CAPTION)
    assert (tmp_path / "claims.md").read_text().startswith("None.")
    html_table(shown_claims(none))


@pytest.mark.parametrize(
    ("name", "benchmark"),
    [
        (name, benchmark)
        for name, one in CONFIG["ablations"].items()
        if "published" in one
        for benchmark in one.get("benchmarks", ["charades_sta"])
    ],
)
def test_the_committed_claims_are_those_of_the_papers_own_rows(name, benchmark):
    one = CONFIG["ablations"][name]
    table = read_table(ROOT / "workflow" / "published", one["published"]["table"])
    paper = _paper_columns(table[table.benchmark == benchmark], one["published"], name)
    both = [c for c in one["claims"] if {c["better"], c["worse"]} <= set(paper.index)]
    assert both
    for claim in both:
        gap = paper["paper mIoU"][claim["better"]] - paper["paper mIoU"][claim["worse"]]
        assert gap > 0, claim


def test_rows_of_older_source_are_told(claims, tmp_path):
    folder = write_results(tmp_path / "results", videos=3)
    write_ablation(folder)
    [ablation] = load_ablations(folder)
    table = ablation.table.assign(older=["", "train", ""])
    assert judged([replace(ablation, table=table)]).older.tolist() == [True, False]
