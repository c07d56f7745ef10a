"""Predictions against moments: every moment asked has exactly one score."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from groundvts.answers import parse_windows
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.bootstrap import clustered_intervals, paired_differences
from groundvts.metrics.detection import detection_scores
from groundvts.metrics.highlights import highlight_scores
from groundvts.metrics.moments import best_overlap, columns, means, query_scores
from groundvts.metrics.predictions import Prediction
from groundvts.metrics.qa import question_scores, read_choices

PRECISIONS = {"float64": np.float64, "float32": np.float32}
Scores = dict[str, np.ndarray]


def score_predictions(
    moments: Sequence[Moment],
    predictions: Sequence[Prediction],
    protocol: str = "fixed",
    precision: str = "float64",
    resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Any]:
    """Payload of a score record: metrics in percent with intervals, counts, failures and scores.

    `predictions` are those of the moments, in their order (`match_predictions`). A failure scores
    zero and is listed with its reason. queries holds id, video and, where windows are scored, the
    first window's IoU and IoP in [0, 1]; scores each metric's value per query (None: it does not
    count). precision is that of IoU: published figures are float32.
    Raises BadInput for a moment without the label that is scored.
    """
    scores, queries = query_values(moments, predictions, protocol, precision)
    videos = [moment.video for moment in moments]
    intervals = clustered_intervals(*columns(scores), videos, resamples, seed)
    failures = [
        {"id": moment.id, "reason": prediction.failure}
        for moment, prediction in zip(moments, predictions, strict=True)
        if prediction.failure
    ]
    asked, failed = len(moments), len(failures)
    return {
        "dataset": _only("dataset", moments),
        "split": _only("split", moments),
        "precision": precision,
        "metrics": {
            name: {"value": float(value), "low": float(low), "high": float(high)}
            for name, value, low, high in zip(scores, *intervals, strict=True)
        },
        "counts": {"asked": asked, "scored": asked - failed, "failed": failed},
        "failures": failures,
        "queries": {"id": [moment.id for moment in moments], "video": videos, **queries},
        "scores": {
            name: [None if np.isnan(value) else float(value) for value in score_Q]
            for name, score_Q in scores.items()
        },
    }


def reread(
    moments: Sequence[Moment], predictions: Sequence[Prediction], protocol: str
) -> list[Prediction]:
    """The predictions with their windows read from the answers again, under another protocol.

    What has no answer (a video that could not be read) and what chooses an option stay.
    """
    read = []
    for moment, prediction in zip(moments, predictions, strict=True):
        if prediction.answer is not None and not moment.options:
            parsed = parse_windows(prediction.answer, moment.duration, protocol)
            prediction = replace(prediction, windows=parsed.windows, failure=parsed.failure)
        read.append(prediction)
    return read


def query_values(
    moments: Sequence[Moment],
    predictions: Sequence[Prediction],
    protocol: str = "fixed",
    precision: str = "float64",
) -> tuple[Scores, dict[str, list[float]]]:
    """{metric: score_Q} in percent, and the first window's IoU and IoP of each query.

    QVHighlights: moments as ranked windows and highlights; questions with options: answers and how
    they are grounded; all others: the first window. What a file does not predict is not scored.
    """
    if not moments:
        raise BadInput("no moments to score; give a split that holds some")
    scores: Scores = {}
    queries: dict[str, list[float]] = {}
    iou = iop = None
    if predictions[0].windows is not None:
        iou, iop = _overlaps(moments, predictions, PRECISIONS[precision])
        queries = {"IoU": iou.tolist(), "IoP": iop.tolist()}
    if _only("dataset", moments) == "qvhighlights":
        if iou is not None:
            ranked = [prediction.windows or () for prediction in predictions]
            scores |= detection_scores(ranked, [moment.windows for moment in moments])
        if predictions[0].saliency is not None:
            scores |= highlight_scores(moments, [p.saliency for p in predictions])
    elif all(moment.options and moment.answer for moment in moments):
        _, right = read_choices(moments, predictions, protocol)
        scores |= question_scores(right, iou, iop)
    elif iou is not None:
        scores |= query_scores(iou, iop)
    if not scores:
        raise BadInput("neither windows nor anything else to score is predicted; give such a file")
    return scores, queries


def _overlaps(
    moments: Sequence[Moment], predictions: Sequence[Prediction], dtype: type
) -> tuple[np.ndarray, np.ndarray]:
    """IoU and IoP of each first window; 0 for a failure."""
    windows_N2 = np.zeros((len(moments), 2))
    for row, (moment, prediction) in enumerate(zip(moments, predictions, strict=True)):
        if not moment.windows:
            raise BadInput(
                f"{moment.id}: the moment has no true window; score a labelled split, or drop it "
                "when converting (no_windows)"
            )
        if not prediction.failure:
            windows_N2[row] = prediction.windows[0][:2]
    return best_overlap(windows_N2, [moment.windows for moment in moments], dtype)


def compare(
    ours: dict[str, Any], theirs: dict[str, Any], resamples: int = 10_000, seed: int = 0
) -> dict[str, dict[str, float]]:
    """{metric: {value, low, high, p}}: paired differences (points) of two score records.

    Raises BadInput unless both hold the scores of the same queries.
    """
    first, second = ours["queries"]["id"], theirs["queries"]["id"]
    if sorted(first) != sorted(second):
        odd = sorted(set(first) ^ set(second))[:5]
        raise BadInput(f"the records hold different queries, such as {', '.join(odd)}")
    names = [name for name in ours["scores"] if name in theirs["scores"]]
    if not names:
        raise BadInput("the records share no metric; score both with the same benchmark")
    place = {name: row for row, name in enumerate(second)}
    order = [place[name] for name in first]
    runs = []
    for record, rows in ((ours, slice(None)), (theirs, order)):
        arrays = {n: np.array(record["scores"][n], dtype=float)[rows] for n in names}
        runs.append(columns(arrays))
    found = paired_differences(*runs, ours["queries"]["video"], resamples, seed)
    return {
        name: dict(zip(("value", "low", "high", "p"), map(float, row), strict=True))
        for name, *row in zip(names, *found, strict=True)
    }


def point_values(
    moments: Sequence[Moment], predictions: Sequence[Prediction], **options
) -> dict[str, float]:
    """Each metric in percent, without intervals."""
    return means(query_values(moments, predictions, **options)[0])


def _only(field: str, moments: Sequence[Moment]) -> str:
    """The one value that all moments share. Raises BadInput if they differ."""
    values = sorted({getattr(moment, field) for moment in moments})
    if len(values) > 1:
        raise BadInput(f"moments of several {field}s: {', '.join(values)}; score one at a time")
    return values[0]
