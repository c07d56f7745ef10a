"""Every file is written whole or not at all, over no input, and nothing of one's own is deleted."""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from synthetic_records import write_results
from test_cli import groundvts, refused

from groundvts import cli
from groundvts.data.files import part_of, whole_folder, write_jsonl, write_text, writing
from groundvts.data.moment import Moment, write_moments
from groundvts.errors import BadInput
from groundvts.records import write_json
from groundvts.report.figures import save
from groundvts.report.notebook import render_notebook
from groundvts.report.output import write_table
from groundvts.report.page import write_page
from groundvts.report.readme import save_reference, update

TABLE = pd.DataFrame({"a": ["x" * 100] * 200})
MANY = [{"id": str(n), "text": "x" * 100} for n in range(200)]


@pytest.fixture
def small_files():
    """No file may become larger than 4,096 bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def picture(folder: Path) -> None:
    figure = plt.figure()
    figure.add_subplot().imshow(np.random.default_rng(0).random((90, 90)))
    save(figure, folder / "picture")


def readme(folder: Path) -> None:
    path = folder / "README.md"
    if not path.exists():
        path.write_text("<!-- results: rendered from results/reference, do not edit -->\n"
                        f"<!-- end of results -->\n{'x' * 9000}\n")  # fmt: skip
    update(path, write_results(folder / "kept"))


def notebook(folder: Path) -> None:
    note = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("x" * 9000)])
    note.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    source = folder.parent / "source.ipynb"
    if not source.exists():
        nbformat.write(note, source)
    render_notebook(source, folder / "a.ipynb", folder / "a.html", {})


def toy(folder: Path) -> None:
    settings = json.dumps({"seed": 0, "side": 56, "count": 1})
    arguments = ["toy-cases", "--settings", settings, "--workers", "1", "--out", str(folder)]
    cli.main(arguments)


WRITERS = {
    "text": lambda folder: write_text(folder / "a.txt", "x" * 9000),
    "lines": lambda folder: write_jsonl(folder / "a.jsonl", MANY),
    "json": lambda folder: write_json(folder / "a.json", MANY),
    "record": lambda folder: write_json(folder / "a.json", {"verb": "score", "all": MANY}),
    "table": lambda folder: write_table(TABLE, TABLE, folder / "a", "Caption."),
    "figure": picture,
}  # fmt: skip
LONGER = {"page": lambda folder: write_page(write_results(folder)), "readme": readme,
          "notebook": notebook}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_is_full_half_way_leaves_the_old_file(name, tmp_path, small_files):
    WRITERS[name](tmp_path)
    assert_kept(tmp_path, WRITERS[name], small_files)


def assert_kept(folder: Path, write, small_files) -> None:
    """Writing under a limit fails, names a file that is there, and changes none of its bytes."""
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    small_files()
    with pytest.raises(OSError, match="File too large") as caught:
        write(folder)
    assert Path(caught.value.filename) in before
    after = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert after == before


@pytest.mark.parametrize("name", ["page", "readme"])
def test_page_and_readme_are_kept_so(name, tmp_path, small_files, monkeypatch):
    """What they are made of is written first, without a limit."""
    LONGER[name](tmp_path)
    monkeypatch.setitem(globals(), "write_results", lambda folder: folder)
    assert_kept(tmp_path, LONGER[name], small_files)


@pytest.mark.slow
def test_an_executed_notebook_is_kept_so(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    notebook(folder)
    before = {p: p.read_bytes() for p in folder.iterdir()}

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nbformat, "write", fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        notebook(folder)
    assert Path(caught.value.filename) == folder / "a.ipynb"
    assert {p: p.read_bytes() for p in folder.iterdir()} == before


def test_a_folder_is_kept_so_and_its_file_named(tmp_path, small_files, capsys):
    folder = tmp_path / "cases"
    toy(folder)
    before = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    small_files()
    settings = json.dumps({"seed": 1, "side": 56, "count": 1})
    line = ("toy-cases", "--settings", settings, "--workers", "1", "--out", folder)
    status, _, err = groundvts(capsys, *line)
    assert status == 1
    assert err.splitlines()[-1].startswith(f"groundvts: {folder}: File too large")
    after = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert after == before
    assert [p.name for p in tmp_path.iterdir()] == ["cases"]


def test_a_librarys_own_error_is_named_too(tmp_path, small_files):
    import torch
    from safetensors.torch import save_file

    def save_weights():
        with whole_folder(tmp_path / "model") as partial:
            save_file({"a": torch.zeros(9000)}, partial / "model.safetensors")

    small_files()
    with pytest.raises(OSError, match="File too large") as caught:
        save_weights()
    assert caught.value.filename == str(tmp_path / "model")


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    def read_inside(path):
        with writing(tmp_path / "a"):
            return path.read_bytes()

    with pytest.raises(FileNotFoundError) as caught:
        read_inside(tmp_path / "other")
    assert caught.value.filename == str(tmp_path / "other")
    with pytest.raises(BadInput, match="os error 2"), writing(tmp_path / "a"):
        raise BadInput("shard: gone (os error 2)")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from groundvts.data.files import writing
with writing(Path(sys.argv[1]) / "a.txt") as partial:
    partial.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_what_the_killed_left_is_swept_and_the_living_and_others_stay(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    [left] = tmp_path.iterdir()
    mine = [tmp_path / ".writing.thesis", tmp_path / ".writing.1.of.mine", tmp_path / "a.txt.part"]
    for path in mine:
        path.write_text("thesis")
    with writing(tmp_path / "b.txt") as other:
        other.write_text("alive")
        write_text(tmp_path / "a.txt", "whole")
        assert other.exists()
    assert not left.exists()
    assert {p.name for p in tmp_path.iterdir()} == {"a.txt", "b.txt", *(p.name for p in mine)}


def test_a_pipe_is_written_as_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    write_text(pipe, "said\n")
    assert reader.communicate()[0] == b"said\n"
    assert pipe.is_fifo()


# ---- what is not ours


def test_only_what_is_empty_or_ours_is_replaced(tmp_path):
    out = tmp_path / "p"
    for place in (out, tmp_path / "p.part"):
        place.mkdir()
        (place / "thesis.txt").write_text("x")

    def made():
        with whole_folder(out) as partial:
            write_json(partial / "record.json", {"verb": "merge"})

    with pytest.raises(BadInput, match="not ours to replace"):
        made()
    assert (out / "thesis.txt").read_text() == "x"
    (out / "thesis.txt").unlink()
    (out / "empty").mkdir()
    made()
    made()
    assert [p.name for p in out.iterdir()] == ["record.json"]
    assert (tmp_path / "p.part" / "thesis.txt").read_text() == "x"
    assert not part_of(out).exists()


def test_a_link_to_a_folder_is_replaced_and_not_what_it_names(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "record.json").write_text("{}")
    (tmp_path / "p").symlink_to(shared)
    with whole_folder(tmp_path / "p") as partial:
        (partial / "record.json").write_text("new")
    assert (shared / "record.json").read_text() == "{}"
    assert (tmp_path / "p" / "record.json").read_text() == "new"


@pytest.mark.parametrize("verb", ["toy-benchmark", "toy-cases", "import-released"])
def test_no_verb_replaces_a_folder_of_ones_own(verb, tmp_path, capsys):
    out = tmp_path / "p"
    out.mkdir()
    (out / "thesis.txt").write_text("x")
    settings = json.dumps({"seed": 0, "side": 56, "count": 1})
    words = {"import-released": [tmp_path]}.get(verb, ["--settings", settings])
    refused(capsys, verb, *words, "--out", out)
    assert [p.name for p in out.iterdir()] == ["thesis.txt"]


def test_a_part_of_a_download_is_resumed_only_where_it_is_ours(tmp_path, capsys):
    (tmp_path / "a.bin.part").write_text("thesis")
    source = json.dumps({"url": "http://127.0.0.1:9/a.bin"})
    line = refused(capsys, "download", "--source", source, "--out", tmp_path / "a.bin")
    assert "a.bin.part: is there already, and not ours" in line
    (tmp_path / "m.part").mkdir()
    (tmp_path / "m.part" / "thesis.txt").write_text("x")
    source = json.dumps({"hub": "a/b"})
    line = refused(capsys, "download", "--source", source, "--out", tmp_path / "m")
    assert "m.part: is there already, and not ours" in line


@pytest.fixture
def results(tmp_path):
    return write_results(tmp_path / "toy")


@pytest.mark.parametrize("target", ["toy", "toy/reference", "."])
def test_a_reference_is_not_kept_in_its_source(target, results, tmp_path, capsys):
    before = sorted(p for p in results.rglob("*"))
    line = refused(capsys, "reference", results, "--records", tmp_path / target)
    assert "would be overwritten" in line
    assert sorted(p for p in results.rglob("*")) == before


def test_a_reference_changes_when_all_has_been_read(results, tmp_path):
    kept = tmp_path / "kept"
    picture(results / "figures")
    (results / "figures" / "picture.png").rename(results / "figures" / "two_queries.png")
    save_reference(results, kept)
    before = {p: p.read_bytes() for p in kept.rglob("*") if p.is_file()}
    broken = sorted(results.glob("scores/*/charades_sta.json"))[-1]
    broken.write_text('{"half')
    with pytest.raises(BadInput, match=broken.name):
        save_reference(results, kept)
    assert {p: p.read_bytes() for p in kept.rglob("*") if p.is_file()} == before
    mine = tmp_path / "mine"
    (mine / "scores").mkdir(parents=True)
    (mine / "scores" / "thesis.txt").write_text("x")
    with pytest.raises(BadInput, match="not ours"):
        save_reference(results, mine)


# ---- no output over an input


def verbs() -> dict[str, argparse.ArgumentParser]:
    [commands] = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return commands.choices


def test_every_option_of_every_verb_is_an_input_an_output_or_no_path():
    """An option without a type is an input; a new word that is no path has to be named as such."""
    for name, parser in verbs().items():
        inputs = parser.get_default("inputs")
        places = [a.dest for a in parser._actions if a.dest != "help"]
        assert len(inputs) == len(set(inputs)), name
        outputs = cli.OUTPUTS & set(places)
        assert not outputs & set(inputs), name
        for action in parser._actions:
            plain = action.choices or action.nargs == 0 or action.dest in cli.WORDS
            typed = action.type not in (None, cli.text)
            if action.dest not in {*inputs, *outputs} and not (plain or typed):
                assert (name, action.dest) == ("page", "results")
        assert outputs or name in ("demo", "page", "verify"), name
        assert inputs or name in ("page",), name


def linked(path: Path, kind: str) -> Path:
    other = path.with_name(f"linked{path.suffix}")
    {"symlink": other.symlink_to, "hard link": other.hardlink_to}[kind](path)
    return other


@pytest.mark.parametrize("kind", ["itself", "relative", "symlink", "hard link"])
def test_an_input_is_not_written_over_however_it_is_named(kind, tmp_path, capsys, monkeypatch):
    moments = tmp_path / "moments.jsonl"
    write_moments(moments, [Moment("a", "own", "test", "v", 9.0, "q", ((1.0, 2.0),), 1)])
    before = moments.read_bytes()
    monkeypatch.chdir(tmp_path)
    names = {"itself": moments, "relative": Path("./moments.jsonl")}
    out = names[kind] if kind in names else linked(moments, kind)
    calls = (
        ("infer", "--run", "r", "--model", "m", "--moments", moments, "--source", "s",
         "--settings", "{}", "--out", out),
        ("tokens", "--run", "r", "--objects", moments, "--moments", "m", "--out", out),
        ("card", "m", "--scores", moments, "--out", out),
        ("notebook", moments, "--results", "R", "--html", "x.html", "--out", out),
        ("notebook", moments, "--results", "R", "--out", "x.ipynb", "--html", out),
        ("score", "own", "--predictions", moments, "--out", out),
        ("compare", moments, "b", "--out", out),
        ("constant", "--train", moments, "--moments", "b", "--out", out),
        ("gather", "--moments", moments, "--parts", "b", "--out", out),
        ("sizes", moments, "--out", out),
        ("preflight", "--config", "c", "--moments", f"a/b={moments}", "--out", out),
        ("features", "--model", moments, "--frames", "f", "--cache", "c", "--out", out),
        ("reference", moments, "--readme", out),
    )  # fmt: skip
    for call in calls:
        assert "would be overwritten" in refused(capsys, *call)
    assert moments.read_bytes() == before


def test_a_file_of_a_folder_that_is_read_is_kept(tmp_path, capsys):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "README.md").write_text("card")
    infer = ("infer", "--run", "r", "--moments", "x", "--source", "s", "--settings", "{}")
    for out in (model / "config.json", model):
        assert "would be overwritten" in refused(capsys, *infer, "--model", model, "--out", out)
    line = refused(capsys, "card", model, "--out", model / "README.md")
    assert "would be overwritten" not in line  # its record is looked for
    merge = ("merge", "--run", "r", "--moments", "x", "--source", "s", "--settings", "{}")
    for out in (tmp_path, model / "merged"):
        assert "would be overwritten" in refused(capsys, *merge, "--base", model, "--out", out)


def test_the_record_beside_predictions_is_an_input(tmp_path, capsys):
    given = tmp_path / "p.jsonl"
    write_jsonl(given, [{"id": "a", "windows": [[1, 2]]}])
    write_moments(
        tmp_path / "m.jsonl", [Moment("a", "own", "test", "v", 9.0, "q", ((1.0, 2.0),), 1)]
    )
    record = given.with_suffix(".record.json")
    write_json(record, {"run": "r", "protocol": "fixed", "seed": 0})
    before = record.read_bytes()
    line = ("score", "own", "--predictions", given, "--annotations", tmp_path / "m.jsonl",
            "--resamples", "10", "--out", record)  # fmt: skip
    assert "would be overwritten" in refused(capsys, *line)
    assert record.read_bytes() == before
    assert groundvts(capsys, *line[:-1], tmp_path / "s.json")[0] == 0
    assert groundvts(capsys, *line[:-1], tmp_path / "s.json")[0] == 0  # one's own output may go


# ---- notebooks run by hand


def test_a_notebook_run_by_hand_leaves_the_report_alone(results, tmp_path, monkeypatch, capsys):
    from groundvts.report import output

    class Kernel:
        get_ipython = staticmethod(lambda: True)

    (results / "tables").mkdir(exist_ok=True)
    write_table(TABLE, TABLE, results / "tables" / "main", "The report's.")
    before = (results / "tables" / "main.md").read_bytes()
    monkeypatch.delenv(output.REPORTING, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", Kernel)
    write_table(TABLE, TABLE, results / "tables" / "main", "By hand.")
    picture(results / "figures")
    assert (results / "tables" / "main.md").read_bytes() == before
    assert not (results / "figures" / "picture.png").exists()
    assert "left as it is" in capsys.readouterr().out
    write_table(TABLE, TABLE, tmp_path / "own" / "main", "One's own.")
    assert (tmp_path / "own" / "main.md").exists()
    monkeypatch.setenv(output.REPORTING, "yes")
    write_table(TABLE, TABLE, results / "tables" / "main", "The rule's.")
    assert (results / "tables" / "main.md").read_bytes() != before


def test_an_executed_notebook_of_another_run_is_not_replaced(results, capsys):
    note = nbformat.v4.new_notebook(metadata={"papermill": {"parameters": {"run": "one"}}})
    (results / "notebooks").mkdir()
    nbformat.write(note, results / "notebooks" / "tokens.ipynb")
    line = refused(
        capsys, "notebook", results / "a.ipynb", "--results", results, "--run", "two",
        "--out", results / "notebooks" / "tokens.ipynb", "--html", results / "notebooks/t.html",
    )  # fmt: skip
    assert "shows the run one" in line
