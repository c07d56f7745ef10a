"""The report's joined rows, paired differences, trivial rows and tables of other benchmarks."""

import re

import pandas as pd
import pytest
from synthetic_records import write_results
from synthetic_scores import add_benchmark

from groundvts.errors import BadInput
from groundvts.records import read_record, write_json
from groundvts.report.comparisons import (
    differences,
    every_difference,
    every_pair,
    load_comparison,
)
from groundvts.report.figures import score_bars
from groundvts.report.findings import benchmark_conclusions, conclusions
from groundvts.report.output import INTERVALS, shown, shown_differences, split_parts
from groundvts.report.page import write_page
from groundvts.report.tables import headline, main_table, with_trivial


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("toy"))


# ---- comparisons


def test_joined_rows_have_the_intervals_of_the_comparisons(tmp_path):
    folder = write_results(tmp_path, videos=3)
    path = folder / "comparisons/charades_sta.json"
    record = read_record(path)
    record["variants"]["vts-0.25"]["metrics"]["mIoU"] |= {"low": 1.5, "high": 99.5}
    write_json(path, record)
    row = headline(main_table(folder)).set_index("variant").loc["vts-0.25"]
    assert (row["mIoU low"], row["mIoU high"]) == (1.5, 99.5)
    record["variants"]["vts-0.25"]["runs"] = ["vts-0.25-s0"]
    write_json(path, record)
    with pytest.raises(BadInput, match="joins other runs of vts"):
        main_table(folder)


def test_without_comparisons_joined_rows_have_no_interval(tmp_path):
    folder = write_results(tmp_path, videos=3)
    (folder / "comparisons/charades_sta.json").unlink()
    table = main_table(folder)
    joined = table[table.joined]
    assert joined.mIoU.notna().all()
    assert joined["mIoU low"].isna().all()
    assert table[~table.joined]["mIoU low"].notna().all()
    assert differences(folder).empty
    assert list(shown_differences(differences(folder))) == [
        "Question", "Variant", "Against", "Seeds",
    ]  # fmt: skip
    assert every_difference(folder, "charades_sta").empty
    assert list(shown_differences(every_difference(folder, "charades_sta"))) == [
        "Variant", "Against", "Seeds",
    ]  # fmt: skip
    assert "not clearly above it: " in " ".join(conclusions(folder))
    page = write_page(folder).read_text()
    assert f"{INTERVALS} The constant" in page
    score_bars(headline(table), table[~table.joined], folder / "bars")


def test_a_pair_is_known_either_way_round(results):
    comparison = load_comparison(results)
    pairs = comparison["pairs"]
    stored = {(pair["ours"], pair["theirs"]): pair["metrics"]["mIoU"] for pair in pairs}
    turned = every_pair(comparison)["vts-0.25", "control-constant-weights"]
    metric = stored["control-constant-weights", "vts-0.25"]
    names = ["mIoU", "mIoU low", "mIoU high", "mIoU p"]
    expected = [-metric["value"], -metric["high"], -metric["low"], metric["p"]]
    assert [turned[name] for name in names] == expected
    found = differences(results)
    assert (found["mIoU low"] <= found["mIoU"]).all()
    printed = shown_differences(differences(results))
    assert printed.columns.tolist()[3:] == ["Seeds", "mIoU", "p", "R1@0.3", "R1@0.5", "R1@0.7"]
    assert "0.0040" in printed.p.tolist()
    seeds = dict(
        zip(zip(printed.Variant, printed.Against, strict=True), printed.Seeds, strict=True)
    )
    assert seeds["vts-0.25", "base"] == seeds["vts-0.25", "constant"] == "3"
    assert seeds["vts-0.25", "full"] == seeds["vts-0.5", "base"] == "1"
    brackets = printed.mIoU.str[-1]
    assert (brackets == printed.Seeds.map({"3": "]", "1": ")"})).all()
    alone = every_difference(results, "charades_sta").set_index(["ours", "theirs"])
    assert alone["count"]["base", "constant"] == 0
    printed = shown_differences(alone.reset_index()).set_index(["Variant", "Against"])
    assert printed.Seeds["base", "constant"] == "–"
    assert printed.mIoU["base", "constant"].endswith("]")
    assert len(every_difference(results, "charades_sta")) == len(pairs) == 11 * 10 / 2


