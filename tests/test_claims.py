"""Claims are judged by the interval of the paired difference, beside the paper's own difference."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from synthetic_ablations import write_ablation
from synthetic_records import write_results

from groundvts.records import read_record, write_json
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
    assert (first.verdict, second.verdict) == ("holds", "too few seeds")
    assert first["mIoU low"] > 0 > second["mIoU high"]  # the second has one seed on a side
    assert first["paper difference"] == pytest.approx(50.1 - 35.7)
    assert pd.isna(second["paper difference"])
    assert (first["count"], second["count"]) == (3, 1)
    printed = shown_claims(claims)
    assert printed.Seeds.tolist() == ["3", "1"]
    assert printed["Verdict here"].tolist() == ["holds", "too few seeds"]
    brackets = [cell.split()[1][0] + cell[-1] for cell in printed["Difference here"]]
    assert brackets == ["[]", "()"]  # round: one seed, over videos alone


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 2, "holds"),
        (-2, -0.1, "does not hold"),
        (-1, 1, "not told apart"),
        (0, 1, "not told apart"),
        (-1, 0, "not told apart"),
    ],
)
def test_the_verdict_follows_the_interval_where_seeds_are_enough(low, high, words):
    found = {seeds: verdict(low, high, seeds) for seeds in (0, 1, 2, 3, 5)}
    assert (found[1], found[2]) == ("too few seeds", "too few seeds")
    assert found[0] == found[3] == found[5] == words  # 0: no seed enters either side


def paired_by(folder, count):
    """The claims where as many seeds are paired as given; `count` 0: none enters either side."""
    path = folder / "ablations" / "samplers" / "comparisons.json"
    record = read_record(path)
    for pair in record["pairs"]:
        pair["seeds"] = count
    write_json(path, record)
    return load_claims(folder)


def test_a_claim_is_judged_by_as_many_seeds_as_are_paired(tmp_path):
    folder = write_results(tmp_path / "results")
    for count in (0, 1, 2, 3):
        write_ablation(folder)
        found = paired_by(folder, count)
        few = ["too few seeds", "too few seeds"]
        judged_as = few if count in (1, 2) else ["holds", "does not hold"]
        assert found.verdict.tolist() == judged_as
        assert found["count"].tolist() == [count] * 2


def test_the_tally_counts_and_names(claims):
    assert tally(claims) == [
        "Of 1 main claims (the first rows) 1 hold, 0 do not hold, 0 are not told apart, 0 have too "
        "few seeds.",
        "Of 1 others 0 hold, 0 do not hold, 0 are not told apart, 1 have too few seeds.",
        "Too few seeds: More is better.",
        "Intervals are not corrected for the number of claims.",
    ]
    fails = claims.assign(verdict=["does not hold", "not told apart"])
    assert tally(fails)[2:4] == [
        "Do not hold here: The choice helps.", "Not told apart here: More is better.",
    ]  # fmt: skip


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
