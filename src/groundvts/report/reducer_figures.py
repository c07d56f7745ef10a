"""Pictures of ways to reduce tokens: accuracy against tokens kept, cases, prefill."""

from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groundvts.report.benchmarks import known
from groundvts.report.figures import save, styled
from groundvts.report.reducers import CONTROL, PANELS, Reducers, case_titles

# Colour, line and marker of each sampler: told apart by two of the three.
LOOKS = {
    "vts": ("#D55E00", "-", "o"),
    "cosine": ("#D55E00", "-", "o"),
    "guided_pooling": ("#882255", "-", "D"),
    "frame_selection": ("#CC79A7", "--", "P"),
    "temporal_difference": ("#009E73", "--", "^"),
    "segment_merging": ("#117733", ":", "v"),
    "attention": ("#E69F00", "-.", "X"),
    "uniform": ("#56B4E9", ":", "s"),
    "random": ("#0072B2", "--", "*"),
}
WITHOUT_WEIGHTS = ("#7F3B08", ":", "h")  # GroundVTS's choice without its weights
BASE = "#7F7F7F"
OTHERS = (("#332288", "-", "<"), ("#44AA99", "--", ">"), ("#AA4499", ":", "p"))  # of one's own


@styled
def draw_accuracy(found: Reducers, stem: str | Path) -> Path:
    """A column for each metric against the share of tokens kept; trained above, untrained below.

    The grey line is the untrained base with all tokens; bars are 95 % intervals.
    """
    panels = [one for one in PANELS if one[0] in set(found.accuracy.dataset)]
    figure = Figure(figsize=(2.55 * len(panels), 6.2), layout="constrained")
    grid = figure.subplots(2, len(panels), sharex=True, sharey="col", squeeze=False)
    for row, trained in enumerate((True, False)):
        for axes, (dataset, metric) in zip(grid[row], panels, strict=True):
            _lines(axes, found, (dataset, metric), trained)
            title = f"{known(dataset).title}\n{metric} (%)" if row == 0 else ""
            axes.set(title=title, ylim=(0, None))
            axes.set_xticks(found.ratios, [f"{ratio:g}" for ratio in found.ratios])
            axes.grid(alpha=0.3)
        grid[row][0].set_ylabel("trained in three stages" if trained else "untrained base")
    for axes in grid[1]:
        axes.set_xlabel("share of tokens kept")
    handles: dict = {}
    for axes in grid[:, 0]:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    return save(figure, stem)


def _lines(axes: Axes, found: Reducers, panel: tuple[str, str], trained: bool) -> None:
    dataset, metric = panel
    rows = found.accuracy
    rows = rows[(rows.dataset == dataset) & (rows.metric == metric)]
    base = rows[rows.sampler.isna() & rows.variant.str.startswith("base")]
    if len(base):
        axes.axhline(base.value.iloc[0], color=BASE, lw=1.2, label="base, all tokens")
    ours = rows[(rows.trained == trained) & rows.sampler.notna()]
    for place, (variant, of_one) in enumerate(ours.groupby("variant", sort=False)):
        colour, line, marker = _look(variant, of_one.sampler.iloc[0])
        bars = np.abs(of_one[["low", "high"]].to_numpy().T - of_one.value.array)
        axes.errorbar(
            of_one.ratio + 0.004 * (place - 4), of_one.value, bars, color=colour, linestyle=line,
            marker=marker, ms=4.5, lw=1.4, elinewidth=0.8, capsize=2, label=of_one.label.iloc[0],
        )  # fmt: skip


def _look(variant: str, sampler: str) -> tuple[str, str, str]:
    if variant.startswith(CONTROL):
        return WITHOUT_WEIGHTS
    return LOOKS.get(sampler) or OTHERS[sum(map(ord, sampler)) % len(OTHERS)]


@styled
def draw_cases(found: Reducers, stem: str | Path) -> Path:
    """mIoU of every variant on ordinary clips and in each case, with 95 % intervals."""
    titles, variants = case_titles(found), found.variants.iloc[::-1].reset_index(drop=True)
    figure = Figure(figsize=(9.6, 0.3 * len(variants) + 1.2), layout="constrained")
    panels = figure.subplots(1, len(titles), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (dataset, title) in zip(panels, titles.items(), strict=True):
        rows = found.at(dataset, "mIoU", found.own)
        for place, row in variants.iterrows():
            if row.variant not in rows.index:
                continue
            one = rows.loc[row.variant]
            colour = BASE if pd.isna(row.sampler) else _look(row.variant, row.sampler)[0]
            bars = [[one.value - one.low], [one.high - one.value]]
            marker = "o" if row.trained else "s"
            axes.errorbar(one.value, place, xerr=bars, fmt=marker, color=colour, ms=4.5, capsize=2,
                          mfc=colour if row.trained else "white")  # fmt: skip
        first = rows.iloc[0]
        axes.axvline(first.value, color="black", linestyle="--", linewidth=0.8, zorder=0)
        axes.set(title=fill(title, 14), xlabel="mIoU (%)", xlim=(0, 100))
        axes.grid(axis="x", alpha=0.3)
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(variants)), [fill(label, 40) for label in variants.label])
    return save(figure, stem)


@styled
def draw_prefill(found: Reducers, stem: str | Path) -> Path:
    """Prefill time against all tokens, beside its operations (the line of what is possible)."""
    backbones = list(found.prefill.backbone.unique())
    figure = Figure(figsize=(4.4 * len(backbones), 3.4), layout="constrained")
    panels = figure.subplots(1, len(backbones), sharey=True, squeeze=False)[0]
    for axes, backbone in zip(panels, backbones, strict=True):
        rows = found.prefill[found.prefill.backbone == backbone].iloc[::-1]
        places = np.arange(len(rows))
        bars = np.abs(rows[["time low", "time high"]].to_numpy().T - rows.time.array)
        axes.barh(places, rows.time, xerr=bars, color="#56B4E9", height=0.6, label="time",
                  error_kw={"lw": 1, "capsize": 2})  # fmt: skip
        axes.plot(rows.operations, places, "|", color="black", ms=14, mew=2, label="operations")
        axes.set_yticks(places, rows.sampler)
        axes.set(title=backbone, xlabel="prefill against all tokens", xlim=(0, None))
        axes.grid(axis="x", alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return save(figure, stem)
