"""The baseline without a model: one and the same window for every query."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.moments import best_overlap

POINTS = 41  # of the first grid, from zero to the last annotated end
RESOLUTION = 0.05  # s


def fit_constant_window(moments: Sequence[Moment]) -> tuple[float, float]:
    """The span (start, end) in s with the highest mean IoU on `moments`.

    Found on a grid over all spans, then on ever finer grids around the best one, to 0.05 s or
    better. Raises BadInput if no moment has a window that ends after zero.
    """
    targets = [moment.windows for moment in moments if moment.windows and not moment.absurd]
    last = max((end for windows in targets for _, end in windows), default=0.0)
    if last <= 0:
        raise BadInput("no true window ends after 0 s; fit on a labelled training split")
    points = np.linspace(0.0, last, POINTS)
    step = points[1]
    best = _best(points, points, targets)
    while step > RESOLUTION:
        around = np.linspace(-step, step, 11)
        step = around[1] - around[0]
        best = _best(*(np.unique(np.clip(time + around, 0.0, last)) for time in best), targets)
    return best


def predict_constant(
    moments: Sequence[Moment], window: tuple[float, float]
) -> list[dict[str, Any]]:
    """One prediction a moment, all with `window` (s); no model and no tokens.

    A question is answered by its first option.
    """
    return [
        {
            "id": moment.id,
            "video": moment.video,
            "query": moment.query,
            "answer": None,
            "windows": [list(window)],
            "failure": None,
            "detail": None,
            "seconds": 0.0,
            "grid": None,
            "second_per_grid": None,
            "kept": [],
        }
        | ({"question": {"answer": "A", "failure": None}} if moment.options else {})
        for moment in moments
    ]


def _best(starts: np.ndarray, ends: np.ndarray, targets: list) -> tuple[float, float]:
    """The span of the grid with the highest mean IoU; the first one if several share it."""
    spans = [(float(start), float(end)) for start in starts for end in ends if start < end]
    means = [best_overlap(np.tile(span, (len(targets), 1)), targets)[0].mean() for span in spans]
    return spans[int(np.argmax(means))]
