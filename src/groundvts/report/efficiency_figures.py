"""Figures of speed: time against operations, and the seconds of a query by stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from groundvts.report.efficiency import TITLES, TOLERANCE
from groundvts.report.figures import COLOURS, save, styled

KINDS = {
    "full": (COLOURS["full"], "D"),
    "masked": (COLOURS["random"], "s"),
    "dropped": (COLOURS["vts"], "o"),
}
GROUPS = {  # of a query's stages, with a colour each
    "read": (("read",), COLOURS["constant"]),
    "prepare": (("prepare",), COLOURS["base"]),
    "vision tower, projector": (("vision tower", "projector"), COLOURS["uniform"]),
    "sampling": (("scores", "post-MLP", "sequence"), COLOURS["control-constant-weights"]),
    "prefill": (("prefill",), COLOURS["vts"]),
    "decode": (("decode",), COLOURS["full"]),
}


@styled
def time_against_operations(table: pd.DataFrame, stem: str | Path) -> Path:
    """Prefill's time ratio against the kept share, one panel a backbone.

    The line is the ratio of operations, with a band of 10 %; `table` is `prefill_table`'s.
    """
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
def stage_bars(table: pd.DataFrame, stem: str | Path) -> Path:
    """Milliseconds of a query by stage, stacked; one panel a run, one bar a mode.

    The frame under each bar is prefill as its operations would have it, beside the full one's
    time. `table` is `stage_table`'s.
    """
    runs = list(dict.fromkeys(table.run))
    figure = Figure(figsize=(7.2, 0.6 + 1.55 * len(runs)), layout="constrained")
    panels = figure.subplots(len(runs), 1, squeeze=False)[:, 0]
    for axes, run in zip(panels, runs, strict=True):
        rows = table[table.run == run].set_index("mode")
        for place, (_, row) in enumerate(rows.iterrows()):
            left = 0.0
            for group, (stages, colour) in GROUPS.items():
                width = 1e3 * sum(row[stage] for stage in stages)
                shown = {"label": group} if place == 0 else {}
                axes.barh(place, width, left=left, height=0.6, color=colour, **shown)
                if group == "prefill":
                    bound = 1e3 * rows.prefill["full"] * row["prefill operations"]
                    bound /= rows["prefill operations"]["full"]
                    axes.barh(
                        place + 0.38, bound, left=left, height=0.12, fill=False, edgecolor="black",
                        label="prefill by its operations" if place == 0 else None,
                    )  # fmt: skip
                left += width
            axes.text(left, place, f" {left:.0f}", va="center")
        axes.set_yticks(range(len(rows)), list(rows.index))
        axes.invert_yaxis()
        axes.set_title(run)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    panels[-1].set_xlabel("milliseconds of a query")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return save(figure, stem)
