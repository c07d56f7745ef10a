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
    rows = [*_words(title, 11, weight="bold"), (0.06, None)] if title else []
    for number, clip in enumerate(clips):
        rows += _rows(clip)
        words = _caption(clip)
        if [_caption(other) for other in clips[number + 1 : number + 2]] != [words]:
            rows += _words(words, 7, color=SOFT)
        rows.append((0.14, None))
    height = sum(row[0] for row in rows)
    figure = Figure(figsize=(WIDTH, height))
    top = height
    for tall, draw in rows:
        top -= tall
        if draw is not None:
            draw(figure.add_axes((LEFT / WIDTH, top / height, SPAN / WIDTH, tall / height)))
    return save(figure, stem)


def _rows(clip: Timeline) -> list[Row]:
    """Heading, frames, kept tokens, scores, windows and time of one clip."""
    steps, side, tall = pictures_of(clip)
    inch = SPAN / clip.limit
    counts = clip.kept_thw.sum(axis=(1, 2))
    tokens = clip.grid[1] * clip.grid[2]

    def timed(height: float, draw: Callable, *arguments, gap: float = 0.05) -> list[Row]:
        def place(axes: Axes) -> None:
            bare(axes, clip.limit)
            draw(axes, *arguments)

        return [(height, place), (gap, None)]

    led = len(steps) < clip.grid[0]
    rows = [*_words(clip.heading, 10, weight="bold"), *_words(clip.note, 8, color=SOFT)]
    rows += [(0.19, None), *timed(tall, draw_strip, clip, steps, side, gap=0.04)]
    rows += timed(0.13, draw_leaders, clip, steps, gap=0.0) if led else []
    rows += timed(0.17, draw_kept, counts, tokens, clip.second_per_grid, inch)
    if clip.scores is not None:
        sums = np.reshape(clip.scores, (clip.grid[0], tokens)).sum(axis=1)
        rows += timed(0.42, draw_scores, sums, clip.second_per_grid, clip.predicted)
    if clip.true:
        bars = ("true", clip.true, INK, clip.limit, inch)
        rows += timed(LANE * rows_of(clip.true), draw_windows, *bars, gap=0.03)
    if clip.predicted:
        bars = ("answer", clip.predicted, COLOURS["vts"], clip.limit, inch)
        rows += timed(LANE * rows_of(clip.predicted), draw_windows, *bars, gap=0.03)
    else:
        lines = wrapped(clip.failure, SPAN + RIGHT, FontProperties(size=8, style="italic"), most=3)
        rows += timed(LANE * len(lines), draw_failure, lines)
    time = partial(draw_time, end=clip.duration or clip.end, limit=clip.limit)
    return [*rows, (0.02, time), (0.38, None)]


def _caption(clip: Timeline) -> str:
    """How the picture is read."""
    shown, steps = len(pictures_of(clip)[0]), clip.grid[0]
    some = f"{shown} of {steps} steps (of a stretch, the one that kept most)"
    words = f"Pictures: the first frame of {'each step' if shown == steps else some}, with its time"
    dropped = len(clip.kept) < np.prod(clip.grid)
    words += f"; {'dropped tokens are faded' if dropped else 'no token was dropped'}"
    words += "; kept: how many of a step's tokens"
    if clip.scores is None:
        return f"{words}. No curve: the tokens have no scores."
    return f"{words}; score: sum over a step's tokens (all of the video: 1), dotted: an even share."


# ---- text


def _words(text: str, size: float, **style) -> list[Row]:
    """A row of wrapped text; none without text."""
    lines = wrapped(text, SPAN + RIGHT, FontProperties(size=size, weight=style.get("weight")))

    def draw(axes: Axes) -> None:
        axes.set_axis_off()
        style.update(fontsize=size, va="top", linespacing=LINE / 1.2, parse_math=False)
        axes.text(0, 1, "\n".join(lines), transform=axes.transAxes, **style)

    return [(len(lines) * size * LINE / 72 + 0.02, draw)] if lines else []
