"""Pieces of the page: tables, folded tables and lists."""

from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd


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
    """An interval goes in small type under its value."""
    text = escape(value)
    if text.endswith("]") and " [" in text:
        number, bounds = text.split(" [", 1)
        return f"<span class=value>{number}</span> <span class=bounds>[{bounds}</span>"
    return text


def details(title: str, printed: pd.DataFrame) -> str:
    return f"<details><summary>{escape(title)}</summary>{html_table(printed)}</details>"


def bullets(title: str, sentences: Iterable[str]) -> str:
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<h2>{escape(title)}</h2><ul>{lines}</ul>" if lines else ""
