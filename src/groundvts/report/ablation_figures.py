"""Pictures of ablations: each row beside the paper's, accuracy against tokens."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groundvts.report.ablations import METRIC, PAPER, PAPER_HEADING, Ablation
from groundvts.report.figures import COLOURS, WHISKERS, save, styled

NARROWEST = 20  # points of mIoU that a panel spans at least
# The paper's name of a method: the words, colour, line and marker of it.
METHODS = {
    "GroundVTS-Q": ("GroundVTS, trained at ratio 0.5", COLOURS["vts"], "-", "o"),
    "Qwen2.5VL-7B-G": ("fine-tuned base", COLOURS["random"], "--", "s"),
    "Qwen2.5VL-7B": ("base", COLOURS["base"], ":", "^"),
}


@styled
def draw_ablation(ablation: Ablation, stem: str | Path) -> Path:
    """mIoU of every row with its 95 % interval and its seeds; on the right the paper's rows."""
    table = ablation.table.iloc[::-1].reset_index(drop=True)
    panels = 1 if ablation.published is None else 2
    figure = Figure(figsize=(7.2 + 1.6 * (panels - 1), 0.34 * len(table) + 1.1))
    figure.set_layout_engine("constrained")
    ours, *paper = figure.subplots(
        1, panels, sharey=True, squeeze=False, width_ratios=(5, 3)[:panels]
    )[0]
    _draw_ours(ours, ablation, table)
    names = [
        fill(f"{row['name']}\N{NO-BREAK SPACE}({row['count']})", 40) for _, row in table.iterrows()
    ]
    ours.set_yticks(range(len(table)), names)
    ours.set(ylim=(-0.6, len(table) - 0.4), title=f"Here ({ablation.scale} scale)")
    ours.set_xlabel(f"{METRIC} (%), 95 % interval; hollow: single seeds; (n): how many")
    for axes in paper:
        _draw_paper(axes, table)
    for axes in (ours, *paper):
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", alpha=0.3)
    return save(figure, stem)


def _draw_ours(axes: Axes, ablation: Ablation, table: pd.DataFrame) -> None:
    axes.axvline(table[METRIC].iloc[-1], color="black", linestyle="--", linewidth=1, zorder=1)
    singles = {variant: ablation.singles(variant) for variant in table.variant}
    high = table[f"{METRIC} high"].max()
    low = min(table[f"{METRIC} low"].min(), high - NARROWEST, *map(min, singles.values()))
    right = high + 0.03 * (high - low)
    for place, row in table.iterrows():
        first = place == len(table) - 1
        shade = COLOURS["vts"] if first else COLOURS["random"]
        axes.plot(row[METRIC], place, "D" if first else "o", color=shade, ms=5)
        look = WHISKERS[True] if row["count"] == 1 else {"lw": 1.6, "color": shade, "capsize": 3}
        axes.errorbar(row[METRIC], place, xerr=_bars(row), **look)
        seeds = singles[row.variant]
        if len(seeds) > 1:
            axes.plot(seeds, [place - 0.22] * len(seeds), "o", mfc="white", mec=shade, ms=3)
        axes.text(right, place, f"{row[METRIC]:.1f}", va="center", fontsize=8)
    axes.set_xlim(max(low - 0.06 * (high - low), 0), right + 0.13 * (high - low))


def _draw_paper(axes: Axes, table: pd.DataFrame) -> None:
    values = table[PAPER + METRIC]
    low, high = values.min(), values.max()
    right = high + 0.08 * (high - low)
    axes.axvline(values.iloc[-1], color="black", linestyle="--", linewidth=1, zorder=1)
    axes.plot(values, range(len(table)), "s", color="#404040", ms=4.5)
    for place, value in enumerate(values):
        if pd.notna(value):
            axes.text(right, place, f"{value:.1f}", va="center", fontsize=8)
    axes.set_xlim(low - 0.1 * (high - low), right + 0.22 * (high - low))
    axes.set(title=PAPER_HEADING, xlabel=f"{METRIC} (%)")


def _bars(row: pd.Series) -> list[list[float]]:
    return [[row[METRIC] - row[f"{METRIC} low"]], [row[f"{METRIC} high"] - row[METRIC]]]


@styled
def draw_density(ablation: Ablation, stem: str | Path) -> Path:
    """mIoU against density: ours with 95 % intervals on the left, the paper's table on the right.

    A row that redoes one of the paper's belongs to the line of its method; the others stand alone.
    """
    figure = Figure(figsize=(7.6, 3.7), layout="constrained")
    ours, paper = figure.subplots(1, 2, sharex=True, sharey=True)
    for place, ((words, shade, line, marker), rows) in enumerate(_lines(ablation)):
        bars = np.abs(rows[[f"{METRIC} low", f"{METRIC} high"]].to_numpy().T - rows[METRIC].array)
        ours.errorbar(
            rows.density + 0.02 * (place - 1), rows[METRIC], bars, color=shade, linestyle=line,
            marker=marker, ms=5, mfc=shade if line else "white", capsize=3, lw=1.5, label=words,
        )  # fmt: skip
    for method, (_, shade, line, marker) in METHODS.items():
        rows = ablation.published[ablation.published.method == method].sort_values("density")
        paper.plot(rows.density, rows[METRIC], line, color=shade, marker=marker, ms=4, lw=1.5)
    ours.set(title=f"Here ({ablation.scale} scale)", ylabel=f"{METRIC} (%)")
    paper.set(title=f"{PAPER_HEADING}, {ablation.published.table.iloc[0]}", ylim=(0, None))
    for axes in (ours, paper):
        axes.set_xticks(np.arange(0, 2.1, 0.5))
        axes.set_xlabel("density: frames per second × share of tokens kept")
        axes.grid(alpha=0.3)
    figure.legend(*ours.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return save(figure, stem)


def _lines(ablation: Ablation) -> Iterator[tuple[tuple[str, str, str, str], pd.DataFrame]]:
    """Words, colour, line and marker of each line of ours, with its rows by density."""
    rows, named = ablation.table, ablation.about["published"]["rows"]
    methods = rows.variant.map(lambda variant: named.get(variant, {}).get("method"))
    for method, style in METHODS.items():
        if (methods == method).any():
            yield style, rows[methods == method].sort_values("density")
    for _, row in rows[methods.isna()].iterrows():
        yield (row["name"], COLOURS["random"], "", "s"), row.to_frame().T.infer_objects()
