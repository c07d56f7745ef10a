"""Tables on paper: printed form, and files in csv, Markdown and LaTeX (booktabs)."""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from groundvts import escape
from groundvts.data.files import write_text
from groundvts.report.benchmarks import MAIN, Part, known
from groundvts.report.tables import SHARES, metric_names

HEADINGS = {"object": "Object tokens kept", "distractors": "Other objects' tokens kept"}
EMPTY = "–"
REPORTING = "GROUNDVTS_REPORTING"  # set where a notebook is executed for the report
MARK = "†"
INTERVALS = (
    "[95 % intervals over videos and seeds]; (over videos alone: one seed, which says nothing of "
    "another training)."
)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The printed form of a main table: `70.0 [68.0, 72.0]`, joined seeds as `mean of 0, 1`.

    A row partly made by other source than the present has `MARK` after its name.
    """
    marks = [f" {MARK}" if older else "" for older in table.older]
    columns: dict[str, list[str]] = {
        "Method": [label + mark for label, mark in zip(table.label, marks, strict=True)],
        "Ratio": [number(value, "g") for value in table.ratio],
        "Seeds": [
            f"mean of {seeds}" if joined else seeds or EMPTY
            for seeds, joined in zip(table.seeds, table.joined, strict=True)
        ],
    }
    for name in metric_names(table):
        columns[name] = with_interval(table, name)
    counts = zip(table.asked, table.scored, table.failed, strict=True)
    columns["Asked / scored / failed"] = [
        EMPTY if pd.isna(row[0]) else " / ".join(map(str, row)) for row in counts
    ]
    for name in SHARES:
        if name in table:
            columns[HEADINGS[name]] = with_interval(table, name)
    return pd.DataFrame(columns)


def shown_differences(table: pd.DataFrame, main: str = known(MAIN).main) -> pd.DataFrame:
    """The printed form of paired differences, in points with a sign; p is that of metric `main`."""
    columns = {"Question": table.question} if "question" in table else {}
    columns |= {"Variant": table.ours, "Against": table.theirs}
    columns["Seeds"] = [number(count or None, "g") for count in table["count"]]
    names = metric_names(table)
    if main in names:
        columns |= {
            main: with_interval(table, main, "+.1f"),
            "p": table[f"{main} p"].map("{:.4f}".format),
        }
        names.remove(main)
    columns |= {name: with_interval(table, name, "+.1f") for name in names}
    return pd.DataFrame(columns)


def split_parts(table: pd.DataFrame, dataset: str) -> Iterator[tuple[Part, pd.DataFrame]]:
    """Each part of a benchmark with its rows and columns of the table, if it has metrics of it.

    Its main metric is the first that the table has where the known one is absent; rows without
    any of its metrics (highlights only, say, of a part for windows) are left out.
    """
    names = metric_names(table)
    for part in known(dataset).parts:
        ours = [name for name in names if name.startswith(part.prefix)]
        asked = table[table[ours].notna().any(axis=1)] if ours else table.iloc[:0]
        others = (name for name in names if name not in ours)
        left_out = [f"{name}{end}" for name in others for end in ("", " low", " high", " p")]
        main = part.main if part.main in ours or not ours else ours[0]
        yield replace(part, main=main), asked.drop(columns=left_out, errors="ignore")


def shown_plain(table: pd.DataFrame) -> pd.DataFrame:
    """Any other table: numbers with one digit (losses three), counts whole, gaps as a dash."""
    columns = {}
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column):
            columns[name] = column.fillna("").replace("", EMPTY)
        else:
            digits = ".3f" if "loss" in str(name) else ".1f"
            whole = (column.dropna() % 1 == 0).all() and "loss" not in str(name)
            columns[name] = [number(value, ",.0f" if whole else digits) for value in column]
    return pd.DataFrame(columns)


def with_interval(table: pd.DataFrame, name: str, digits: str = ".1f") -> list[str]:
    """Values of a column with their interval as text; a gap is a dash."""
    return [span(row, name, digits) for _, row in table.iterrows()]


def span(row: pd.Series, name: str = known(MAIN).main, digits: str = ".1f") -> str:
    """A value of a row with its interval, where it has one; see `INTERVALS`."""
    low, high = row.get(f"{name} low"), row.get(f"{name} high")
    cell = number(row[name], digits)
    left, right = "()" if row.get(f"{name} count", row.get("count")) == 1 else "[]"
    known = pd.notna(low) and pd.notna(high)
    return f"{cell} {left}{low:{digits}}, {high:{digits}}{right}" if known else cell


def write_table(table: pd.DataFrame, printed: pd.DataFrame, stem: str | Path, caption: str) -> None:
    """Write `stem`.csv (tidy, unrounded), `stem`.md and `stem`.tex (printed form).

    Headings of two levels stand over each other in LaTeX, with a rule below each that is named.
    """
    table = table.map(escape.csv).rename(columns=escape.csv)
    caption, words = escape.markdown(caption), escape.latex(caption)
    stem = target(stem)
    files = {kind: stem.with_name(f"{stem.name}.{kind}") for kind in ("csv", "md", "tex")}
    write_text(files["csv"], table.to_csv(index=False))
    write_text(files["md"], f"{markdown(printed)}\n\n{caption}\n")
    tex = printed.map(escape.latex).rename(columns=escape.latex)
    text = tex.style.hide(axis="index").to_latex(
        hrules=True,
        caption=words,
        label=f"tab:{stem.name}",
        column_format="".join(
            "r" if width is None else _text_column(width) for width in _widths(tex)
        ),
        multicol_align="c",
    )
    if tex.columns.nlevels > 1:
        text = text.replace(" \\\\\n", f" \\\\\n{_rules(tex.columns)}\n", 1)
    write_text(files["tex"], text)


def target(stem: str | Path) -> Path:
    """Where a table or figure goes: a notebook run by hand leaves those of the results alone."""
    stem, ipython = Path(stem), sys.modules.get("IPython")
    by_hand = ipython and ipython.get_ipython() and not os.environ.get(REPORTING)
    if not by_hand or not (stem.parent.parent / "runs.json").is_file():
        return stem
    escape.say(f"{stem}: left as it is: only the rule of this notebook writes it")
    return Path(tempfile.mkdtemp(prefix="groundvts-"), stem.name)


def html_table(printed: pd.DataFrame, caption: str = "") -> str:
    """The table for a notebook: words to the left, numbers to the right and never broken."""
    words = f"<p>{escape.html(caption)}</p>" if caption else ""
    if printed.empty:
        return words or "<p>None.</p>"
    styles = [
        f"text-align: {'right' if width is None else 'left'}; "
        + ("" if width and width > 16 else "white-space: nowrap; ")
        + ("border-left: 1px solid #999; " if begins else "")
        for width, begins in zip(_widths(printed), _begins(printed.columns), strict=True)
    ]
    cells = pd.DataFrame([styles] * len(printed), printed.index, printed.columns)
    heads = [{"selector": "th.col_heading", "props": "text-align: center"}]
    style = printed.style.hide(axis="index").set_table_styles(heads)
    style = style.apply(lambda _: cells, axis=None).format(escape.html)
    return style.format_index(escape.html, axis="columns").to_html() + words


def _widths(printed: pd.DataFrame) -> list[int | None]:
    """The longest cell of each column of words; None for a column of numbers."""
    columns = [printed.iloc[:, place].astype(str) for place in range(len(printed.columns))]
    return [
        int(cells.str.len().max()) if cells.str.match(r"[^\W\d]").any() else None
        for cells in columns
    ]


def _begins(columns: pd.Index) -> list[bool]:
    """Whether a column is the first of a group that has a name."""
    groups = list(columns.get_level_values(0)) if columns.nlevels > 1 else [""] * len(columns)
    before = ["", *groups[:-1]]
    return [bool(own) and own != other for own, other in zip(groups, before, strict=True)]


def _text_column(width: int) -> str:
    return "l" if width <= 28 else "p{4cm}"


def _rules(columns: pd.MultiIndex) -> str:
    """A rule below each group of columns that has a name."""
    groups = list(columns.get_level_values(0))
    spans = {name: (groups.index(name) + 1, groups.index(name) + groups.count(name))
             for name in groups if name}  # fmt: skip
    return " ".join(f"\\cmidrule(lr){{{first}-{last}}}" for first, last in spans.values())


def markdown(printed: pd.DataFrame) -> str:
    """A Markdown table of text cells, a heading's group before it; one without rows says so."""
    if printed.empty:
        return "None."
    headings = [
        name if isinstance(name, str) else ": ".join(filter(None, name)) for name in printed.columns
    ]
    lines = [headings, ["---"] * len(headings)]
    lines += printed.to_numpy().tolist()
    return "\n".join("| " + " | ".join(map(escape.markdown, line)) + " |" for line in lines)


def number(value: Any, digits: str) -> str:
    return EMPTY if value is None or pd.isna(value) else f"{value:{digits}}"
