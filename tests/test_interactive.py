"""By hand, after `make`: notebooks as they stand, and every example of documentation."""

import doctest
import re

import nbformat
import pytest
from dag import ROOT
from nbclient import NotebookClient

from groundvts.inference.ground import ground
from groundvts.models.load import load_model
from groundvts.report.tidy import load_records

NOT_MADE = dict.fromkeys(
    ("ablations", "reducers"), "snakemake"
)  # named with the command that makes them
EMPTIED = """for _name in [*globals()]:
    if not _name.startswith("_") and _name not in ("In", "Out", "get_ipython", "exit", "quit"):
        del globals()[_name]"""  # %reset also drops __spec__, which a process started from it needs


def files(project) -> dict:
    """Sizes and times of what lies outside the results."""
    found = (path for path in project.rglob("*") if path.is_file())
    outside = (path for path in found if path.relative_to(project).parts[0] != "results")
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in outside}


def test_every_notebook_runs_as_it_stands_and_writes_results_alone(work):
    """All in one kernel, emptied before each; it stands where Jupyter puts it, in notebooks/."""
    whole = nbformat.v4.new_notebook()
    for path in sorted((work / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        assert ["parameters" in cell.metadata.get("tags", []) for cell in code].count(True) == 1
        whole.cells.append(nbformat.v4.new_code_cell(EMPTIED))
        whole.cells += [
            nbformat.v4.new_code_cell(c.source, metadata={"of": path.stem}) for c in code
        ]
    before = files(work)
    place = {"metadata": {"path": str(work / "notebooks")}}
    NotebookClient(whole, kernel_name="python3", allow_errors=True, resources=place).execute()
    assert files(work) == before
    failed: dict = {}  # the first error of each notebook, where "Run all" stops
    for cell in whole.cells:
        wrong = [output for output in cell.outputs if output.output_type == "error"]
        if wrong:
            failed.setdefault(cell.metadata["of"], "\n".join(wrong[0].traceback))
    assert set(failed) == set(NOT_MADE), failed
    for name, command in NOT_MADE.items():
        assert failed[name].startswith("BadInput: ")
        assert command in failed[name]
        assert "\n" not in failed[name]
    assert not [output for cell in whole.cells for output in cell.outputs
                if output.get("name") == "stderr"]  # fmt: skip


def test_the_examples_of_the_notebooks_page_run_in_order(work, monkeypatch, capsys):
    monkeypatch.chdir(work)
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "notebooks/README.md").read_text(), re.DOTALL
    )
    assert len(blocks) == 5
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert "no run is scored on tacos" in capsys.readouterr().out
    assert len(names["answers"]) == 2
    kept = {path.name for path in (work / "results" / "answers").iterdir()}
    pictures = {f"{stem}.{kind}" for stem in ("test0002", "triangle") for kind in ("png", "pdf")}
    assert kept == {"test0002.json", *pictures}


@pytest.mark.parametrize("function", [load_records, load_model, ground])
def test_the_example_of_the_docstring_runs(work, monkeypatch, function):
    monkeypatch.chdir(work)
    [found] = doctest.DocTestFinder(recurse=False).find(function, globs={})
    assert found.examples
    assert doctest.DocTestRunner().run(found).failed == 0
