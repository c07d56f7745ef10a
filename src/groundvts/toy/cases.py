"""Toy clips made to show where a way of reducing tokens helps and where it fails.

Each case has clips and queries of its own, as JSON Lines of moments. Still scenes and long clips
are longer than nearly all that the models are trained on, at most 32 s.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from groundvts.data.files import write_jsonl
from groundvts.progress import track
from groundvts.toy.clips import CELLS, COLOURS, FRAME_RATES, SHAPES, Clip, Shape, generator, place
from groundvts.toy.video import encode

LONGEST = 32  # s
DRIFT = 5  # pixels a second
Drawn = tuple[int, tuple[Shape, ...]]  # duration (s), shapes


def static(rng: np.random.Generator) -> Drawn:
    """Long still scenes: two shapes, each visible for 8 to 12 s, of 24 to 32 s."""
    duration = int(rng.integers(24, LONGEST + 1))
    kinds = rng.choice(len(COLOURS) * len(SHAPES), size=2, replace=False)
    return duration, place(rng, kinds, rng.permutation(len(CELLS))[:2], duration, (8, 12))


def camera(rng: np.random.Generator) -> Drawn:
    """A moving camera: the background moves each second, behind four shapes of 3 to 7 s."""
    return _cluttered(rng, int(rng.integers(12, 21)))


def similar(rng: np.random.Generator) -> Drawn:
    """Look-alikes: two colours and two shapes in all four pairs, so that one word tells nothing."""
    duration = int(rng.integers(12, 21))
    colours = rng.choice(len(COLOURS), size=2, replace=False)
    names = rng.choice(len(SHAPES), size=2, replace=False)
    kinds = [len(SHAPES) * colour + name for colour in colours for name in names]
    return duration, place(rng, kinds, rng.permutation(len(CELLS)), duration, (3, 7))


def long(rng: np.random.Generator) -> Drawn:
    """Long clips: four shapes of 3 to 7 s somewhere in 30 to 32 s."""
    return _cluttered(rng, int(rng.integers(LONGEST - 2, LONGEST + 1)))


def _cluttered(rng: np.random.Generator, duration: int) -> Drawn:
    kinds = rng.choice(len(COLOURS) * len(SHAPES), size=len(CELLS), replace=False)
    return duration, place(rng, kinds, rng.permutation(len(CELLS)), duration, (3, 7))


CASES: dict[str, Callable[[np.random.Generator], Drawn]] = {
    case.__name__: case for case in (static, camera, similar, long)
}


def draw_case(case: str, number: int, seed: int) -> Clip:
    """Clip `number` of a case."""
    name = f"{case}{number:04d}"
    rng = generator(seed, "case", name)
    duration, shapes = CASES[case](rng)
    rate = Fraction(int(rng.choice(FRAME_RATES)))
    drift = DRIFT if case == "camera" else 0
    return Clip(name, duration, int(rng.integers(2**31)), shapes, rate, drift=drift)


def make_cases(out: Path, count: int, seed: int, side: int, workers: int) -> dict:
    """Makes `count` clips of each case and its queries, one for each shape; returns counts."""
    videos = out / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    drawn = {case: [draw_case(case, n, seed) for n in range(count)] for case in CASES}
    everything = [clip for clips in drawn.values() for clip in clips]
    with ProcessPoolExecutor(workers) as pool:
        encoded = pool.map(partial(encode, folder=videos, side=side), everything, chunksize=8)
        list(track(encoded, "cases", len(everything), "clip"))
    counts = {}
    for case, clips in drawn.items():
        rows = [row for clip in clips for row in queries(clip)]
        write_jsonl(out / f"{case}.jsonl", rows)
        counts[case] = {"clips": len(clips), "queries": len(rows)}
    return counts


def queries(clip: Clip) -> list[dict]:
    """One moment for each shape of a clip."""
    return [
        {
            "video": clip.name,
            "duration": clip.duration,
            "query": shape.phrase,
            "windows": [[shape.start, shape.end]],
        }
        for shape in clip.shapes
    ]
