"""Figures of the report in one style: colour-blind-safe, fit for print, saved as png and pdf."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groundvts.data.files import writing
from groundvts.report.output import target
from groundvts.report.runs import STAGES, Run

# Okabe and Ito's colours: told apart under all common colour blindness, and by lightness in grey.
COLOURS = {
    "vts": "#D55E00",
    "random": "#0072B2",
    "uniform": "#56B4E9",
    "full": "#009E73",
    "base": "#7F7F7F",
    "constant": "#BDBDBD",
    "internvl": "#882255",
    "control-random-choice": "#CC79A7",
    "control-constant-weights": "#E69F00",
}
LINES = {
    "vts": "-",
    "random": (0, (5, 1.5)),
    "uniform": (0, (1, 1)),
    "full": (0, (6, 1.5, 1, 1.5)),
    "internvl": (0, (8, 1.5)),
}
MARKERS = {
    "vts": "o",
    "random": "s",
    "uniform": "^",
    "full": "D",
    "internvl": "v",
    "control-random-choice": "X",
    "control-constant-weights": "P",
}
WHISKERS = {
    True: {"color": "#7F7F7F", "capsize": 0, "linewidth": 1.0},
    False: {"color": "black", "capsize": 3, "linewidth": 1.2},
}  # whether an interval is of one seed, over videos alone
SERIES = {"object": "queried object", "distractors": "other objects", "interval": "true window"}
SERIES_STYLE = {
    "object": ("#D55E00", "-", "o"),
    "distractors": ("#0072B2", "--", "s"),
    "interval": ("#595959", ":", "^"),
}
ACROSS = 4  # panels side by side
STYLE = sns.axes_style("ticks") | {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "savefig.bbox": "tight",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a dollar is a dollar
}


def styled(draw):
    """Draw in the style of the report, whatever the caller's own settings are."""

    def wrapped(*args, **kwargs):
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    wrapped.__doc__ = draw.__doc__
    wrapped.__name__ = draw.__name__
    return wrapped


def save(figure: Figure, stem: str | Path) -> Path:
    """Write `stem`.png and `stem`.pdf; returns the path of the png."""
    stem = target(stem)
    for kind in ("pdf", "png"):
        path = stem.with_name(f"{stem.name}.{kind}")
        with writing(path) as partial:
            figure.savefig(partial, format=kind)
    return path


def colour(variant: str) -> str:
    """The colour of a variant such as `vts-0.25` or `base`."""
    return COLOURS.get(variant, COLOURS.get(variant.split("-")[0], "#333333"))


def look(variant: str, ratio: float | None) -> dict:
    """How a variant's line is drawn, told apart in grey too; hollow markers: a ratio from 0.5."""
    kind = variant if variant in MARKERS else variant.split("-")[0]
    hollow = {"markerfacecolor": "white"} if ratio and 0.5 <= ratio < 1 else {}
    style = {"color": colour(variant), "linestyle": LINES.get(kind, "-"), "markersize": 4.5}
    return style | {"marker": MARKERS.get(kind, "."), "markeredgewidth": 1.1} | hollow


@styled
def nothing(words: str, stem: str | Path) -> Path:
    """A figure that says why there is none."""
    figure = Figure(figsize=(5.0, 0.6))
    figure.text(0.5, 0.5, words, ha="center", va="center", style="italic")
    return save(figure, stem)


def short(variant: str) -> str:
    """A variant's name for axes and legends: `vts-0.25` is `VTS 0.25`."""
    known = {
        "constant": "constant span",
        "base": "base, not fine-tuned",
        "full": "all tokens",
        "control-random-choice": "random choice,\nVTS weights",
        "control-constant-weights": "VTS choice,\nconstant weights",
    }
    words = variant.replace("-", " ").replace("internvl", "InternVL")
    return known.get(variant, words.replace("vts", "VTS"))


