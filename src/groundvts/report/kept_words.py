"""Where kept tokens lie, in tables and in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from groundvts.report.choice import BEFORE, Choices
from groundvts.report.kept import around, cells, inside, mean_interval
from groundvts.report.kept_figures import NAMES
from groundvts.report.output import shown_plain, span, with_interval

SHARE = "Kept tokens in the true window (%)"
EVERY = "All tokens in the true window (%)"
TRUE, ANSWERS = "In true windows", "In its own answers"
UNEVEN = 1.1  # times as often kept as another cell of the frame


def stages_table(stages: Mapping[str, Choices | None]) -> pd.DataFrame:
    """One row for each moment of training: percent of kept tokens, and of all, in the window.

    A moment that is not recorded has no numbers.
    """
    rows = []
    for name, choices in stages.items():
        row = {"When": name, "Queries": 0, SHARE: np.nan, f"{SHARE} low": np.nan}
        row |= {f"{SHARE} high": np.nan, EVERY: np.nan}
        if choices is not None:
            (value, every), (low, _), (high, _) = mean_interval(choices.inside(), choices.videos)
            row |= {SHARE: value, f"{SHARE} low": low, f"{SHARE} high": high, EVERY: every}
            row["Queries"] = len(choices.pairs)
        rows.append(row)
    return pd.DataFrame(rows, columns=["When", "Queries", SHARE, f"{SHARE} low", f"{SHARE} high",
                                       EVERY])  # fmt: skip


def runs_table(compared: Mapping[str, Choices], objects: Mapping | None) -> pd.DataFrame:
    """One row a sampler: kept tokens per step in windows (mean of the clip: 1); its places."""
    rows = []
    for sampler, choices in compared.items():
        row = {"Tokens": NAMES.get(sampler, sampler)}
        for name, answers in ((TRUE, False), (ANSWERS, True)):
            ends = (name, f"{name} low", f"{name} high")
            row |= dict(zip(ends, inside(choices, answers), strict=True))
        shares, _ = cells(choices)
        row |= {"Least kept cell (%)": shares.min(), "Most kept cell (%)": shares.max()}
        if objects:
            during, rest = (part[1, 1] for part in around(choices, objects))
            row |= {"Object in the window (%)": during, "Its cell at other times (%)": rest}
        rows.append(row)
    return pd.DataFrame(rows)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The printed form of either table: values with their intervals."""
    columns = {}
    for name, column in table.items():
        if f"{name} low" in table:
            columns[name] = with_interval(table, name, ".2f" if name in (TRUE, ANSWERS) else ".1f")
        elif not name.endswith((" low", " high")):
            columns |= shown_plain(column.to_frame()).to_dict("series")
    return pd.DataFrame(columns)


def conclusions(stages: Mapping[str, Choices | None], compared: Mapping[str, Choices],
                objects: Mapping | None) -> list[str]:  # fmt: skip
    """What the pictures say over all queries, of the first of `compared` above all."""
    table = runs_table(compared, objects)
    lines = [*_training(stages), *_windows(table), _frame(table.iloc[0])]
    if objects:
        lines += _object(compared, objects)
    return lines


def _training(stages: Mapping[str, Choices | None]) -> list[str]:
    known = {name: choices for name, choices in stages.items() if choices is not None}
    if len(known) < 2:
        return ["What training changes in the choice is not recorded for this run."]
    table = stages_table(known)
    shares = "; ".join(f"{row.When} {span(row, SHARE)}" for _, row in table.iterrows())
    start, *_, end = known
    grown = known[end].inside()[:, :1] - known[start].inside()[:, :1]
    value, low, high = mean_interval(grown, known[start].videos)[:, 0]
    moved = "more" if low > 0 else "less" if high < 0 else "neither surely more nor less"
    since = "" if start == BEFORE else f" ({BEFORE}: not recorded; from {start})"
    even, bounds = table[EVERY].iloc[0], f"[{low:+.1f}, {high:+.1f}]"
    lines = [
        f"Percent of the kept tokens that lie in the true window, over {len(grown)} validation "
        f"queries: {shares}. The window holds {even:.1f} % of all tokens.",
        f"Training puts {moved} of them there: {value:+.1f} points {bounds}{since}.",
    ]
    if start == BEFORE and table[f"{SHARE} low"].iloc[0] > even:
        lines.append("Already before training the choice is better than an even one.")
    return lines


def _windows(table: pd.DataFrame) -> list[str]:
    """Of each run how dense the kept tokens are inside windows."""
    lines = []
    for name, what in ((TRUE, "true windows"), (ANSWERS, "its own answers")):
        values = ", ".join(f"{row.Tokens} {span(row, name, '.2f')}" for _, row in table.iterrows())
        lines.append(f"Kept tokens per step inside {what} (mean of the clip: 1): {values}.")
    ours = table.iloc[0]
    if ours[f"{TRUE} low"] > ours[f"{ANSWERS} high"]:
        lines.append(
            f"What {ours.Tokens} keeps is denser in the true windows than in its own answers: its "
            "choice follows the window more closely than its answer does."
        )
    elif not ours[f"{TRUE} low"] > 1:
        lines.append(f"The tokens that {ours.Tokens} keeps do NOT follow the true window.")
    return lines


def _frame(ours: pd.Series) -> str:
    least, most = ours["Least kept cell (%)"], ours["Most kept cell (%)"]
    even = "alike" if most < UNEVEN * least else "unevenly"
    return (f"{ours.Tokens} keeps the cells of the frame {even}: the least kept {least:.1f} %, the "
            f"most kept {most:.1f} % of the time.")  # fmt: skip


def _object(compared: Mapping[str, Choices], objects: Mapping) -> list[str]:
    """What is kept of the queried object's cell and of the cells around it."""
    lines = []
    for sampler, choices in compared.items():
        during, rest = around(choices, objects)
        beside = np.delete(during, 4)
        lines.append(
            f"{NAMES.get(sampler, sampler)} keeps {during[1, 1]:.0f} % of the queried object's "
            f"tokens while it is there and {np.nanmin(beside):.0f} to {np.nanmax(beside):.0f} % of "
            f"the cells around it; of its cell at other times {rest[1, 1]:.0f} %."
        )
    return lines
