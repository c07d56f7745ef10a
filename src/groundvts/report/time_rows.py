"""Parts of a timeline: outlines of kept tokens, and rows of counts, scores and windows over time.

Rows draw into axes whose x is time in seconds; `inch` is the width of a second on the page.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import AutoLocator

from groundvts.escape import plain
from groundvts.report.figures import COLOURS

INK, SOFT = "#1B1B1B", "#5C5C5C"
SMALL = 6.5  # points
LANE = 0.15  # inch, height of one bar
Window = tuple[float, float]
KEPT = LinearSegmentedColormap.from_list(
    "kept", [(0, "#F0F0F0"), (0.55, COLOURS["vts"]), (1, "#5A2300")]
)


def bare(axes: Axes, limit: float) -> None:
    """Axes with time to `limit` (s) along x, and nothing else."""
    axes.set(xlim=(0, limit), ylim=(0, 1), xticks=[], yticks=[], autoscale_on=False)
    axes.spines[:].set_visible(False)
    axes.patch.set_visible(False)


def wrapped(text: str, width: float, font: FontProperties, most: int = 5) -> list[str]:
    """At most `most` lines of `text` that are about `width` inch wide."""
    text = " ".join(plain(text).split())
    points = text_to_path.get_text_width_height_descent(text or " ", font, ismath=False)[0]
    letters = max(1, int(0.95 * len(text) * width * 72 / max(points, 1)))
    return textwrap.wrap(text, letters, max_lines=most, placeholder=" …")


def label(axes: Axes, text: str, height: float = 0.5) -> None:
    """The row's name, left of it."""
    axes.text(-0.008, height, text, transform=axes.transAxes, ha="right", va="center", fontsize=8)


def aside(axes: Axes, text: str, height: float = 0.5, va: str = "center") -> None:
    """A small remark right of the row."""
    place = {"transform": axes.transAxes, "ha": "left", "va": va}
    axes.text(1.008, height, text, **place, fontsize=SMALL, color=SOFT, linespacing=1.0)


def outline(axes: Axes, kept: np.ndarray, box: tuple, cell: float) -> None:
    """Lines around regions of kept cells (h, w), thinner where a cell (`cell` inch) is small."""
    padded = np.pad(kept, 1)
    row, col = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    across = np.stack([np.stack([col, row], -1), np.stack([col + 1, row], -1)], 1)
    row, col = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    down = np.stack([np.stack([col, row], -1), np.stack([col, row + 1], -1)], 1)
    scale = np.array([(box[1] - box[0]) / kept.shape[1], -1 / kept.shape[0]])
    lines = np.concatenate([across, down]) * scale + [box[0], 1]
    thick = float(np.clip(6 * cell, 0.35, 1.1))
    style = {"colors": COLOURS["vts"], "linewidths": thick, "capstyle": "projecting"}
    axes.add_collection(LineCollection(lines, **style, zorder=2), autolim=False)


def draw_kept(
    axes: Axes, counts: np.ndarray, tokens: int, step: float, inch: float, most: int | None = None
) -> None:
    """Kept tokens of each step (t,) of `step` s, dark where many; as numbers where they fit.

    `most` has the darkest shade (None: the most of these).
    """
    most = most or max(1, int(counts.max()))
    wide = step * inch >= 0.07
    edges = np.arange(len(counts) + 1) * step
    shade = {"edgecolors": "white", "linewidth": 0.8} if wide else {"rasterized": True}
    axes.pcolormesh(edges, [0, 1], counts[None], cmap=KEPT, vmin=0, vmax=most, **shade)
    label(axes, "kept")
    if step * inch >= 0.07 * len(str(most)) + 0.06:
        for place, count in enumerate(counts):
            ink = "white" if count / most > 0.45 else INK
            middle = {"ha": "center", "va": "center_baseline"}
            axes.text((place + 0.5) * step, 0.47, count, **middle, fontsize=SMALL, color=ink)
        aside(axes, f"of {tokens}")
    else:
        aside(axes, f"{counts.min()} to {counts.max()}\nof {tokens}")


