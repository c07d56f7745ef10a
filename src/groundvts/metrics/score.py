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
from groundvts.metrics.predictions import NOT_PUT, Prediction
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
    not count); left_out how many queries the protocol leaves out of the denominator. precision is
    that of IoU: published figures are float32.
    Raises BadInput for a moment without the label that is scored.
    """
    scores, queries = query_values(moments, predictions, protocol, precision)
    videos = [moment.video for moment in moments]
    value, *bounds = clustered_intervals(*columns(scores), videos, resamples, seed)
    intervals = (value, *np.clip(bounds, 0, 100))
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
        "left_out": sum(not p.put for p in predictions) if protocol == "official" else 0,
        "failures": failures,
        "queries": {
            "id": [moment.id for moment in moments],
            "video": videos,
            "query": [moment.query for moment in moments],
            **queries,
        },
        "scores": {
            name: [None if np.isnan(value) else float(value) for value in score_Q]
            for name, score_Q in scores.items()
        },
    }


def _failures(
    moment: Moment, prediction: Prediction, choice: int | None
) -> Iterator[tuple[str, str]]:
    """Each part of a prediction that failed, and why."""
    not_asked = prediction.failure if prediction.failure in NOT_PUT else None
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

    Windows stay where they are not what the answers say: where either protocol reads other ones
    from all of them. What has no answer (a video that could not be read) stays.
    """
    pairs = list(zip(moments, predictions, strict=True))
    given = [(m, p) for m, p in pairs if p.said("grounding") is not None]
    said = any(map(_says_windows, given)) or not any(p.windows for _, p in given)
    return [_reread(moment, prediction, protocol, said) for moment, prediction in pairs]


def _says_windows(pair: tuple[Moment, Prediction]) -> bool:
    """Whether a prediction's first window is what a protocol reads from its answer."""
    moment, prediction = pair
    answer, first = prediction.said("grounding"), (prediction.windows or ())[:1]
    read = (parse_windows(answer, moment.duration, name) for name in ("fixed", "official"))
    return bool(first) and any(parsed.windows[:1] == (first[0][:2],) for parsed in read)


def _reread(moment: Moment, prediction: Prediction, protocol: str, said: bool) -> Prediction:
    grounding, highlights = prediction.said("grounding"), prediction.said("highlights")
    if grounding is not None and said:
        windows = parse_windows(grounding, moment.duration, protocol)
        prediction = replace(prediction, windows=windows.windows, failure=windows.failure)
    if highlights is not None:
        parsed = parse_highlights(highlights, moment.duration, protocol)
        saliency = tuple(map(float, clip_scores(parsed, moment.duration)))
        further = {**prediction.further, "highlights": (highlights, parsed.failure)}
        prediction = replace(prediction, saliency=saliency, further=further)
    return prediction


def query_values(
    moments: Sequence[Moment],
    predictions: Sequence[Prediction],
    protocol: str = "fixed",
    precision: str = "float64",
) -> tuple[Scores, dict[str, list]]:
    """{metric: score_Q} in percent, and what was found of each query (`score_predictions`).

    QVHighlights: ranked windows; questions with options: answers and how they are grounded; all
    others: the first window; highlights where they are graded. What a file does not predict is not
    scored.
    Under `official` a query that was not put to a model leaves the denominator (NaN).
    """
    if not moments:
        raise BadInput("no moments to score; give a split that holds some")
    _check_alike(moments, predictions)
    scores, queries = _window_scores(moments, predictions, protocol, precision)
    if predictions[0].saliency is not None:
        scores |= highlight_scores(moments, [prediction.saliency for prediction in predictions])
    if not scores:
        raise BadInput("neither windows nor anything else to score is predicted; give such a file")
    if protocol == "official":
        put = np.array([prediction.put for prediction in predictions])
        if not put.any():
            raise BadInput("no query was put to a model: official scores skip all; give others")
        scores = {name: np.where(put, score, np.nan) for name, score in scores.items()}
    return {n: score for n, score in scores.items() if not np.isnan(score).all()}, queries


def _window_scores(
    moments: Sequence[Moment], predictions: Sequence[Prediction], protocol: str, precision: str
) -> tuple[Scores, dict[str, list]]:
    """Scores of windows and, for questions, of answers."""
    queries: dict[str, list] = {}
    iou = iop = right = None
    if predictions[0].windows is not None:
        iou, iop = _overlaps(moments, predictions, PRECISIONS[precision])
        queries = {"IoU": iou.tolist(), "IoP": iop.tolist()}
    if _is_choice(moments[0]):
        if any(map(_answered, predictions)):
            choice, right = read_choices(moments, predictions, protocol)
            queries["choice"] = choice.tolist()
        return question_scores(right, iou, iop), queries
    if iou is None:
        return {}, queries
    if _only("dataset", moments) == "qvhighlights":
        ranked = [prediction.windows or () for prediction in predictions]
        return detection_scores(ranked, [moment.windows for moment in moments]), queries
    return query_scores(iou, iop), queries


def _is_choice(moment: Moment) -> bool:
    return bool(moment.options and moment.answer)


def _check_alike(moments: Sequence[Moment], predictions: Sequence[Prediction]) -> None:
    """Raises BadInput where some queries are questions or have windows predicted, and some not."""
    for moment, prediction in zip(moments, predictions, strict=True):
        if _is_choice(moment) != _is_choice(moments[0]):
            raise BadInput(f"{moment.id}: some queries have options and some not; score them apart")
        if (prediction.windows is None) != (predictions[0].windows is None):
            raise BadInput(
                f"{moment.id}: windows are predicted for some queries and not for others; "
                "score them apart"
            )


def _answered(prediction: Prediction) -> bool:
    """Whether the file gives an answer to the question, or says why there is none."""
    return "question" in prediction.further or prediction.said("question") is not None


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
        if prediction.windows and not prediction.failure:
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