@styled
def loss_curves(runs: list[Run], stem: str | Path) -> Path:
    """Training loss over steps, one panel per stage, one line per variant.

    Several seeds of a variant are a band from the least to the greatest about their mean; each
    panel has its own scale.
    """
    stages = [stage for stage in STAGES if any(stage in run.stages for run in runs)]
    figure = Figure(figsize=(3.1 * len(stages), 3.6), layout="constrained")
    panels = figure.subplots(1, len(stages), squeeze=False)[0]
    variants = {run.variant: run.ratio for run in runs}
    for axes, stage in zip(panels, stages, strict=True):
        for place, (variant, ratio) in enumerate(variants.items()):
            curves = [_smooth(run.stages[stage]["loss"]) for run in runs
                      if run.variant == variant and stage in run.stages]  # fmt: skip
            if curves:
                seeds = pd.concat(curves, axis=1)
                every = max(1, len(seeds) // 5)
                marks = (place * every // len(variants), every)  # not one above the other
                style = look(variant, ratio) | {"linewidth": 1.2, "markevery": marks}
                name = short(variant).replace("\n", " ")
                axes.plot(seeds.index, seeds.mean(axis=1), label=name, **style)
                spread = (seeds.min(axis=1), seeds.max(axis=1))
                axes.fill_between(seeds.index, *spread, color=style["color"], alpha=0.15, lw=0)
        axes.set(title=f"{STAGES.index(stage) + 1} {stage}", xlabel="step")
        axes.grid(axis="y", alpha=0.3)
    panels[0].set_ylabel("loss (running mean)")
    legend(figure, panels, ncols=4)
    return save(figure, stem)


def _smooth(points: list[dict]) -> pd.Series:
    """Running mean of a loss over a fifteenth of its points, by step."""
    loss = pd.DataFrame(points).set_index("step").loss
    return loss.rolling(max(1, len(loss) // 15), min_periods=1).mean()


def legend(figure: Figure, panels: Iterable[Axes], ncols: int) -> None:
    """One legend of all that the panels show, below them."""
    found = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(found.values(), found, loc="outside lower center", ncols=min(ncols, len(found)))


@styled
def score_bars(table: pd.DataFrame, singles: pd.DataFrame, stem: str | Path) -> Path:
    """mIoU per variant with 95 % intervals; dots are single seeds, the line is the constant span.

    Grey intervals are over videos alone, of one seed. `table` has one row per variant (see
    `tables.headline`), `singles` one per run.
    """
    rows = table[table.variant != "constant"].iloc[::-1].reset_index(drop=True)
    figure = Figure(figsize=(7.2, 0.36 * len(rows) + 1.0), layout="constrained")
    axes = figure.subplots()
    for place, row in rows.iterrows():
        axes.barh(place, row.mIoU, color=colour(row.variant), height=0.68)
        bounds = [[row.mIoU - row["mIoU low"]], [row["mIoU high"] - row.mIoU]]
        axes.errorbar(row.mIoU, place, xerr=bounds, **WHISKERS[row["count"] == 1])
        seeds = singles[singles.variant == row.variant].mIoU
        if len(seeds) > 1:
            axes.plot(seeds, [place] * len(seeds), "o", color="white", mec="black", ms=3.5)
        end = row.mIoU if pd.isna(row["mIoU high"]) else row["mIoU high"]
        axes.text(
            end + 1.2, place, f"{row.mIoU:.1f}", va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    constant = table[table.variant == "constant"]
    if len(constant):
        value = constant.mIoU.iloc[0]
        axes.axvline(value, color="black", linestyle="--", linewidth=1.1, zorder=1.5)
        axes.text(value, len(rows) - 0.33, f"constant span {value:.1f}", ha="center", va="bottom")
    axes.set_yticks(range(len(rows)), [short(variant) for variant in rows.variant])
    axes.set(
        xlim=(0, 100),
        xlabel="mIoU (%) with 95 % interval (grey: one seed, videos alone); dots: single seeds",
        ylim=(-0.6, len(rows) - 0.4),
    )
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return save(figure, stem)


@styled
def token_recall(runs: list[Run], stem: str | Path) -> Path:
    """Share of tokens kept after each stage, one panel per run whose choice is learned.

    Lines: tokens of the queried object, of the other objects, of the true window; the grey line
    is chance (the ratio).
    """
    chosen = [run for run in runs if run.tokens and run.sampler == "vts"]
    if not chosen:
        return nothing("Where objects lie is known of the toy benchmark alone.", stem)
    rows, width = -(-len(chosen) // ACROSS), min(len(chosen), ACROSS)
    figure = Figure(figsize=(max(2.1 * width, 4.6), 2.3 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, width, squeeze=False, sharey=True)
    for axes, run in zip(panels.flat, chosen, strict=False):
        _recall(axes, run)
    for axes in panels.flat[len(chosen) :]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_ylabel("tokens kept (%)")
    legend(figure, panels.flat, ncols=4)
    return save(figure, stem)


def _recall(axes: Axes, run: Run) -> None:
    """One run's panel."""
    stages = [stage for stage in STAGES if stage in run.tokens["after"]]
    axes.axhline(100 * run.ratio, color="#9E9E9E", linewidth=1.4, label="chance (the ratio)")
    for name, (shade, style, marker) in SERIES_STYLE.items():
        shares = [run.tokens["after"][stage].get(name) for stage in stages]
        if None in shares:
            continue
        values = np.array([[share[key] for key in ("value", "low", "high")] for share in shares])
        spread = np.abs(values[:, 1:] - values[:, :1]).T
        axes.errorbar(
            range(len(stages)), values[:, 0], spread, color=shade, linestyle=style,
            marker=marker, markersize=4, capsize=2, label=SERIES[name],
        )  # fmt: skip
    name = short(run.variant)
    axes.set_title(f"{name}, seed {run.seed}" if "\n" in name else f"{name}\nseed {run.seed}")
    axes.title.set_fontsize(7.8)
    axes.set_xticks(range(len(stages)), [f"{STAGES.index(stage) + 1}" for stage in stages])
    axes.set(ylim=(0, 104), xlim=(-0.25, len(stages) - 0.75), xlabel="after stage")
    axes.grid(axis="y", alpha=0.3)
