"""Figures of where kept tokens lie: in time around windows, and in the frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from groundvts.escape import plain
from groundvts.report.choice import Choices
from groundvts.report.figures import COLOURS, LINES, legend, save, styled
from groundvts.report.kept import RELATIVE, aligned, around, cells, mean_interval, per_step
from groundvts.report.time_rows import INK, KEPT, SOFT

NAMES = {
    "vts": "GroundVTS",
    "random": "random drop",
    "uniform": "uniform drop",
    "none": "all tokens",
}
EVEN = (0, (1, 2))
WINDOW = "#E3E3E3"
LETTERS = 80  # of a query, in a panel's title
WRITTEN = 8  # cells to a side, at most, for numbers to be written into them


@styled
def density_of_queries(
    choices: Choices, places: Sequence[int], notes: Sequence[str], stem: str | Path
) -> Path:
    """Kept tokens per step over a clip's time, one panel for each of the queries at `places`.

    The true window is grey, the answer a bar above; `notes` stand beside the queries' words.
    """
    figure = Figure(figsize=(7.2, 1.25 * len(places) + 0.6), layout="constrained")
    panels = figure.subplots(len(places), 1, squeeze=False)[:, 0]
    for axes, place, note in zip(panels, places, notes, strict=True):
        moment, line = choices.pairs[place]
        counts = per_step(line)
        edges = np.arange(len(counts) + 1) * line["second_per_grid"]
        for start, end in moment.windows:
            axes.axvspan(start, end, color=WINDOW, linewidth=0, zorder=0, label="true window")
        for start, end in line.get("windows") or ():
            axes.plot([start, end], [0.93, 0.93], color=INK, linewidth=3.5, label="answer",
                      solid_capstyle="butt", transform=axes.get_xaxis_transform())  # fmt: skip
        axes.stairs(counts, edges, fill=True, color=COLOURS["vts"], alpha=0.45)
        axes.stairs(counts, edges, linewidth=1.3, color=COLOURS["vts"], label="kept tokens")
        axes.axhline(1, color=SOFT, linewidth=0.8, linestyle=EVEN, label="an even share")
        axes.set(xlim=(0, edges[-1]), ylim=(0, 1.25 * max(1, counts.max())))
        query = shorten(plain(moment.query), LETTERS, placeholder=" …")
        axes.set_title(f"“{query}”  {note}", fontsize=8.5)
    figure.supylabel("kept tokens per step (mean: 1)", fontsize=9)
    panels[-1].set_xlabel("time (s)")
    legend(figure, panels, ncols=4)
    return save(figure, stem)


@styled
def density_around_windows(compared: Mapping[str, Choices], stem: str | Path) -> Path:
    """Mean kept tokens per step around the true windows, and around each run's own answers.

    Bands are 95 % intervals over videos; time is counted in lengths of the window.
    """
    figure = Figure(figsize=(7.2, 3.3), layout="constrained")
    panels, most = figure.subplots(1, 2, sharey=True), 1.0
    for axes, answers in zip(panels, (False, True), strict=True):
        axes.axvspan(0, 1, color=WINDOW, linewidth=0, zorder=0)
        axes.axhline(1, color=SOFT, linewidth=0.8, linestyle=EVEN, label="an even share")
        for sampler, choices in compared.items():
            value, low, high = mean_interval(*aligned(choices, answers))
            most = np.nanmax([most, *high])
            colour = COLOURS.get(sampler, INK)
            axes.fill_between(RELATIVE, low, high, color=colour, alpha=0.25, linewidth=0)
            look = {"color": colour, "linestyle": LINES.get(sampler, "-"), "linewidth": 1.4}
            axes.plot(RELATIVE, value, label=NAMES.get(sampler, sampler), **look)
        axes.set(title="around each run's answer" if answers else "around the true window")
        axes.set_xlabel("time in lengths of the window\n(0: its start, 1: its end)")
        axes.set(xlim=(-1, 2), xticks=[-1, 0, 1, 2])
        axes.grid(axis="y", alpha=0.3)
    panels[0].set(ylabel="kept tokens per step\n(mean of the clip: 1)", ylim=(0, 1.04 * most))
    legend(figure, panels, ncols=4)
    return save(figure, stem)


@styled
def kept_in_the_frame(
    compared: Mapping[str, Choices], objects: Mapping | None, stem: str | Path
) -> Path:
    """Percent of tokens kept by their place, one row a run: in the frame, and around the object.

    `objects` (toy benchmark) hold each queried object's cell; None: the frame alone, and words.
    """
    maps = []  # of each run: title and shares, the frame's first
    for sampler, choices in compared.items():
        shares, count = cells(choices)
        name, size = NAMES.get(sampler, sampler), " x ".join(map(str, shares.shape))
        maps.append([(f"{name}: {size} cells\nof the frame, {count} queries", shares)])
        if objects:
            during, rest = around(choices, objects)
            maps[-1].append(("around the object,\nin the true window", during))
            maps[-1].append(("around the object,\noutside the window", rest))
    if not objects:
        maps = [[one for row in maps for one in row]]
    figure = Figure(figsize=(7.2, 2.1 * len(maps) + 0.3), layout="constrained")
    panels = figure.subplots(len(maps), len(maps[0]), squeeze=False)
    most = max(np.nanmax(shares) for row in maps for _, shares in row)
    for axes, (title, shares) in zip(
        panels.flat, (one for row in maps for one in row), strict=True
    ):
        _heat(axes, shares, most)
        axes.set_title(title, fontsize=8.5)
    if objects:
        for axes in panels[:, 1:].flat:
            axes.text(1, 1.3, "object", ha="center", va="center", fontsize=7,
                      color=axes.texts[4].get_color())  # fmt: skip
    else:
        figure.supxlabel("Where objects lie is known of the toy benchmark alone.", fontsize=8)
    scale = ScalarMappable(Normalize(0, most), KEPT)
    figure.colorbar(scale, ax=panels, label="tokens kept (%)", shrink=0.6, aspect=30)
    return save(figure, stem)


def _heat(axes: Axes, shares: np.ndarray, most: float) -> None:
    """A map of shares (h, w) with its numbers where they fit."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.imshow(shares, cmap=KEPT, vmin=0, vmax=most)
    if max(shares.shape) > WRITTEN:
        return
    for (y, x), share in np.ndenumerate(shares):
        ink = "white" if share > 0.45 * most else INK
        word = "–" if np.isnan(share) else f"{share:.0f}"
        axes.text(x, y, word, ha="center", va="center", fontsize=8, color=ink)
    for edge in np.arange(1, max(shares.shape)) - 0.5:
        axes.axvline(edge, color="white", linewidth=1.5)
        axes.axhline(edge, color="white", linewidth=1.5)
