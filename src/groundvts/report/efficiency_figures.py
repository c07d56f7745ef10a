"""Figures of speed: time against operations, and prefill and whole queries by stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groundvts.report.efficiency import BEFORE, TITLES, TOLERANCE
from groundvts.report.figures import COLOURS, legend, nothing, save, styled

KINDS = {
    "full": (COLOURS["full"], "D"),
    "masked": (COLOURS["random"], "s"),
    "dropped": (COLOURS["vts"], "o"),
}
GROUPS = {  # of a query's stages after its video is read: a colour and a hatch each
    "vision tower, projector": (("vision tower", "projector"), COLOURS["uniform"], ""),
    "sampling": (("scores", "post-MLP", "sequence"), COLOURS["control-constant-weights"], "xxxx"),
    "prefill": (("prefill",), COLOURS["vts"], ""),
    "decode": (("decode",), COLOURS["full"], "////"),
}
PARTS = {  # of prefill: its stages, with a colour
    "language model": (("language model",), COLOURS["vts"]),
    "added: scores, post-MLP, shorter sequence": (("scores", "post-MLP", "sequence"), "black"),
}
BAR = {"edgecolor": "white", "linewidth": 0.8}
FRAME = {"fill": False, "edgecolor": "black", "linewidth": 1.3}  # of what operations say
UNMEASURED = "Not measured: run the target efficiency."


@styled
def time_against_operations(table: pd.DataFrame, stem: str | Path) -> Path:
    """Prefill's time ratio against the kept share, one panel a backbone.

    The line is the ratio of operations, with a band of 10 %; `table` is `prefill_table`'s.
    """
    if table.empty:
        return nothing(UNMEASURED, stem)
    backbones = list(dict.fromkeys(table.backbone))
    figure = Figure(figsize=(3.6 * len(backbones), 3.3), layout="constrained")
    panels = figure.subplots(1, len(backbones), squeeze=False, sharey=True)[0]
    for axes, backbone in zip(panels, backbones, strict=True):
        rows = table[table.backbone == backbone]
        line = rows[rows.kind != "masked"].sort_values("ratio")
        share, operations = line.ratio.to_numpy(), line["operations ratio"].to_numpy()
        low, high = (1 - TOLERANCE) * operations, (1 + TOLERANCE) * operations
        axes.fill_between(share, low, high, color="#D9D9D9", label="±10 %")
        axes.plot(share, operations, color="black", linewidth=1, label="operations")
        for kind, (colour, marker) in KINDS.items():
            points = rows[rows.kind == kind]
            value = points["time ratio"]
            spread = np.abs(points[["time ratio low", "time ratio high"]].T - value)
            axes.errorbar(
                points.ratio, value, spread, color=colour, marker=marker, linestyle="none",
                markersize=5, capsize=3, label=f"time, {kind}",
            )  # fmt: skip
        axes.set(title=TITLES.get(backbone, backbone), xlabel="share of visual tokens kept")
        axes.set(xlim=(0, 1.05), ylim=(0, max(1.2, 1.05 * rows["time ratio high"].max())))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("of the full sequence's prefill")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return save(figure, stem)


@styled
def prefill_bars(table: pd.DataFrame, stem: str | Path) -> Path:
    """Seconds of prefill by its parts, stacked; one panel a backbone, one bar a mode.

    Frames are what the operations say of each: their ratio times the full sequence's time.
    `table` is `prefill_table`'s.
    """
    if table.empty:
        return nothing(UNMEASURED, stem)
    backbones = list(dict.fromkeys(table.backbone))
    figure = Figure(figsize=(3.6 * len(backbones), 3.5), layout="constrained")
    panels = figure.subplots(1, len(backbones), squeeze=False)[0]
    for axes, backbone in zip(panels, backbones, strict=True):
        rows = table[table.backbone == backbone]
        rows = rows.sort_values(["kind", "ratio"], ascending=False, key=_order, kind="stable")
        places, foot = np.arange(len(rows)), np.zeros(len(rows))
        for part, (stages, colour) in PARTS.items():
            tall = rows[[f"{stage} seconds" for stage in stages]].sum(axis=1).to_numpy()
            axes.bar(places - 0.12, tall, 0.52, foot, color=colour, label=part, linewidth=0)
            foot += tall
        full = rows.loc[rows.kind == "full", "prefill seconds"].iloc[0]
        theory = full * rows["operations ratio"].to_numpy()
        axes.bar(places + 0.26, theory, 0.16, label="all of it by its operations", **FRAME)
        for place, seconds, line in zip(places, foot, theory, strict=True):
            axes.text(place - 0.12, max(seconds, line), f"{seconds:.1f}", ha="center", va="bottom")
        names = [row.kind if row.kind == "full" else f"{row.kind}\n{row.ratio:g}"
                 for _, row in rows.iterrows()]  # fmt: skip
        axes.set_xticks(places, names)
        axes.set(title=TITLES.get(backbone, backbone), ylim=(0, 1.12 * max(*foot, *theory)))
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    panels[0].set_ylabel("seconds of prefill")
    legend(figure, panels, ncols=3)
    return save(figure, stem)


def _order(column: pd.Series) -> pd.Series:
    """Full first, then dropped, then masked; the larger ratio first."""
    return column.map({"full": 2, "dropped": 1, "masked": 0}) if column.name == "kind" else column


@styled
def stage_bars(table: pd.DataFrame, stem: str | Path) -> Path:
    """Milliseconds of a query by stage after its video is read and prepared, which the title tells.

    Stacked; one panel a run, one bar a mode. The frame under each bar is prefill as its operations
    would have it, beside the full one's time. `table` is `stage_table`'s.
    """
    if table.empty:
        return nothing(UNMEASURED, stem)
    runs = list(dict.fromkeys(table.run))
    figure = Figure(figsize=(7.2, 0.7 + 1.55 * len(runs)), layout="constrained")
    panels = figure.subplots(len(runs), 1, squeeze=False, sharex=True)[:, 0]
    for axes, run in zip(panels, runs, strict=True):
        rows = table[table.run == run].set_index("mode")
        for place, (_, row) in enumerate(rows.iterrows()):
            _query(axes, place, row, rows.loc["full"])
        before = 1e3 * rows[[*BEFORE]].sum(axis=1).loc["full"]
        axes.set_title(f"{run}, after {before:.0f} ms for reading and preparing the video")
        axes.set_yticks(range(len(rows)), list(rows.index))
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    panels[-1].set_xlabel("milliseconds of a query")
    legend(figure, panels, ncols=5)
    return save(figure, stem)


def _query(axes: Axes, place: int, row: pd.Series, full: pd.Series) -> None:
    """One mode's bar, with its sum, and prefill by its operations below."""
    left = 0.0
    for group, (stages, colour, hatch) in GROUPS.items():
        width = 1e3 * sum(row[stage] for stage in stages)
        look = {"color": colour, "hatch": hatch, **BAR}
        axes.barh(place, width, left=left, height=0.56, label=group, **look)
        if group == "prefill":
            share = row["prefill operations"] / full["prefill operations"]
            axes.barh(
                place + 0.38, 1e3 * full.prefill * share, left=left, height=0.14,
                label="prefill by its operations", **FRAME,
            )  # fmt: skip
        left += width
    axes.text(left, place, f" {left:.1f}", va="center")
