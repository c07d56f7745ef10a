"""Predictions against moments: every moment asked has exactly one score."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from groundvts.data.files import read_jsonl
from groundvts.data.moment import Moment, is_finite
from groundvts.errors import BadInput
from groundvts.metrics.bootstrap import clustered_intervals
from groundvts.metrics.moments import best_overlap, query_scores


def read_predictions(path: str | Path) -> list[dict[str, Any]]:
    """All predictions (or selections) of a JSONL file. Raises BadInput with file and line."""
    predictions = []
    for line, fields in read_jsonl(path):
        if not isinstance(fields.get("id"), str):
            raise BadInput(f"{path}, line {line}: no id; give every prediction its moment's id")
        predictions.append(fields)
    return predictions


def score_moments(
    moments: Sequence[Moment],
    predictions: Sequence[Mapping[str, Any]],
    resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Any]:
    """Payload of a score record: metrics in percent, counts, failures and each query's scores.

    The first window of a prediction is scored against the best of the true windows. A failure, or
    a first window that is absent, not finite or reversed, scores zero and is listed with its
    reason. queries.IoU and queries.IoP lie in [0, 1].
    Raises BadInput naming the ids that are missing, unknown or repeated, and for a moment without
    a true window.
    """
    windows_N2, failures = _first_windows(moments, match(moments, predictions))
    iou, iop = best_overlap(windows_N2, [moment.windows for moment in moments])
    videos = [moment.video for moment in moments]
    asked, failed = len(moments), len(failures)
    return {
        "dataset": _only("dataset", moments),
        "split": _only("split", moments),
        "metrics": _metrics(query_scores(iou, iop), videos, resamples, seed),
        "counts": {"asked": asked, "scored": asked - failed, "failed": failed},
        "failures": failures,
        "queries": {
            "id": [moment.id for moment in moments],
            "video": videos,
            "IoU": iou.tolist(),
            "IoP": iop.tolist(),
        },
    }


def match(
    moments: Sequence[Moment], predictions: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The prediction of each moment, in the order of the moments.

    Raises BadInput if ids are repeated on either side, missing or unknown, naming the first five.
    """
    asked = Counter(moment.id for moment in moments)
    given = Counter(prediction["id"] for prediction in predictions)
    troubles = {
        "moments repeated": [id for id, times in asked.items() if times > 1],
        "predictions repeated": [id for id, times in given.items() if times > 1],
        "moments without a prediction": [id for id in asked if id not in given],
        "predictions of no moment asked": [id for id in given if id not in asked],
    }
    for trouble, ids in troubles.items():
        if ids:
            more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
            raise BadInput(
                f"{trouble}: {', '.join(ids[:5])}{more}; give one prediction for every moment"
            )
    if not asked:
        raise BadInput("no moments to score; give a split that holds some")
    by_id = {prediction["id"]: prediction for prediction in predictions}
    return [by_id[moment.id] for moment in moments]


def _first_windows(
    moments: Sequence[Moment], paired: Sequence[Mapping[str, Any]]
) -> tuple[np.ndarray, list[dict[str, str]]]:
    """The scored window of each moment (s, [N, 2]; empty for a failure), and the failures."""
    windows_N2, failures = np.zeros((len(moments), 2)), []
    for row, (moment, prediction) in enumerate(zip(moments, paired, strict=True)):
        if not moment.windows:
            raise BadInput(
                f"{moment.id}: the moment has no true window; score a labelled split, or drop it "
                "when converting (no_windows)"
            )
        reason = _failure(prediction)
        if reason:
            failures.append({"id": moment.id, "reason": reason})
        else:
            windows_N2[row] = prediction["windows"][0]
    return windows_N2, failures


def _failure(prediction: Mapping[str, Any]) -> str | None:
    """Why a prediction scores zero, or None if its first window counts."""
    if prediction.get("failure"):
        return str(prediction["failure"])
    windows = prediction.get("windows")
    if not windows:
        return "no_window"
    first = windows[0] if isinstance(windows, list | tuple) else None
    if not isinstance(first, list | tuple) or len(first) != 2 or not all(map(is_finite, first)):
        return "not_finite"
    return "reversed" if first[0] > first[1] else None


def _metrics(
    scores: dict[str, np.ndarray], videos: list[str], resamples: int, seed: int
) -> dict[str, dict[str, float]]:
    """{name: {value, low, high}} in percent, from each query's scores."""
    scores_NM = np.stack(list(scores.values()), axis=1)
    intervals = clustered_intervals(scores_NM, np.ones_like(scores_NM), videos, resamples, seed)
    return {
        name: {"value": float(value), "low": float(low), "high": float(high)}
        for name, value, low, high in zip(scores, *intervals, strict=True)
    }


def _only(field: str, moments: Sequence[Moment]) -> str:
    """The one value that all moments share. Raises BadInput if they differ."""
    values = sorted({getattr(moment, field) for moment in moments})
    if len(values) > 1:
        raise BadInput(f"moments of several {field}s: {', '.join(values)}; score one at a time")
    return values[0]