# ---- trivial rows, other benchmarks


def test_trivial_rows_follow_the_constant_window(results):
    table = with_trivial(headline(main_table(results)), results)
    labels = ["Constant span", "Trivial: whole video", "Trivial: centre half", "Base"]
    assert table.label.tolist()[:4] == labels
    assert table.variant.tolist()[:4] == ["constant", "trivial", "trivial", "base"]
    assert table.mIoU.tolist()[1:3] == [31.25, 30.5]
    assert table["mIoU low"].isna().tolist()[:3] == [False, True, True]
    printed = shown(table).iloc[1]
    assert printed["mIoU"] == "31.2"
    assert printed[["Seeds", "R1@0.5", "Asked / scored / failed"]].tolist() == ["–"] * 3
    assert shown(table).iloc[0]["Asked / scored / failed"] == "36 / 36 / 0"


def test_other_benchmarks_get_tables_of_their_own(tmp_path):
    folder = write_results(tmp_path, videos=2)
    before = main_table(folder)
    for name in ("qvhighlights", "nextgqa"):
        add_benchmark(folder, name)
    pd.testing.assert_frame_equal(main_table(folder), before)
    table = with_trivial(main_table(folder, "qvhighlights"), folder, "qvhighlights")
    assert "object" not in table
    parts = {part.name: (part, tidy) for part, tidy in split_parts(table, "qvhighlights")}
    moments, highlights = (parts[name][1] for name in ("moments", "highlights"))
    assert moments.label.tolist()[:2] == ["Trivial: whole video", "Base"]
    assert highlights.label.tolist()[:2] == ["Trivial: all zero", "Base"]
    assert not any("HD-" in name for name in moments)
    assert not any("MR-" in name for name in highlights)
    page = write_page(folder).read_text()
    for text in (">QVHighlights</h2>", "<h3>Highlights</h3>", ">NExT-GQA</h2>", "MR-mAP"):
        assert page.count(text) >= 1
    assert (
        page.index(">Headline</h2>")
        < page.index(">QVHighlights</h2>")
        < page.index(">Figures</h2>")
    )
    assert "<th>Ratio</th><th>Acc@QA</th><th>Acc@GQA</th>" in page
    lost = re.sub("<[^>]+>", " ", page[page.index(">What failed</h2>") :])
    assert re.search(r"QVHighlights\s+base\s+40\s+1\s+1 no window", lost)


def test_a_run_that_was_to_be_scored_is_named_where_it_was_not(tmp_path):
    folder = add_benchmark(write_results(tmp_path, videos=2), "nextgqa")
    (folder / "scores/vts-0.25-s1/nextgqa.json").unlink()
    (folder / "comparisons/nextgqa.json").unlink()
    page = write_page(folder).read_text()
    assert "vts-0.25-s1: no score record on NExT-GQA" in page
    assert "full-s0: no score record on NExT-GQA" not in page


def test_benchmark_conclusions_name_what_is_not_above_the_trivial_rows(tmp_path):
    folder = add_benchmark(write_results(tmp_path, videos=2), "qvhighlights")
    moments, highlights, failures = benchmark_conclusions(folder, "qvhighlights")
    assert moments.startswith("MR-mAP: ")
    assert moments.endswith("(Trivial: whole video) scores 12.5; rows whose interval is not above "
                            "it: none.")  # fmt: skip
    assert highlights.endswith("(Trivial: all zero) scores 39.8; rows whose interval is not above "
                               "it: base, vts-0.25.")  # fmt: skip
    assert failures == "Failures, of 40 queries each: base 1 no_window."
    assert any("(Constant span) scores" in sentence for sentence in conclusions(folder))
