"""The picture of a clip's timeline: frames with their kept tokens, scores, windows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from groundvts.report.figures import COLOURS, save, styled

WIDTH = 9.0
TOKEN_WIDTH = 0.14  # inch, the least at which a token can be made out
Windows = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Timeline:
    """One query on one clip.

    pixels (T, H, W, 3) uint8, T frames spread evenly over the t grid steps; grid (t, h, w) merged
    tokens; kept: indices of kept tokens, time-major; scores (t*h*w,) or None; windows in seconds.
    """

    heading: str
    pixels: np.ndarray
    grid: tuple[int, int, int]
    second_per_grid: float
    kept: list[int]
    scores: list[float] | None = None
    true: Windows = ()
    predicted: Windows = ()

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


@styled
def draw_timelines(clips: list[Timeline], stem: str | Path, title: str = "") -> Path:
    """Timelines one under another, each: frames with dropped tokens dimmed, scores, windows.

    Writes `stem`.png and `stem`.pdf; returns the path of the png.
    """
    heights = [height for clip in clips for height in (_strip_height(clip), 0.2, 0.34)]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.75 * len(clips) + 0.3), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.02, hspace=0.02)
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    for number, clip in enumerate(clips):
        strip, heat, windows = panels[3 * number : 3 * number + 3]
        strip.set_title(clip.heading)
        _draw_strip(strip, clip)
        _draw_heat(heat, clip)
        _draw_windows(windows, clip)
        for axes in (strip, heat, windows):
            axes.set(xlim=(0, clip.end), yticks=[])
            axes.spines[:].set_visible(False)
            axes.tick_params(labelbottom=axes is windows, length=3 if axes is windows else 0)
    panels[-1].set_xlabel("time (s)")
    return save(figure, stem)


def _shown_steps(clip: Timeline) -> np.ndarray:
    """The grid steps that get a picture: all, or as many as stay legible, spread evenly."""
    steps, _, width = clip.grid
    most = max(1, int(WIDTH / (TOKEN_WIDTH * width)))
    return np.unique(np.linspace(0, steps - 1, min(steps, most)).round().astype(int))


def _strip_height(clip: Timeline) -> float:
    """Height (inch) at which the frames keep their shape."""
    height, width = clip.pixels.shape[1:3]
    return WIDTH * 0.97 / len(_shown_steps(clip)) * height / width


def _draw_strip(axes: Axes, clip: Timeline) -> None:
    """One frame per shown step: dropped tokens dimmed towards white, kept ones framed."""
    steps = _shown_steps(clip)
    span = clip.end / len(steps)
    axes.set_ylim(0, 1)
    for place, step in enumerate(steps):
        frame = clip.pixels[min(step * len(clip.pixels) // clip.grid[0], len(clip.pixels) - 1)]
        kept = clip.kept_thw[step]
        dimmed = _dim(frame, kept)
        left, right = place * span, (place + 1) * span
        axes.imshow(dimmed, extent=(left, right, 0, 1), aspect="auto", interpolation="nearest")
        rows, cols = kept.shape
        for row, col in np.argwhere(kept):
            corner = (left + col * span / cols, 1 - (row + 1) / rows)
            axes.add_patch(
                Rectangle(corner, span / cols, 1 / rows, fill=False, ec=COLOURS["vts"], lw=0.9)
            )
        axes.axvline(right, color="white", linewidth=1.2)


def _dim(frame: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The frame (H, W, 3) with the cells that are not in `kept` (h, w) faded towards white."""
    height, width = frame.shape[:2]
    rows = np.arange(height) * kept.shape[0] // height
    cols = np.arange(width) * kept.shape[1] // width
    seen = kept[rows[:, None], cols[None, :]][..., None]
    return np.where(seen, frame, 255 - (255 - frame.astype(float)) * 0.22).astype(np.uint8)


def _draw_heat(axes: Axes, clip: Timeline) -> None:
    """Score mass per grid step; without scores the number of kept tokens."""
    if clip.scores is None:
        values, name = clip.kept_thw.sum(axis=(1, 2)), "kept"
    else:
        values, name = np.reshape(clip.scores, clip.grid).sum(axis=(1, 2)), "score"
    axes.imshow(values[None], extent=(0, clip.end, 0, 1), aspect="auto", cmap="cividis", vmin=0)
    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)


def _draw_windows(axes: Axes, clip: Timeline) -> None:
    """The true window, where it is known, above the predicted one."""
    rows = [("answer", clip.predicted, COLOURS["vts"])]
    if clip.true:
        rows.append(("true", clip.true, "#000000"))
    axes.set_ylim(0, len(rows))
    for place, (name, windows, shade) in enumerate(rows):
        height = place + 0.5
        for start, end in windows:
            axes.plot([start, end], [height, height], color=shade, lw=5, solid_capstyle="butt")
        if not windows:
            axes.text(0, height, " none", va="center", fontsize=8, color=shade)
        label = {"ha": "right", "va": "center", "fontsize": 8, "transform": axes.transAxes}
        axes.text(-0.006, height / len(rows), name, **label)
