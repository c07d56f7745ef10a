"""The picture of a clip's timeline: frames with their kept tokens, scores, windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from groundvts.report.figures import COLOURS, save, styled
from groundvts.report.time_rows import (
    INK,
    LANE,
    SMALL,
    SOFT,
    Window,
    bare,
    draw_failure,
    draw_kept,
    draw_scores,
    draw_time,
    draw_windows,
    outline,
    rows_of,
    wrapped,
)

WIDTH, LEFT, RIGHT = 9.0, 0.6, 0.6  # inch: the page, and what its names and remarks take
SPAN = WIDTH - LEFT - RIGHT
TALLEST = 1.7  # inch, of a picture
PICTURES = (0.33, 1.1)  # inch, least and greatest side that a picture is given where many follow
TOKEN = 0.16  # inch, side of a token that can be made out
LINE = 1.35  # of the font's size, from one line of text to the next
BEYOND = 1.12  # how far past the video's end windows are shown
Row = tuple[float, Callable[[Axes], None] | None]  # height (inch), what draws it; None: a gap


@dataclass(frozen=True)
class Timeline:
    """One query on one clip.

    pixels (T, H, W, 3) uint8, the same number of frames to each of the t grid steps; grid (t, h, w)
    merged tokens; kept: indices of kept tokens, time-major; scores (t*h*w,) or None; windows in
    seconds, none with the reason in `failure`; times (T,) of the frames in seconds, None: evenly
    spread; duration: the video's in seconds, None: the grid's; note: what stands below the heading.
    """

    heading: str
    pixels: np.ndarray
    grid: tuple[int, int, int]
    second_per_grid: float
    kept: list[int]
    scores: list[float] | None = None
    true: tuple[Window, ...] = ()
    predicted: tuple[Window, ...] = ()
    times: tuple[float, ...] | None = None
    duration: float | None = None
    failure: str = "none"
    note: str = ""

    @property
    def kept_thw(self) -> np.ndarray:
        """Kept tokens as booleans, (t, h, w)."""
        mask = np.zeros(int(np.prod(self.grid)), dtype=bool)
        mask[self.kept] = True
        return mask.reshape(self.grid)

    @property
    def end(self) -> float:
        """End of the last grid step in seconds."""
        return self.grid[0] * self.second_per_grid

    @property
    def limit(self) -> float:
        """End of the time axis in seconds: a little past the video where a window ends after it."""
        last = max(self.end, self.duration or 0)
        latest = max((end for _, end in (*self.true, *self.predicted)), default=0)
        return min(max(last, latest), BEYOND * last)

    def frame(self, step: int) -> tuple[np.ndarray, float]:
        """The first frame (H, W, 3) of a grid step and its time in seconds."""
        place = min(step * -(-len(self.pixels) // self.grid[0]), len(self.pixels) - 1)
        time = step * self.second_per_grid if self.times is None else self.times[place]
        return self.pixels[place], time


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
    steps, side, tall = _pictures(clip)
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
    rows += [(0.19, None), *timed(tall, _draw_strip, clip, steps, side, gap=0.04)]
    rows += timed(0.13, _draw_leaders, clip, steps, gap=0.0) if led else []
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
    shown, steps = len(_pictures(clip)[0]), clip.grid[0]
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


# ---- frames


def _pictures(clip: Timeline) -> tuple[list[int], float, float]:
    """Grid steps that get a picture, and a picture's width and height in inch.

    All steps, or as many as stay legible: of equal stretches of time, the step that kept most.
    """
    steps, rows, cols = clip.grid
    height, width = clip.pixels.shape[1:3]
    area = np.clip(TOKEN * np.sqrt(rows * cols), *PICTURES)
    room = SPAN * clip.end / clip.limit
    least = max(area * np.sqrt(width / height), PICTURES[0])  # so that its time fits above
    count = max(1, int(room / least))
    if steps <= min(1.5 * count, room / PICTURES[0]):  # smaller ones rather than a few left out
        count = steps
    shrink = min(1, TALLEST / (room / count * height / width))
    wide = room / count * shrink
    stretches = np.array_split(clip.kept_thw.sum(axis=(1, 2)), count)
    starts = np.cumsum([0, *map(len, stretches)])
    chosen = [int(a + _fullest(kept)) for a, kept in zip(starts, stretches, strict=False)]
    return chosen, wide, wide * height / width


def _fullest(kept: np.ndarray) -> int:
    """Where most is kept (n,); of equals, the one nearest to the middle."""
    best = np.flatnonzero(kept == kept.max())
    return int(best[np.abs(best - (len(kept) - 1) / 2).argmin()])


def _draw_strip(axes: Axes, clip: Timeline, steps: list[int], wide: float) -> None:
    """A picture for each of `steps`, `wide` inch, near its frame's time, which stands above."""
    slot, inch = clip.end / len(steps), SPAN / clip.limit
    half = (wide - min(0.025, 0.1 * wide)) / inch / 2
    digits = 1 if slot >= 0.2 else 2
    above = {"ha": "center", "va": "bottom", "fontsize": SMALL, "color": SOFT}
    for place, step in enumerate(steps):
        frame, time = clip.frame(step)
        kept = clip.kept_thw[step]
        spare = max(slot - wide / inch, 0) / 2
        middle = np.clip(time, (place + 0.5) * slot - spare, (place + 0.5) * slot + spare)
        box = (middle - half, middle + half, 0, 1)
        axes.imshow(_dim(frame, kept), extent=box, aspect="auto", zorder=1)
        edge = {"edgecolor": "#BDBDBD", "linewidth": 0.5, "zorder": 1.5}
        axes.add_patch(Rectangle((box[0], 0), 2 * half, 1, fill=False, **edge))
        axes.text(middle, 1, f"{time:.{digits}f}", **above)
        if len(clip.kept) < clip.kept_thw.size:
            outline(axes, kept, box, cell=wide / kept.shape[1])
    axes.set(xlim=(0, clip.limit), ylim=(0, 1))


def _dim(frame: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The frame (H, W, 3) with the cells that are not in `kept` (h, w) grey and faded."""
    height, width = frame.shape[:2]
    rows = np.arange(height) * kept.shape[0] // height
    cols = np.arange(width) * kept.shape[1] // width
    seen = kept[rows[:, None], cols[None, :]][..., None]
    grey = frame @ np.array([0.299, 0.587, 0.114])
    return np.where(seen, frame, (255 - (255 - grey) * 0.34)[..., None]).astype(np.uint8)


def _draw_leaders(axes: Axes, clip: Timeline, steps: list[int]) -> None:
    """A line from each picture down to its frame's time."""
    slot = clip.end / len(steps)
    for place, step in enumerate(steps):
        ends = [(place + 0.5) * slot, clip.frame(step)[1]]
        axes.plot(ends, [1, 0], color="#8C8C8C", linewidth=0.7, clip_on=False)
