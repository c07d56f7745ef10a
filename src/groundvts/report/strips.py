"""A clip with its kept tokens, and its frames in a row along the time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from groundvts.report.time_rows import SMALL, SOFT, Window, outline

WIDTH, LEFT, RIGHT = 9.0, 0.6, 0.6  # inch: the page, and what its names and remarks take
SPAN = WIDTH - LEFT - RIGHT
TALLEST = 1.7  # inch, of a picture
PICTURES = (0.33, 1.1)  # inch, least and greatest side that a picture is given where many follow
TOKEN = 0.16  # inch, side of a token that can be made out
BEYOND = 1.12  # how far past the video's end windows are shown


def begins_within(steps: int, step: float, windows: Sequence[Window]) -> np.ndarray:
    """Whether each of the grid steps of `step` s begins inside a window, (t,)."""
    begins = np.arange(steps) * step
    return np.any(
        [(start <= begins) & (begins < end) for start, end in windows or [(0, 0)]], axis=0
    )


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

    @property
    def within(self) -> np.ndarray:
        """Whether each grid step begins inside a true window, (t,)."""
        return begins_within(self.grid[0], self.second_per_grid, self.true)

    def frame(self, step: int) -> tuple[np.ndarray, float]:
        """The first frame (H, W, 3) of a grid step and its time in seconds."""
        place = min(step * -(-len(self.pixels) // self.grid[0]), len(self.pixels) - 1)
        time = step * self.second_per_grid if self.times is None else self.times[place]
        return self.pixels[place], time


def pictures_of(clip: Timeline) -> tuple[list[int], float, float]:
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


def draw_strip(axes: Axes, clip: Timeline, steps: list[int], wide: float) -> None:
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
        axes.imshow(dim(frame, kept), extent=box, aspect="auto", zorder=1)
        edge = {"edgecolor": "#BDBDBD", "linewidth": 0.5, "zorder": 1.5}
        axes.add_patch(Rectangle((box[0], 0), 2 * half, 1, fill=False, **edge))
        axes.text(middle, 1, f"{time:.{digits}f}", **above)
        if len(clip.kept) < clip.kept_thw.size:
            outline(axes, kept, box, cell=wide / kept.shape[1])
    axes.set(xlim=(0, clip.limit), ylim=(0, 1))


def dim(frame: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The frame (H, W, 3) with the cells that are not in `kept` (h, w) grey and faded."""
    height, width = frame.shape[:2]
    rows = np.arange(height) * kept.shape[0] // height
    cols = np.arange(width) * kept.shape[1] // width
    seen = kept[rows[:, None], cols[None, :]][..., None]
    grey = frame @ np.array([0.299, 0.587, 0.114])
    return np.where(seen, frame, (255 - (255 - grey) * 0.34)[..., None]).astype(np.uint8)


def draw_leaders(axes: Axes, clip: Timeline, steps: list[int]) -> None:
    """A line from each picture down to its frame's time."""
    slot = clip.end / len(steps)
    for place, step in enumerate(steps):
        ends = [(place + 0.5) * slot, clip.frame(step)[1]]
        axes.plot(ends, [1, 0], color="#8C8C8C", linewidth=0.7, clip_on=False)
