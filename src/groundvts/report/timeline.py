"""The picture of a clip's timeline: frames with their kept tokens, scores, windows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from groundvts.report.figures import COLOURS, save, styled
from groundvts.report.strips import (
    LEFT,
    RIGHT,
    SPAN,
    WIDTH,
    Timeline,
    draw_leaders,
    draw_strip,
    pictures_of,
)
from groundvts.report.time_rows import (
    INK,
    LANE,
    SOFT,
    bare,
    draw_failure,
    draw_kept,
    draw_scores,
    draw_time,
    draw_windows,
    rows_of,
    wrapped,
)

LINE = 1.35  # of the font's size, from one line of text to the next
Row = tuple[float, Callable[[Axes], None] | None]  # height (inch), what draws it; None: a gap


@styled
def draw_timelines(clips: list[Timeline], stem: str | Path, title: str = "") -> Path:
    """Timelines one under another, each: frames with dropped tokens faded, kept, scores, windows.

    Writes `stem`.png and `stem`.pdf; returns the path of the png.
    """
    rows = [*words(title, 11, weight="bold"), (0.06, None)] if title else []
    for number, clip in enumerate(clips):
        rows += _rows(clip)
        said = caption(clip)
        if [caption(other) for other in clips[number + 1 : number + 2]] != [said]:
            rows += words(said, 7, color=SOFT)
        rows.append((0.14, None))
    return draw_rows(rows, stem)


def draw_rows(rows: list[Row], stem: str | Path) -> Path:
    """Rows one under another as `stem`.png and `stem`.pdf; returns the path of the png."""
    height = sum(row[0] for row in rows)
    figure, top = Figure(figsize=(WIDTH, height)), height
    for tall, draw in rows:
        top -= tall
        if draw is not None:
            draw(figure.add_axes((LEFT / WIDTH, top / height, SPAN / WIDTH, tall / height)))
    return save(figure, stem)


def _rows(clip: Timeline) -> list[Row]:
    """Heading, frames, kept tokens, scores, windows and time of one clip."""
    rows = [*words(clip.heading, 10, weight="bold"), *words(clip.note, 8, color=SOFT)]
    return [*rows, *kept_rows(clip), *window_rows(clip)]


def kept_rows(clip: Timeline, shown: Timeline | None = None, most: int | None = None) -> list[Row]:
    """Frames, kept tokens and scores of one clip: the steps of `shown`, shades up to `most`."""
    steps, side, tall = pictures_of(shown or clip)
    counts = clip.kept_thw.sum(axis=(1, 2))
    tokens = clip.grid[1] * clip.grid[2]
    rows = [(0.19, None), *_timed(clip, tall, draw_strip, clip, steps, side, gap=0.04)]
    if len(steps) < clip.grid[0]:
        rows += _timed(clip, 0.13, draw_leaders, clip, steps, gap=0.0)
    numbers = (counts, tokens, clip.second_per_grid, SPAN / clip.limit, most)
    rows += _timed(clip, 0.17, draw_kept, *numbers)
    if clip.scores is not None:
        sums = np.reshape(clip.scores, (clip.grid[0], tokens)).sum(axis=1)
        rows += _timed(clip, 0.42, draw_scores, sums, clip.second_per_grid, clip.predicted)
    return rows


def window_rows(clip: Timeline, asked: bool = True) -> list[Row]:
    """True windows, answers (or why there is none) where it was `asked`, and the time axis."""
    rows, size = [], (clip.limit, SPAN / clip.limit)
    for name, windows, colour in (
        ("true", clip.true, INK),
        ("answer", clip.predicted, COLOURS["vts"]),
    ):
        if windows:
            bars = (name, windows, colour, *size)
            rows += _timed(clip, LANE * rows_of(windows), draw_windows, *bars, gap=0.03)
    if asked and not clip.predicted:
        lines = wrapped(clip.failure, SPAN + RIGHT, FontProperties(size=8, style="italic"), most=3)
        rows += _timed(clip, LANE * len(lines), draw_failure, lines)
    time = partial(draw_time, end=clip.duration or clip.end, limit=clip.limit)
    return [*rows, (0.02, time), (0.38, None)]


def _timed(clip: Timeline, height: float, draw: Callable, *given, gap: float = 0.05) -> list[Row]:
    """A row whose x is the clip's time, and the gap below it."""

    def place(axes: Axes) -> None:
        bare(axes, clip.limit)
        draw(axes, *given)

    return [(height, place), (gap, None)]


def caption(clip: Timeline) -> str:
    """How the picture is read."""
    shown, steps = len(pictures_of(clip)[0]), clip.grid[0]
    some = f"{shown} of {steps} steps (of a stretch, the one that kept most)"
    said = f"Pictures: the first frame of {'each step' if shown == steps else some}, with its time"
    dropped = len(clip.kept) < np.prod(clip.grid)
    said += f"; {'dropped tokens are faded' if dropped else 'no token was dropped'}"
    said += "; kept: how many of a step's tokens"
    if clip.scores is None:
        return f"{said}. No curve: the tokens have no scores."
    return f"{said}; score: sum over a step's tokens (all of the video: 1), dotted: an even share."


# ---- text


def words(text: str, size: float, **style) -> list[Row]:
    """A row of wrapped text; none without text."""
    lines = wrapped(text, SPAN + RIGHT, FontProperties(size=size, weight=style.get("weight")))

    def draw(axes: Axes) -> None:
        axes.set_axis_off()
        style.update(fontsize=size, va="top", linespacing=LINE / 1.2)
        axes.text(0, 1, "\n".join(lines), transform=axes.transAxes, **style)

    return [(len(lines) * size * LINE / 72 + 0.02, draw)] if lines else []
