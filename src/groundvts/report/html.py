"""Pieces of the page: tables, folded tables and lists."""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from groundvts.escape import html as escape

# A page loads its own style and pictures; whatever else is in it is not run, nor fetched.
POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; font-src data:; '
    "style-src 'unsafe-inline'; img-src 'self' file: data:; base-uri 'none'; form-action 'none'\">"
)


def html_table(printed: pd.DataFrame, strong: Sequence[bool] = ()) -> str:
    """A table of text cells that scrolls by itself on a narrow screen; `strong` rows stand out."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in printed.columns)
    lines = []
    for place, row in enumerate(printed.astype(str).to_numpy()):
        cells = "".join(f"<td>{_cell(value)}</td>" for value in row)
        ours = " class=ours" if place < len(strong) and strong[place] else ""
        lines.append(f"<tr{ours}>{cells}</tr>")
    return f"<div class=wide><table><tr>{head}</tr>{''.join(lines)}</table></div>"


def _cell(value: str) -> str:
    """An interval goes in small type under its value; that of one seed in italics."""
    text = escape(value)
    if found := re.fullmatch(r"([-+.\d]+) ([\[(][-+.\d]+, [-+.\d]+[\])])", text):
        number, bounds = found.groups()
        kind = "bounds" if bounds.endswith("]") else "'bounds one-seed'"
        return f"<span class=value>{number}</span> <span class={kind}>{bounds}</span>"
    return text


def folded(title: str, parts: Iterable[str]) -> str:
    return f"<details><summary>{escape(title)}</summary>{''.join(parts)}</details>"


def listed(sentences: Iterable[str]) -> str:
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<ul>{lines}</ul>" if lines else ""


def bullets(title: str, sentences: Iterable[str]) -> str:
    lines = listed(sentences)
    return f"<h2>{escape(title)}</h2>{lines}" if lines else ""


def printed_table(path: Path) -> str:
    """A table that `write_table` wrote as Markdown, with its caption."""
    rows, _, caption = path.read_text(encoding="utf-8").rstrip().partition("\n\n")
    cells = [
        [html.unescape(cell.strip()) for cell in line.split("|")[1:-1]]
        for line in rows.splitlines()
    ]
    table = pd.DataFrame(cells[2:], columns=cells[0])
    return f"{html_table(table)}<p class=note>{escape(html.unescape(caption))}</p>"


def with_contents(content: str) -> str:
    """The page with a link to each of its sections after the first heading."""
    titles = re.findall("<h2>(.*?)</h2>", content)
    for number, title in enumerate(titles):
        content = content.replace(f"<h2>{title}</h2>", f'<h2 id="s{number}">{title}</h2>', 1)
    linked = " · ".join(f'<a href="#s{n}">{title}</a>' for n, title in enumerate(titles))
    return content.replace("</h1>", f"</h1>\n<nav class=links>{linked}</nav>", 1)
