"""Notebooks, page and README of the report, made from made-up records."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from browser import CHROMIUM, check_pages
from synthetic_records import write_results
from synthetic_scores import add_benchmark, read_runs

from groundvts.errors import BadInput, RunFailed
from groundvts.records import write_json
from groundvts.report.notebook import render_notebook
from groundvts.report.page import write_page
from groundvts.report.readme import (
    check,
    marks,
    render_benchmarks,
    render_reducers,
    render_results,
    save_reference,
    update,
)

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "workflow" / "published"
TOKENS = ("kept_around_windows", "kept_by_stage", "kept_in_the_frame", "kept_over_time")
TOKENS += ("tokens_1", "tokens_2", "tokens_3", "two_queries")
NOTEBOOKS = ("training", "results", "tokens", "benchmarks")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = write_results(tmp_path_factory.mktemp("toy"))
    return add_benchmark(add_benchmark(folder, "qvhighlights"), "nextgqa")


@pytest.fixture(scope="module")
def rendered(results):
    """The results folder with executed notebooks, tables, figures and page."""
    for name in NOTEBOOKS:
        out = results / "notebooks" / name
        parameters = {"results": str(results)}
        if name == "results":
            parameters["published"] = str(PUBLISHED)
        notebook = ROOT / "notebooks" / f"{name}.ipynb"
        render_notebook(notebook, f"{out}.ipynb", f"{out}.html", parameters)
    write_page(results)
    return results


# ---- notebooks and page


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_thin_and_stripped(name):
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert sum(len(cell.source.splitlines()) for cell in code) < 150
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert 'results = "results/toy"' in tagged[0].source
    assert notebook.metadata.language_info.name == "python"


def test_notebooks_write_their_tables_and_figures(rendered):
    other = ("qvhighlights_moments", "qvhighlights_highlights_differences", "nextgqa")
    for stem in ("main", "differences", "paper", "training", "kept", "kept_by_stage", *other):
        for suffix in ("csv", "md", "tex"):
            assert (rendered / "tables" / f"{stem}.{suffix}").stat().st_size > 0
    for stem in ("loss", "token_recall", "miou", *TOKENS):
        for suffix in ("png", "pdf"):
            assert (rendered / "figures" / f"{stem}.{suffix}").stat().st_size > 1000
    assert "Trivial: whole video" in (rendered / "tables/main.md").read_text()
    assert (
        "rows whose interval is not above" in (rendered / "notebooks/benchmarks.html").read_text()
    )
    page = (rendered / "notebooks" / "tokens.html").read_text()
    assert page.count("<img ") == len(TOKENS)
    assert "default-src 'none'" in page


def test_page_shows_and_links_everything(rendered):
    text = (rendered / "index.html").read_text()
    assert "http:" not in text
    assert "https:" not in text
    assert "<script" not in text
    assert text.count("<img ") == 3 + len(TOKENS)
    for name in NOTEBOOKS:
        assert f'"notebooks/{name}.html"' in text
    for said in ("Notebook: Ablations</b> is not made yet", "snakemake --cores all efficiency"):
        assert said in text
    assert "unparsed answer" in text
    assert "Constant span" in text
    assert text.count("<tr class=ours>") == 3 + 2 + 1
    for file in ("comparisons/nextgqa.json", "tables/main.tex", "figures/miou.pdf"):
        assert f'"{file}"' in text


def test_page_links_the_base_that_each_run_starts_from(tmp_path):
    folder = write_results(tmp_path, videos=1)
    for seed in (0, 1):
        write_json(folder / f"bases/qwen-s{seed}/record.json", {})
    listed = [entry | {"backbone": "qwen"} for entry in read_runs(folder)]
    write_json(folder / "runs.json", listed)
    text = write_page(folder).read_text()
    rows = dict(re.findall(r"<b>([^<]*)</b> (.*?)</p>", text))
    for run, seed in (("vts-0.25-s0", 0), ("vts-0.25-s1", 1), ("full-s0", 0)):
        assert f'<a href="bases/qwen-s{seed}/record.json">base</a>' in rows[run]
    assert "bases/" not in rows["vts-0.25-s2"]  # it was not made


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
def test_page_and_notebooks_pass_in_a_browser(rendered):
    assert check_pages(rendered) == []


def test_failing_cell_is_named_and_leaves_nothing(tmp_path):
    notebook = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell("results = ''", metadata={"tags": ["parameters"]})
    notebook.cells = [cell, nbformat.v4.new_code_cell("1 / 0")]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    out = tmp_path / "out"
    with pytest.raises(RunFailed, match=r"bad\.ipynb.*'1 / 0'.*ZeroDivisionError"):
        render_notebook(tmp_path / "bad.ipynb", out / "bad.ipynb", out / "bad.html", {})
    assert list(out.iterdir()) == []


def test_unreadable_notebook_is_bad_input(tmp_path):
    (tmp_path / "bad.ipynb").write_text("{")
    with pytest.raises(BadInput, match=r"bad\.ipynb: not a readable notebook"):
        render_notebook(tmp_path / "bad.ipynb", tmp_path / "a", tmp_path / "b", {})


# ---- README


def test_readme_follows_the_reference_records(results, tmp_path):
    reference, readme = tmp_path / "reference", tmp_path / "README.md"
    save_reference(results, reference)
    assert render_results(reference) == render_results(results)
    assert render_benchmarks(reference) == render_benchmarks(results)
    begin, end = marks("results")
    readme.write_text(f"# Title\n\n{begin}\n{end}\n\nThe end.\n")
    assert not check(readme, reference)
    update(readme, reference)
    text = readme.read_text()
    assert check(readme, reference)
    assert text.startswith("# Title\n")
    assert text.endswith(f"{end}\n\nThe end.\n")
    assert "| GroundVTS (3 seeds) | 0.25 |" in text
    assert "| Trivial: whole video | – |" in text
    assert "QVHighlights" not in text
    path = reference / "scores/base/charades_sta.json"
    record = json.loads(path.read_text())
    record["metrics"]["mIoU"]["value"] += 1
    write_json(path, record)
    assert not check(readme, reference)


def test_the_reference_keeps_the_tables_that_the_results_lack(results, tmp_path):
    reference = tmp_path / "reference"
    write_json(reference / "runs.json", [])
    with pytest.raises(BadInput, match="not ours to replace"):  # any results have runs
        save_reference(results, reference)
    (reference / "two_queries.png").write_bytes(b"old")
    old = [reference / f"tables/reducers{end}.md" for end in ("_overview", "_gone")]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old\n")
    (reference / "scores/gone").mkdir(parents=True)
    save_reference(results, reference)
    assert not (reference / "scores/gone").exists()
    assert [path.read_text() for path in old] == ["old\n", "old\n"]
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    (copy / "tables").mkdir(exist_ok=True)
    shutil.copy(copy / "scores/base/charades_sta.json", copy / "scores/base/case_long.json")
    (copy / "tables/reducers_overview.md").write_text("new\n")
    save_reference(copy, reference)
    assert [path.read_text() for path in old if path.exists()] == ["new\n"]
    assert render_reducers(reference) == "new"
    assert not (reference / "scores/base/case_long.json").exists()  # asked, but not evaluated


def test_readme_has_the_other_benchmarks_where_they_are_marked(results, tmp_path):
    readme = tmp_path / "README.md"
    marked = "\n".join(marks("results") + marks("benchmarks")) + "\n"
    readme.write_text(marked)
    update(readme, results)
    lines = readme.read_text().split(marks("benchmarks")[0])[1].splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    assert [row[:2] for row in rows[2:]] == [
        ["| QVHighlights", "Base"], ["| QVHighlights", "GroundVTS (3 seeds)"],
        ["| NExT-GQA", "Base"], ["| NExT-GQA", "GroundVTS (3 seeds)"],
    ]  # fmt: skip
    assert [row[3].split()[0] for row in rows[2:]] == ["MR-mAP"] * 2 + ["Acc@GQA"] * 2
    assert rows[2][3].endswith("] (12.5)")
    assert check(readme, results)
    assert render_benchmarks(write_results(tmp_path / "alone", videos=1)) == ""
    readme.write_text(marked.replace(marks("benchmarks")[1], ""))
    with pytest.raises(BadInput, match="lacks the markers '<!-- benchmarks"):
        update(readme, results)


def test_readme_without_markers_is_bad_input(results, tmp_path):
    (tmp_path / "README.md").write_text("# Title\n")
    with pytest.raises(BadInput, match="lacks the markers"):
        update(tmp_path / "README.md", results)
