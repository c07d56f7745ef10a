"""Ablations: rows beside the first and beside the paper's, as tables, pictures and words."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from synthetic_ablations import VARIANTS, write_ablation
from synthetic_records import write_results
from synthetic_scores import add_benchmark

from groundvts.errors import BadInput
from groundvts.report.ablation_figures import draw_ablation, draw_density
from groundvts.report.ablation_words import choice_and_weights, findings
from groundvts.report.ablations import PAPER_HEADING, caption, load_ablations, shown_ablation
from groundvts.report.claims import judged
from groundvts.report.notebook import render_notebook
from groundvts.report.output import html_table, write_table
from groundvts.report.recall_figure import draw_recall, recall_table

ROOT = Path(__file__).resolve().parents[1]
OURS = "Here (results scale)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("ablations") / "results")


@pytest.fixture
def ablation(folder):
    write_ablation(folder)
    return load_ablations(folder)[0]


def test_rows_are_in_the_order_asked_and_differ_from_the_first(ablation):
    table = ablation.rows
    assert list(table.index) == VARIANTS
    assert ablation.heading == "Which (Table 5)"
    assert list(table.name) == ["GroundVTS, ratio 0.25", "At random", "GroundVTS, ratio 0.5"]
    assert pd.isna(table.difference["vts-0.25"])
    first, half = ablation.singles("vts-0.25"), table.mIoU["vts-0.5"]
    gaps = {"random-0.25": table.mIoU["random-0.25"] - table.mIoU["vts-0.25"]}
    gaps["vts-0.5"] = half - first[0]  # seed 0 is all that both have
    for name, gap in gaps.items():
        assert table.difference[name] == pytest.approx(gap)
        assert table["difference low"][name] < gap < table["difference high"][name]
    assert table["count"].tolist() == [3, 3, 1]
    assert table["difference count"].tolist()[1:] == [3, 1]
    assert ablation.singles("vts-0.5") == [table.mIoU["vts-0.5"]]


def test_the_papers_rows_stand_beside_ours(ablation):
    table = ablation.rows
    assert table["paper mIoU"]["vts-0.25"] == 50.1
    assert table["paper R1@0.7"]["random-0.25"] == 16.3
    assert table["paper difference"]["random-0.25"] == pytest.approx(35.7 - 50.1)
    printed = shown_ablation(ablation)
    assert printed["", "Seeds"].tolist() == ["3", "3", "1"]
    assert printed["", "Density"].tolist() == ["0.5", "0.5", "1"]
    assert printed[OURS, "less row 1"][0] == "–"
    assert printed[OURS, "less row 1"][1].startswith("-")
    for column in ("mIoU", "less row 1"):  # round brackets: one seed, over videos alone
        assert printed[OURS, column].str[-1].tolist()[1:] == ["]", ")"]
    assert printed[PAPER_HEADING, "mIoU"].tolist() == ["50.1", "35.7", "–"]
    assert printed[PAPER_HEADING, "less row 1"].tolist() == ["–", "-14.4", "–"]
    assert list(printed[OURS]) == ["R1@0.3", "R1@0.5", "R1@0.7", "mIoU", "less row 1"]


@pytest.mark.parametrize(
    ("published", "named"),
    [
        ({"table": "none"}, "none.csv: cannot be read"),
        ({"rows": {"vts-0.25": {"granularity": "token"}}}, "rows.vts-0.25: 2 rows of granularity"),
        ({"rows": {"vts-0.25": {"granularity": "grain"}}}, "rows.vts-0.25: 0 rows of granularity"),
        ({"rows": {"vts-0.25": {"grain": "token"}}}, "no column 'grain'"),
    ],
)
def test_a_row_that_the_paper_has_not_is_named(folder, published, named):
    write_ablation(folder, published=published)
    with pytest.raises(BadInput, match=named):
        load_ablations(folder)


def test_a_comparison_of_an_older_form_is_named(folder):
    write_ablation(folder)
    path = folder / "ablations" / "samplers" / "about.json"
    path.write_text(path.read_text().replace('"claims"', '"clams"'))
    with pytest.raises(BadInput, match="lacks claims; run `snakemake ablations`"):
        load_ablations(folder)


def test_another_benchmark_has_its_own_numbers_of_the_paper(tmp_path):
    variants = ["vts-0.25", "random-0.25"]
    folder = write_results(tmp_path / "results", videos=3)
    add_benchmark(folder, "activitynet_captions", list(reversed(variants)))
    write_ablation(folder, variants=variants, benchmark="activitynet_captions")
    [ablation] = load_ablations(folder)
    assert ablation.heading == "Which, ActivityNet-Captions (Table 5)"
    assert ablation.rows["paper mIoU"].tolist() == [36.0, 27.7]
    assert ablation.rows.mIoU["vts-0.25"] > 50  # not of the main benchmark
    [claim] = judged([ablation]).says
    assert claim == "The choice helps (ActivityNet-Captions)"
    assert recall_table([ablation]).empty


def test_words_follow_the_intervals(ablation):
    words = findings(ablation)
    [worse] = [line for line in words if line.startswith("Worse")]
    assert "At random: -" in worse
    assert "ratio 0.5" not in worse
    [few] = [line for line in words if line.startswith("Too few seeds")]
    assert "GroundVTS, ratio 0.5: -" in few
    assert few.partition("(")[2].startswith("-")  # over videos alone
    assert any("Pairs of rows in the paper's order here: 1 of 1;" in w for w in words)
    assert any("zero, %: At random: 2.8; the others at most 0.0." in line for line in words)
    assert any("GroundVTS, ratio 0.25: 99 (58, 25)" in w for w in words)  # object, others, chance
    table = ablation.table.copy()
    table.loc[1, ["difference low", "difference high"]] = -3.0, 3.0
    table.loc[2, ["difference", "difference low", "difference high"]] = 5.0, 4.0, 6.0
    text = " ".join(findings(replace(ablation, table=table)))
    assert "Better" not in text
    assert "Too few seeds: GroundVTS, ratio 0.5: +5.0 (+4.0, +6.0)" in text
    table.loc[2, "difference count"] = 3
    text = " ".join(findings(replace(ablation, table=table)))
    assert "Worse" not in text
    assert "Too few seeds" not in text
    assert "Better: GroundVTS, ratio 0.5: +5.0 [+4.0, +6.0]" in text
    assert "Not told apart: At random" in text


def test_the_opposite_order_is_named(folder):
    rows = {"vts-0.25": {"granularity": "random"}, "random-0.25": {"granularity": "frame"}}
    write_ablation(folder, published={"rows": rows})
    words = " ".join(findings(load_ablations(folder)[0]))
    assert "in the opposite order: 1 (GroundVTS, ratio 0.25 above At random); not" in words


def test_choice_and_weights_in_words(folder):
    variants = ["vts-0.25", "control-constant-weights", "control-random-choice", "random-0.25"]
    write_ablation(folder, variants=variants, published=None)
    [ablation] = load_ablations(folder)
    gain, together = choice_and_weights(ablation)
    alone = ablation.pairs["control-constant-weights", "random-0.25"]["mIoU"]
    whole = ablation.pairs["vts-0.25", "random-0.25"]["mIoU"]
    assert f"gains {alone:+.1f} (" in gain  # one seed
    assert f"{100 * alone / whole:.0f} % of the gain of both" in gain
    assert "too few seeds say which brings more" in gain
    assert f"Together they gain {whole:+.1f} [" in together
    pairs = {key: pair | {"count": 3} for key, pair in ablation.pairs.items()}
    for sign, words in ((1, "the choice brings more"), (-1, "the weights on kept tokens bring")):
        pairs["control-random-choice", "control-constant-weights"] |= {
            "mIoU": -2.0 * sign, "mIoU low": -2 * sign - 1, "mIoU high": -2 * sign + 1,
        }  # fmt: skip
        assert words in choice_and_weights(replace(ablation, pairs=pairs))[0]
    assert choice_and_weights(replace(ablation, table=ablation.table.iloc[:3])) == []


def test_the_caption_says_where_rows_are_older(ablation):
    assert "36 test queries of 12 videos" in caption(ablation)
    assert "other source" not in caption(ablation)
    table = ablation.table.assign(older=["", "train", ""])
    assert "other source" in caption(replace(ablation, table=table))


def test_headings_of_two_levels_are_ruled_in_print(ablation, tmp_path):
    write_table(ablation.table, shown_ablation(ablation), tmp_path / "a", caption(ablation))
    tex, page = (tmp_path / "a.tex").read_text(), (tmp_path / "a.md").read_text()
    assert "\\multicolumn{5}{c}{Paper (7B, real videos)}" in tex
    assert "\\cmidrule(lr){4-8} \\cmidrule(lr){9-13}" in tex
    assert "| Row | Density | Seeds |" in page
    assert f"| {PAPER_HEADING}: mIoU |" in page
    assert 'colspan="5"' in html_table(shown_ablation(ablation))


def test_a_picture_for_each(ablation, tmp_path):
    assert draw_ablation(ablation, tmp_path / "a").stat().st_size > 5000
    without = replace(ablation, published=None)
    assert draw_ablation(without, tmp_path / "b").stat().st_size > 5000


def test_density_has_a_line_for_each_method(folder, tmp_path):
    rows = {
        "vts-0.25": {"method": "GroundVTS-Q", "density": 0.4},
        "vts-0.5": {"method": "GroundVTS-Q", "density": 1.0},
    }
    write_ablation(folder, published={"table": "token_density", "rows": rows})
    [ablation] = load_ablations(folder)
    assert ablation.rows["paper mIoU"]["vts-0.25"] == 46.0
    assert draw_density(ablation, tmp_path / "density").stat().st_size > 5000
    assert (tmp_path / "density.pdf").is_file()


def test_recall_against_ratio(ablation, tmp_path):
    table = recall_table([ablation])
    lines = table.set_index(["line", "ratio", "share"])
    ours = lines.loc[("GroundVTS, trained at this ratio", 0.25, "object")]
    assert (ours.value, ours.seeds) == (99, 3)
    assert lines.loc[("random drop", 0.25, "interval")].value == 25
    assert draw_recall(table, tmp_path / "recall").stat().st_size > 5000
    none = recall_table([replace(ablation, runs=[])])
    assert draw_recall(none, tmp_path / "none").stat().st_size > 5000


def test_the_notebook_writes_its_tables_and_figures(folder, tmp_path):
    write_ablation(folder)
    notebook = ROOT / "notebooks" / "ablations.ipynb"
    parameters = {"results": str(folder), "published": str(ROOT / "workflow" / "published")}
    render_notebook(notebook, tmp_path / "a.ipynb", tmp_path / "a.html", parameters)
    tables, figures = (
        {path.name for path in (folder / part).iterdir()} for part in ("tables", "figures")
    )
    kinds = ("csv", "md", "tex")
    assert tables == {f"{s}.{k}" for s in ("claims", "ablation_samplers") for k in kinds}
    kinds = ("png", "pdf")
    assert figures == {f"{s}.{k}" for s in ("recall_ratio", "ablation_samplers") for k in kinds}
    page = (tmp_path / "a.html").read_text()
    assert (
        page.index("The choice helps") < page.index("More is better") < page.index("Which (Table")
    )


def test_without_ablations_one_line(tmp_path: Path):
    with pytest.raises(BadInput, match="snakemake ablations"):
        load_ablations(tmp_path)
