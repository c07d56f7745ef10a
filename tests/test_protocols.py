"""The verb `protocols`, its record, and the tables and notebook made of it."""

import json
from pathlib import Path

import nbformat
import pytest

from groundvts import cli
from groundvts.data.files import write_jsonl
from groundvts.data.moment import Moment, write_moments
from groundvts.metrics.score import point_values
from groundvts.metrics.trivial import trivial_predictions
from groundvts.records import write_json
from groundvts.report import protocols as report
from groundvts.report.notebook import render_notebook

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "protocols.ipynb"


def moments_of(dataset: str) -> list[Moment]:
    """Six queries of a benchmark."""
    more = {}
    if dataset == "qvhighlights":
        more["saliency"] = ((0, (2, 2, 2)), (1, (4, 4, 4)), (2, (3, 4, 3)))
    if dataset == "nextgqa":
        more |= {"options": ("red", "blue", "green", "white", "black"), "answer": "black"}
    return [
        Moment(f"{dataset}-{n}", dataset, "test", f"v{n // 2}", 20.0, "a red <circle>",
               ((float(n), n + 6.0),), **more)
        for n in range(6)
    ]  # fmt: skip


SAID = ("from 0s to 6s", "0:01 to 0:07", "from 8s to 2s", "3 and 4 things from 3s to 9s", "*", "")
LEVELS = "very important: 2s to 6s; less important: 0s to 2s"


def line(number: int, one: Moment) -> dict:
    """A prediction as the kit writes it; the last video is not read."""
    answer = SAID[number]
    failure = None if answer else "unread_video"
    found = {"id": one.id, "windows": [], "answer": answer or None, "failure": failure}
    if one.saliency:
        found |= {"saliency": [2, 4, 4] if answer else []}
        found["highlights"] = {"answer": LEVELS if answer else None, "failure": failure}
    if one.options:
        found["question"] = {"answer": "(E) a choice" if answer else None, "failure": failure}
    return found


def words(folder: Path, dataset: str, **more: str) -> list[str]:
    """The command that scores made-up predictions, whose files are written."""
    asked = moments_of(dataset)
    given = {"predictions": folder / f"{dataset}.jsonl", "annotations": folder / "moments.jsonl"}
    given["out"] = folder / "results" / "protocols" / "vts" / f"{dataset}.json"
    write_moments(given["annotations"], asked)
    write_jsonl(given["predictions"], [line(*pair) for pair in enumerate(asked)])
    write_json(folder / f"{dataset}.record.json", {"run": "vts", "protocol": "fixed", "seed": 3})
    options = [text for key, path in given.items() for text in (f"--{key}", str(path))]
    return ["protocols", dataset, *options]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    for dataset in ("charades_sta", "nextgqa", "qvhighlights"):
        cli.main(words(folder, dataset))
    return folder / "results"


def record_of(results: Path, dataset: str) -> dict:
    return json.loads((results / "protocols" / "vts" / f"{dataset}.json").read_text())


def test_the_record_holds_effects_differences_and_trivial_values(results):
    record = record_of(results, "qvhighlights")
    assert (record["verb"], record["run"], record["seed"]) == ("protocols", "vts", 3)
    assert set(record["inputs"]) == {"predictions", "annotations"}
    assert record["counts"] == {"asked": 6, "put to a model": 5, "read differently": 5}
    assert record["effects"][0]["name"] == "fixed"
    assert {row["of"] for row in record["differences"]} == {"windows", "saliency"}
    asked = moments_of("qvhighlights")
    trivial = trivial_predictions(asked)
    assert record["trivial"]["constant 3"] == point_values(asked, trivial["constant 3"])
    assert "all zero" not in record_of(results, "nextgqa")["trivial"]


def test_the_verb_prints_the_main_metrics(tmp_path, capsys):
    cli.main(words(tmp_path, "charades_sta"))
    head, fixed, *others, counts = capsys.readouterr().out.splitlines()
    assert head.split()[-4:] == ["R1@0.3", "R1@0.5", "R1@0.7", "mIoU"]
    assert fixed.split()[0] == "fixed"
    assert others[-1].strip().startswith("released reading and denominators")
    assert counts == "asked 6  put to a model 5  read differently 3"


def test_the_run_is_that_of_the_predictions_file_without_a_record(tmp_path):
    command = words(tmp_path, "nextgqa")
    (tmp_path / "nextgqa.record.json").unlink()
    cli.main(command)
    assert json.loads(Path(command[-1]).read_text())["run"] == "nextgqa"


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        (1, "nextgqa", "is of charades_sta: score that"),
        (3, "absent.jsonl", "absent.jsonl: "),
        (7, "charades_sta.jsonl", "would be overwritten"),
        (slice(4, 6), [], "holds no truth; name it by --annotations"),
    ],
)
def test_wrong_files_are_bad_input(tmp_path, monkeypatch, capsys, place, text, message):
    command = words(tmp_path, "charades_sta")
    command[place] = text
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main(command)
    said = capsys.readouterr().err
    assert (caught.value.code, said.count("\n")) == (2, 1)
    assert message in said


