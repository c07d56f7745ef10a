"""Predictions against moments: every moment asked has exactly one score."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from groundvts.answers import clip_scores, parse_highlights, parse_windows
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.bootstrap import clustered_intervals
from groundvts.metrics.detection import detection_scores
from groundvts.metrics.highlights import highlight_scores
from groundvts.metrics.moments import best_overlap, columns, means, query_scores
from groundvts.metrics.predictions import NOT_ASKED, Prediction
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

    `predictions` are those of the moments, in their order (`match_predictions`). What fails of a
    query (windows, saliency, answer) scores zero and is listed with its reason; failed counts
    queries. queries holds id, video and, where they are scored, the first window's IoU and IoP in
    [0, 1] and the chosen option (-1: none); scores each metric's value per query (None: it does
    not count). precision is that of IoU: published figures are float32.
    Raises BadInput for a moment without the label that is scored.
    """
    scores, queries = query_values(moments, predictions, protocol, precision)
    videos = [moment.video for moment in moments]
    intervals = clustered_intervals(*columns(scores), videos, resamples, seed)
    choices = queries.get("choice", [None] * len(moments))
    failures = [
        {"id": moment.id, "of": part, "reason": reason}
        for moment, prediction, choice in zip(moments, predictions, choices, strict=True)
        for part, reason in _failures(moment, prediction, choice)
    ]
    asked, failed = len(moments), len({failure["id"] for failure in failures})
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


def _failures(
    moment: Moment, prediction: Prediction, choice: int | None
) -> Iterator[tuple[str, str]]:
    """Each part of a prediction that failed, and why."""
    not_asked = prediction.failure if prediction.failure in NOT_ASKED else None
    said = {kind: failure for kind, (_, failure) in prediction.further.items()}
    if prediction.windows is not None and prediction.failure:
        yield "windows", prediction.failure
    if prediction.saliency == () and moment.saliency is not None:
        yield "saliency", said.get("highlights") or not_asked or "no_saliency"
    if choice == -1:
        yield "answer", said.get("question") or not_asked or "no_option"


def reread(
    moments: Sequence[Moment], predictions: Sequence[Prediction], protocol: str
) -> list[Prediction]:
    """The predictions with windows and highlights read from the answers under another protocol.

    What has no answer (a video that could not be read) stays.
    """
    read = []
    for moment, prediction in zip(moments, predictions, strict=True):
        grounding = prediction.said("grounding", moment.options)
        highlights = prediction.said("highlights")
        if grounding is not None:
            windows = parse_windows(grounding, moment.duration, protocol)
            prediction = replace(prediction, windows=windows.windows, failure=windows.failure)
        if highlights is not None:
            parsed = parse_highlights(highlights, moment.duration, protocol)
            saliency = tuple(map(float, clip_scores(parsed, moment.duration)))
            further = {**prediction.further, "highlights": (highlights, parsed.failure)}
            prediction = replace(prediction, saliency=saliency, further=further)
        read.append(prediction)
    return read


def query_values(
    moments: Sequence[Moment],
    predictions: Sequence[Prediction],
    protocol: str = "fixed",
    precision: str = "float64",
) -> tuple[Scores, dict[str, list]]:
    """{metric: score_Q} in percent, and what was found of each query (`score_predictions`).

    QVHighlights: moments as ranked windows and highlights; questions with options: answers and how
    they are grounded; all others: the first window. What a file does not predict is not scored.
    Under `official` a query that was not put to a model leaves the denominator (NaN).
    """
    if not moments:
        raise BadInput("no moments to score; give a split that holds some")
    scores: Scores = {}
    queries: dict[str, list] = {}
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
        choice, right = read_choices(moments, predictions, protocol)
        queries["choice"] = choice.tolist()
        scores |= question_scores(right, iou, iop)
    elif iou is not None:
        scores |= query_scores(iou, iop)
    if not scores:
        raise BadInput("neither windows nor anything else to score is predicted; give such a file")
    if protocol == "official":
        asked = np.array([prediction.asked for prediction in predictions])
        if not asked.any():
            raise BadInput("no query was put to a model: official scores skip all; give others")
        scores = {name: np.where(asked, score, np.nan) for name, score in scores.items()}
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
