"""What a toy clip shows: coloured shapes that appear, overlap in time and leave, one to a quadrant.

Notable: everything is drawn from one seed and the clip's name alone, so that annotations are
reproducible byte for byte; times are whole seconds, so that a shape fills whole grid steps of a
model that reads 2 frames a second in temporal patches of 2.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (235, 215, 50),
    "white": (245, 245, 245),
    "purple": (160, 60, 190),
}
SHAPES = ("circle", "square", "triangle", "cross")
CELLS = ((0, 0), (0, 1), (1, 0), (1, 1))
FRAME_RATES = (24, 25, 30)
ODD_RATES = (Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25, 2))
ODD_SHARE = 0.06  # of the clips for each oddity of a file


@dataclass(frozen=True)
class Shape:
    """A coloured shape in one cell (row, column) of the 2 x 2 grid, visible in [start, end) s."""

    colour: str
    shape: str
    cell: tuple[int, int]
    start: int
    end: int
    shift: tuple[int, int]

    @property
    def phrase(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Clip:
    """One clip: its name, length (s), background seed and shapes, and how its file is made.

    Its frame rate; the turn (degrees) that the file asks of a player; whether it has sound; whether
    its frame rate varies; by how many pixels the camera moves each second.
    """

    name: str
    duration: int
    noise_seed: int
    shapes: tuple[Shape, ...]
    frame_rate: Fraction
    rotation: int = 0
    sound: bool = False
    variable: bool = False
    drift: int = 0


def generator(seed: int, *names: object) -> np.random.Generator:
    """A random generator that depends on `seed` and `names` alone, on any machine."""
    digest = hashlib.sha256(":".join(map(str, (seed, *names))).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def draw_clip(name: str, seed: int, cluttered: bool) -> Clip:
    """Draws a clip of 8 to 32 s.

    A cluttered clip always holds four shapes, visible for 3 to 7 s, so that only the query tells
    which one is meant; an easy one holds two to four shapes, visible for 2 to 6 s.
    """
    rng = generator(seed, "clip", name)
    duration = int(8 + np.floor(25 * rng.beta(1.4, 3.6)))
    count = 4 if cluttered else int(rng.integers(2, 5))
    shortest, longest = (3, 7) if cluttered else (2, 6)
    kinds = rng.choice(len(COLOURS) * len(SHAPES), size=count, replace=False)
    cells = rng.permutation(len(CELLS))[:count]
    shapes = place(rng, kinds, cells, duration, (shortest, longest))
    rate = Fraction(int(rng.choice(FRAME_RATES)))
    noise_seed = int(rng.integers(2**31))
    return Clip(name, duration, noise_seed, shapes, **_file(name, seed, rate))


def place(
    rng: np.random.Generator, kinds, cells, duration: int, lengths: tuple[int, int]
) -> tuple[Shape, ...]:
    """Shapes in time order, each visible for a time (s) from `lengths`, both ends included.

    A kind is a number that names colour and shape; a cell is an index of `CELLS`.
    """
    shapes = []
    for kind, cell in zip(kinds, cells, strict=True):
        length = int(rng.integers(lengths[0], lengths[1] + 1))
        start = int(rng.integers(0, duration - length + 1))
        shapes.append(
            Shape(
                colour=list(COLOURS)[int(kind) // len(SHAPES)],
                shape=SHAPES[int(kind) % len(SHAPES)],
                cell=CELLS[int(cell)],
                start=start,
                end=start + length,
                shift=(int(rng.integers(-2, 3)), int(rng.integers(-2, 3))),
            )
        )
    return tuple(sorted(shapes, key=lambda shape: (shape.start, shape.end, shape.cell)))


def _file(name: str, seed: int, rate: Fraction) -> dict:
    """How a clip's file is made: now and then at an odd rate, turned, with sound, or variable."""
    rng = generator(seed, "file", name)
    odd, turned, sound, variable = rng.random(4) < ODD_SHARE
    return {
        "frame_rate": ODD_RATES[rng.integers(len(ODD_RATES))] if odd else rate,
        "rotation": int(rng.choice((90, 180, 270))) if turned else 0,
        "sound": bool(sound),
        "variable": bool(variable),
    }


def questions(clip: Clip, seed: int) -> list[tuple[str, str]]:
    """Questions with their answers: colour, shape, presence, number, and a caption.

    Questions are terse, since the scorer reads the question's words alone: `circle colour`.
    """
    rng = generator(seed, "questions", clip.name)
    colours = [shape.colour for shape in clip.shapes]
    names = [shape.shape for shape in clip.shapes]
    unique_shapes = [s for s in clip.shapes if names.count(s.shape) == 1]
    unique_colours = [s for s in clip.shapes if colours.count(s.colour) == 1]
    pairs = []
    if unique_shapes:
        shape = unique_shapes[rng.integers(len(unique_shapes))]
        pairs.append((f"{shape.shape} colour", shape.colour))
    if unique_colours:
        shape = unique_colours[rng.integers(len(unique_colours))]
        pairs.append((f"{shape.colour} shape", shape.shape))
    shown = {shape.phrase for shape in clip.shapes}
    absent = [f"{c} {s}" for c in set(colours) for s in set(names) if f"{c} {s}" not in shown]
    if absent and rng.random() < 0.5:
        pairs.append((f"{sorted(absent)[rng.integers(len(absent))]} shown", "no"))
    else:
        pairs.append((f"{clip.shapes[rng.integers(len(clip.shapes))].phrase} shown", "yes"))
    pairs.append(("how many", str(len(clip.shapes))))
    pairs.append(("describe", " then ".join(shape.phrase for shape in clip.shapes)))
    return pairs


def render(clip: Clip, side: int) -> list[tuple[int, np.ndarray]]:
    """The clip's distinct pictures as (first second, uint8 (side, side, 3)), in time order."""
    rng = np.random.default_rng(clip.noise_seed)
    coarse = rng.integers(70, 120, size=(side // 4, side // 4, 3), dtype=np.uint8)
    background = coarse.repeat(4, axis=0).repeat(4, axis=1)
    changes = {0, *(s.start for s in clip.shapes), *(s.end for s in clip.shapes)}
    if clip.drift:
        changes = set(range(clip.duration))
    pictures = []
    for second in sorted(changes):
        if second >= clip.duration:
            continue
        picture = np.roll(background, clip.drift * second, axis=1)
        for shape in clip.shapes:
            if shape.start <= second < shape.end:
                _paint(picture, shape)
        pictures.append((second, picture))
    return pictures


def _paint(picture: np.ndarray, shape: Shape) -> None:
    """Paints `shape` into its quadrant of `picture` (side, side, 3), in place."""
    half = picture.shape[0] // 2
    rows, columns = np.mgrid[0:half, 0:half]
    y = (rows - half / 2 + 0.5 - shape.shift[0]) / (half / 2)
    x = (columns - half / 2 + 0.5 - shape.shift[1]) / (half / 2)
    inside = {
        "circle": x**2 + y**2 < 0.62**2,
        "square": np.maximum(abs(x), abs(y)) < 0.56,
        "triangle": (y < 0.6) & (abs(x) < (y + 0.7) * 0.5),
        "cross": (np.minimum(abs(x), abs(y)) < 0.2) & (np.maximum(abs(x), abs(y)) < 0.7),
    }[shape.shape]
    row, column = shape.cell
    cell = picture[row * half : (row + 1) * half, column * half : (column + 1) * half]
    cell[inside] = COLOURS[shape.colour]