def test_queries_without_a_prediction_need_leave(tmp_path, capsys):
    command = words(tmp_path, "charades_sta")
    file = Path(command[3])
    file.write_text("\n".join(file.read_text().splitlines()[:4]) + "\n")
    with pytest.raises(SystemExit):
        cli.main(command)
    assert "moments without a prediction" in capsys.readouterr().err
    cli.main([*command, "--complete"])
    assert json.loads(Path(command[-1]).read_text())["counts"]["put to a model"] == 4


# ---- tables


def test_the_sentences_show_what_each_protocol_reads():
    table = report.sentence_table()
    assert len(table) == len(set(report.ANSWERS)) >= 25
    assert (table.fixed != table.official).sum() >= 12
    said = table.set_index("answer")
    assert tuple(said.loc["between 1:05 and 1:20"]) == ("65 to 80 s", "5 to 1 s")
    assert tuple(said.loc["at 12 s"]) == ("one_number", "one_number")


def test_effects_show_the_value_and_then_signed_points(results):
    record = record_of(results, "charades_sta")
    table = report.effect_table(record)
    printed = report.shown_effects(table).set_index("Convention")
    assert list(printed.columns[1:-1]) == ["R1@0.3", "R1@0.5", "R1@0.7", "mIoU"]
    assert printed.loc["fixed", "R1@0.7"] == "50.00"
    assert printed.loc["reversed windows swapped", "R1@0.7"] == "+16.67"
    assert printed.loc["queries not asked left out", "R1@0.7"] == "+10.00"
    assert printed.loc["released reading and denominators", "R1@0.7"] == "-30.00"
    assert printed.loc["true windows clipped", "R1@0.7"] == "0.0"


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.0, "0.0"), (-0.0, "0.0"), (-0.004, "0.0"), (2.312, "+2.31"), (-0.134, "-0.13"),
     (None, "–"), (float("nan"), "–")],
)  # fmt: skip
def test_points_have_a_sign(difference, text):
    assert report.points(difference) == text


def test_differences_are_counted_by_who_reads_with_the_shortest_answer(results):
    table = report.difference_table(report.load_protocols(results))
    assert table.groupby("benchmark").queries.apply(lambda n: n.is_monotonic_decreasing).all()
    rows = table.set_index(["benchmark", "of", "read by"])
    row = rows.loc[("QVHighlights", "saliency", "both, otherwise")]
    assert (row.queries, round(row.share, 1), row.answer) == (5, 83.3, LEVELS)
    options = rows.loc[("NExT-GQA", "answer", "both, otherwise")]
    assert (options.queries, options.official) == (5, "red")
    row = rows.loc[("Charades-STA", "windows", "official alone")]
    assert tuple(row[["queries", "answer", "fixed"]]) == (1, "from 8s to 2s", "reversed")
    record = record_of(results, "nextgqa")
    record["differences"] = [row for row in record["differences"] if row["of"] == "answer"]
    for row in record["differences"]:
        row["official"] = "no option"
    assert set(report.difference_table([record])["read by"]) == {"fixed alone"}
    assert report.difference_table([record | {"differences": []}]).empty


def test_trivial_rows_say_which_conventions_flatter_a_constant(results):
    record = record_of(results, "qvhighlights")
    table = report.trivial_table(record).set_index("what")
    assert list(table.index) == ["vts", "all zero", "constant 3", "random half"]
    assert table.loc["constant 3", "HD-Hit@1-VeryGood"] == 0.0
    assert table.loc["constant 3", "HD-Hit@1-lenient-VeryGood"] == 100.0
    assert not len(report.trivial_table(record_of(results, "nextgqa")))


# ---- notebook


def test_the_notebook_is_thin_and_stripped():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert sum(len(cell.source.splitlines()) for cell in code) < 70
    assert code[0].metadata.tags == ["parameters"]
    assert code[0].source == 'results = "results/toy"'


def test_the_notebook_shows_all_tables(results, tmp_path):
    out = tmp_path / "protocols"
    render_notebook(NOTEBOOK, f"{out}.ipynb", f"{out}.html", {"results": str(results)})
    page = Path(f"{out}.html").read_text()
    assert "default-src 'none'" in page
    for text in ("QVHighlights, vts", "NExT-GQA, vts", "true windows clipped", "constant 3"):
        assert text in page
    names = (
        "sentences",
        "vts_charades_sta",
        "vts_nextgqa",
        "differences",
        "trivial_vts_qvhighlights",
    )
    for name in names:
        for suffix in ("csv", "md", "tex"):
            assert (results / "tables" / f"protocols_{name}.{suffix}").stat().st_size > 0


def test_the_notebook_says_that_no_record_is_there(tmp_path):
    out = tmp_path / "protocols"
    render_notebook(NOTEBOOK, f"{out}.ipynb", f"{out}.html", {"results": str(tmp_path)})
    assert "No run of this folder has been scored" in Path(f"{out}.html").read_text()
