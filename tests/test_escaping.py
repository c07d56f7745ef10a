"""Text from outside is read and never acts, whatever it is shown in: one string through all."""

import ast
import html
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard
from test_card import merged, score  # noqa: F401

from groundvts import escape
from groundvts.data.video import Frames
from groundvts.demo import Demo
from groundvts.errors import BadInput
from groundvts.inference.answer import Grounding
from groundvts.progress import Progress
from groundvts.report import html as pages
from groundvts.report.card import model_card
from groundvts.report.figures import nothing
from groundvts.report.notebook import to_html
from groundvts.report.output import html_table, markdown, write_table

SRC = Path(escape.__file__).parent
HOSTILE = (
    "=1+1 <img src=x onerror=\"document.title='X'\"><script>1</script>'\"|`x` [x](javascript:1) "
    "<https://e.org> ![x](http://e.org/x.png) www.e.org _x_ *x* ~~x~~ $x^$ \\input{x} #{}%&~^\\\\"
    "\n\n# x\r\t\x1b[31mred\x07\x9b2J \u202egnp.x \u2067x\u2069 \u2028 \ud83d end"
)
ACTS = re.compile(
    "[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Tags(HTMLParser):
    """Collects tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def inert(page: str, *allowed: str) -> str:
    """The text of a page in which the hostile string made no element."""
    found = Tags(page)
    assert not {tag for tag, _ in found.tags} - set(allowed)
    for _, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert not str(attributes.get("href")).startswith("javascript")
    assert not ACTS.search(found.text)
    return found.text


def test_plain_text_is_one_line_without_hidden_signs():
    text = escape.plain(HOSTILE)
    assert not ACTS.search(text)
    assert "\n" not in text
    assert "\\x1b[31mred\\x07\\x9b2J \\u202egnp.x" in text
    assert escape.plain(text) == text
    for same in ("naïve", "日本語", "שלום", "👩‍👩‍👧", "a\N{NO-BREAK SPACE}b", "–†"):
        assert escape.plain(same) == same


TABLE = pd.DataFrame({"id": [HOSTILE, "plain"], HOSTILE: [-1.5, 2.0]})


def test_html_of_pages_and_notebooks():
    for page in (pages.html_table(TABLE), html_table(TABLE.astype(str), HOSTILE),
                 pages.folded(HOSTILE, [pages.listed([HOSTILE])])):  # fmt: skip
        marks = {"div", "table", "thead", "tbody", "tr", "th", "td", "style", "p", "details"}
        assert escape.plain(HOSTILE) in inert(page, *marks, "summary", "ul", "li", "span")
    assert "<td" in html_table(
        TABLE.astype(str).iloc[1:2]
    )  # rows left over have numbers of their own
    assert html_table(TABLE.iloc[:0]) == "<p>None.</p>"


def test_a_rendered_notebook_runs_nothing():
    notebook, escaped = nbformat.v4.new_notebook(), escape.markdown(HOSTILE)
    shown = [("markdown", f"### {escaped}"), ("markdown", f"- {escaped}")]
    shown += [("html", html_table(TABLE.astype(str))), ("plain", repr(HOSTILE))]
    outputs = [nbformat.v4.new_output("display_data", {f"text/{k}": v}) for k, v in shown]
    outputs.append(nbformat.v4.new_output("stream", text="\x1b[31m<b>"))
    notebook.cells = [nbformat.v4.new_code_cell("", outputs=outputs)]
    page = to_html(notebook, "n")
    assert "default-src 'none'" in page[: page.index("</head>")]
    assert "script-src" not in page
    found = Tags(page)
    assert not {"img", "script", "em", "del"} & {tag for tag, _ in found.tags}
    assert not [a for _, a in found.tags if any(name.startswith("on") for name in a)]
    assert found.text.count(escape.plain(HOSTILE)) == 4


def test_every_notebook_shows_outside_text_escaped():
    """Markdown is written by hand, or its variables are escaped."""
    for path in Path(SRC.parents[1] / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            for shown in re.findall(r"Markdown\((.*)\)", cell.source) * (cell.cell_type == "code"):
                assert not re.search(r"\{(?!markdown\()", shown), (path.name, shown)


def test_markdown_tables_and_back(tmp_path):
    table = pd.DataFrame({"id": [HOSTILE], HOSTILE: ["70.0 [68.0, 72.0]"]})
    lines = markdown(table).splitlines()
    assert [line.count("|") for line in lines] == [3, 3, 3]
    assert "| 70.0 [68.0, 72.0] |" in lines[2]
    for acting in ("<", "`", "](", "://", "www.", "\\", "$", "*", "~", " _x"):
        assert acting not in lines[2]
    write_table(table, table, tmp_path / "t", HOSTILE)
    page = pages.printed_table(tmp_path / "t.md")
    text = inert(page, "div", "table", "tr", "th", "td", "p", "span")
    assert text.count(escape.plain(HOSTILE)) == 3


def test_latex_commands_stay_in_balance(tmp_path):
    text = escape.latex(HOSTILE)
    for name in (
        "textbackslash",
        "textasciicircum",
        "textasciitilde",
        "textless",
        "textgreater",
        "textbar",
    ):
        text = text.replace(f"\\{name}{{}}", "")
    assert not re.search(r"\\(?![&%$#_{}])", text)
    assert not re.search(r"(?<!\\)[&%$#_{}~^<>|\n]", text)
    assert [escape.latex(start)[:3] for start in ("[x]", "*", "x")] == ["{}[", "{}*", "x"]
    write_table(TABLE, TABLE.astype(str), tmp_path / "t", HOSTILE)
    rows = (tmp_path / "t.tex").read_text().split("\\midrule")[1].split("\\bottomrule")[0]
    assert rows.count("\\\\\n") == 2


def test_csv_is_data_to_a_spreadsheet_and_the_same_to_pandas(tmp_path):
    texts = ["=1+1", "+x", "-x", "@x", "\t=x", "\r=x", " =x", "＝1", HOSTILE]
    for text in texts:
        assert escape.csv(text).startswith("'")
    kept = ["-1.5", "+3", "-1e-3", "x=1", "a-b", "–", ""]
    assert [escape.csv(text) for text in kept] == kept
    numbers = pd.DataFrame(
        {"a": [-1.5, 1 / 3], "n": pd.array([1, None], "Int64"), "b": [True, False]}
    )
    write_table(numbers, numbers.astype(str), tmp_path / "n", "")
    numbers.to_csv(tmp_path / "same.csv", index=False)
    assert (tmp_path / "n.csv").read_bytes() == (tmp_path / "same.csv").read_bytes()
    write_table(TABLE, TABLE.astype(str), tmp_path / "t", "")
    again = pd.read_csv(tmp_path / "t.csv")
    assert again.iloc[:, 1].tolist() == [-1.5, 2.0]
    assert again.columns[1][0] == again.id[0][0] == "'"


def test_a_card_holds_it_as_text(merged, tmp_path):  # noqa: F811
    base = tmp_path / "<img src=x>`x`|\x1b[31m"
    base.mkdir()
    record = merged | {"run": HOSTILE, "base": str(base)}
    made = json.loads(score(tmp_path).read_text()) | {"dataset": HOSTILE, "protocol": HOSTILE}
    card = model_card(record, [made])
    assert not ACTS.search(card)
    body = card.split("\n---\n", 1)[1]
    assert not re.search(r"<img|<script|\]\(|`x`|(?m:^# x)", body)
    assert ModelCard(card).data.model_name.startswith("=1+1 <img")


def test_the_terminal_gets_no_codes(capsys):
    escape.say(HOSTILE, "and")
    escape.log(HOSTILE)
    Progress(HOSTILE, 1).update(note=HOSTILE)
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert not ACTS.search(text)
        assert text.endswith("end\n") or text.endswith("and\n")
    frames = Frames(np.zeros(0), np.zeros(0), 0, 0, "")
    asked = {"query": HOSTILE, "windows": [], "failure": "x", "answer": HOSTILE}
    assert not ACTS.search(repr(Grounding({"prediction": asked}, frames)))
    assert not ACTS.search(BadInput(HOSTILE)._render_traceback_()[0])


def test_nothing_prints_past_it():
    for path in SRC.rglob("*.py"):
        if path.name != "escape.py":
            calls = (node.func for node in ast.walk(ast.parse(path.read_text()))
                     if isinstance(node, ast.Call))  # fmt: skip
            assert not [f for f in calls if isinstance(f, ast.Name) and f.id == "print"], path


def test_figures_show_dollars_as_they_are(tmp_path):
    assert nothing(escape.plain(HOSTILE), tmp_path / "f").stat().st_size > 500
    assert mpl.rcParams["text.parse_math"]  # other figures of a notebook as ever


def test_the_demo_says_it_as_text(tmp_path):
    video = tmp_path / "x.html.mp4<img src=x onerror=1>"
    video.write_text("<script>")
    said, _ = Demo(["m"], tmp_path, 5).answer("m", str(video), "red", "vts", 0.5)
    assert "<" not in said
    assert "mp4<img src=x onerror=1>" in html.unescape(said)


# ---- streams that take not everything


def test_a_stream_that_lacks_a_script_gets_it_replaced(monkeypatch, capsys):
    raw = io.BytesIO()
    from groundvts import cli

    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, "ascii"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["page", "/nowhere/красный"])
    assert ended.value.code == 2
    assert b"\\u043a\\u0440" in raw.getvalue()


def test_a_closed_pipe_and_a_full_disk():
    say = "from groundvts.escape import say; say('first'); say('second'); import sys; "
    command = [sys.executable, "-c", say + "sys.stderr.write('went on')"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"went on")
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full, pytest.raises(subprocess.CalledProcessError) as failed:
            subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=True)
        assert b"standard output" in failed.value.stderr
        assert b"Exception ignored" not in failed.value.stderr