def draw_scores(axes: Axes, sums: np.ndarray, step: float, answered: Sequence[Window]) -> None:
    """The sum of each step's scores (t,) as a curve, an even share dotted, answers shaded."""
    edges = np.arange(len(sums) + 1) * step
    axes.stairs(sums, edges, fill=True, color="#C8C8C8")
    borders = np.unique([0, edges[-1], *np.clip(np.ravel(answered), 0, edges[-1])])
    for left, right in pairwise(borders):
        if any(start <= left and right <= end for start, end in answered):
            axes.axvspan(left, right, color=COLOURS["vts"], alpha=0.2, linewidth=0)
    axes.stairs(sums, edges, color=INK, linewidth=1.1, baseline=None)
    axes.hlines(sums.mean(), 0, edges[-1], color=SOFT, linestyle=":", linewidth=1.0)
    axes.axhline(0, color=SOFT, linewidth=0.6)
    top = float(sums.max()) or 1.0
    axes.set_ylim(0, 1.08 * top)
    label(axes, "score")
    aside(axes, f"{top:.2g}", 1 / 1.08)
    aside(axes, "0", 0.0)


def lanes(windows: Sequence[Window]) -> list[int]:
    """The lane of each window: the first in which it overlaps none before it."""
    ends: list[float] = []
    found = [0] * len(windows)
    for index in sorted(range(len(windows)), key=lambda index: windows[index]):
        start, end = windows[index]
        lane = next((lane for lane, last in enumerate(ends) if last <= start), len(ends))
        ends[lane : lane + 1] = [end]
        found[index] = lane
    return found


def rows_of(windows: Sequence[Window]) -> int:
    """How many lanes the windows need, at least one."""
    return 1 + max(lanes(windows), default=0)


def draw_windows(
    axes: Axes, name: str, windows: Sequence[Window], colour: str, limit: float, inch: float
) -> None:
    """Bars with their seconds; an arrow where a window goes on after `limit`."""
    count = rows_of(windows)
    axes.set_ylim(count, 0)
    label(axes, name)
    taken = list(zip(lanes(windows), windows, strict=True))
    least = 0.03 / inch  # so that an instant can be seen
    for lane, (start, end) in taken:
        left, right = min(start, limit - 6 * least), min(end, limit)
        axes.barh(lane + 0.5, max(right - left, least), 0.74, left, color=colour, linewidth=0)
        if end > limit:
            axes.plot(limit, lane + 0.5, ">", color=colour, ms=7, clip_on=False)
        others = [other for place, other in taken if place == lane and other != (start, end)]
        before = max((stop for _, stop in others if stop <= start), default=0)
        after = min((begin for begin, _ in others if begin >= end), default=limit)
        gaps = (left - before, after - right)
        _seconds(axes, lane + 0.5, (left, right), gaps, f"{start:.1f}–{end:.1f} s", inch)


def _seconds(axes: Axes, height: float, bar: Window, gaps: Window, text: str, inch: float) -> None:
    """A window's seconds in its bar, or in the gap right or left of it; nowhere if none fits."""
    need = (0.062 * len(text) + 0.06) / inch
    style = {"va": "center_baseline", "fontsize": SMALL}
    if bar[1] - bar[0] >= need:
        axes.text(sum(bar) / 2, height, text, ha="center", color="white", **style)
    elif gaps[1] >= need:
        axes.text(bar[1] + 0.05 / inch, height, text, ha="left", color=INK, **style)
    elif gaps[0] >= need:
        axes.text(bar[0] - 0.05 / inch, height, text, ha="right", color=INK, **style)


def draw_failure(axes: Axes, lines: list[str]) -> None:
    """Why there is no window, in the place of one."""
    label(axes, "answer", 1 - 0.5 / len(lines))
    style = {"fontsize": 8, "fontstyle": "italic", "va": "top", "color": COLOURS["vts"]}
    axes.text(0, 1, "\n".join(lines), linespacing=1.15, **style)


def draw_time(axes: Axes, end: float, limit: float) -> None:
    """The time axis to `limit`, dotted after the video's `end` (s)."""
    bare(axes, limit)
    axes.xaxis.set_major_locator(AutoLocator())
    axes.tick_params(length=3, labelsize=8)
    axes.set_xlabel("time (s)", fontsize=8, labelpad=1)
    axes.plot([0, min(end, limit)], [0, 0], color=INK, linewidth=1.2, clip_on=False)
    if limit > 1.01 * end:
        axes.plot([end, limit], [0, 0], color=SOFT, linewidth=1.2, linestyle=":", clip_on=False)
        axes.plot(end, 0, "|", color=INK, markersize=9, clip_on=False)
