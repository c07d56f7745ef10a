"""Predictions that look at no video: what any method has to beat; some published ones do not."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from groundvts.data.moment import Moment
from groundvts.metrics.highlights import positive_clips
from groundvts.metrics.predictions import Prediction


def trivial_predictions(moments: Sequence[Moment], seed: int = 0) -> dict[str, list[Prediction]]:
    """{name: a prediction for each moment}, of what the moments are annotated for.

    whole video: [0, D]; centre half: [D / 4, 3 D / 4] (both where every duration D is known); a
    question is answered by its first option.
    Highlights, a score for each clip: all zero; constant 3; random half: half of the clips, drawn
    by seed and id, score 3 (where every duration is known). The window fitted on training moments
    is the verb `constant`.
    """
    found: dict[str, list[Prediction]] = {}
    if all(moment.windows and moment.duration for moment in moments):
        found["whole video"] = [_window(m, 0.0, m.duration) for m in moments]
        found["centre half"] = [_window(m, m.duration / 4, 3 * m.duration / 4) for m in moments]
    graded = [moment for moment in moments if moment.saliency is not None]
    if graded and all(moment.duration for moment in graded):
        counted = [m.saliency is not None and not m.absurd for m in moments]
        clips = [len(positive_clips(m)) if c else 1 for m, c in zip(moments, counted, strict=True)]
        pairs = list(zip(moments, clips, strict=True))
        found["all zero"] = [_graded(moment, np.zeros(count)) for moment, count in pairs]
        found["constant 3"] = [_graded(moment, np.full(count, 3.0)) for moment, count in pairs]
        found["random half"] = [_graded(m, _random_half(m, count, seed)) for m, count in pairs]
    return found


def one_window(moments: Sequence[Moment], window: tuple[float, float]) -> list[Prediction]:
    """One and the same window (s) for all moments; a question is answered by its first option."""
    return [_window(moment, *window) for moment in moments]


def _window(moment: Moment, start: float, end: float) -> Prediction:
    further = {"question": ("A", None)} if moment.options else {}
    return Prediction(moment.id, windows=((start, end),), further=further)


def _graded(moment: Moment, saliency: np.ndarray) -> Prediction:
    return Prediction(moment.id, saliency=tuple(saliency.tolist()))


def _random_half(moment: Moment, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(f"{seed}:{moment.id}".encode()))
    return 3.0 * (rng.permutation(count) < count / 2)
