"""What each convention of scoring alone moves, in points, on the same predictions.

Published numbers of this field disagree because their scorers do. Each convention here is applied
alone to what protocol `fixed` scores, and all of protocol `official` together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from groundvts.answers import said_intervals
from groundvts.data.moment import Moment
from groundvts.metrics.moments import means
from groundvts.metrics.predictions import Prediction, Window
from groundvts.metrics.qa import question_scores, read_choices
from groundvts.metrics.score import Scores, query_values, reread

Moments = Sequence[Moment]
Predictions = Sequence[Prediction]

SAME = 1e-3  # points; a score that moves by less is that of rounding


@dataclass(frozen=True)
class Convention:
    """A convention by name, and why it is used.

    apply(moments, predictions): {metric: score_Q} in percent under the names that `fixed` has, NaN
    where a query does not count; None where the benchmark or the predictions give it no meaning.
    """

    name: str
    why: str
    apply: Callable[[Moments, Predictions], Scores | None]


def convention_effects(moments: Moments, predictions: Predictions) -> list[dict[str, Any]]:
    """One row for each convention that applies, `fixed` itself first.

    Rows hold name, why, queries (how many change in any metric) and metrics: {metric: {value in
    percent, difference to fixed in points}}, without a metric that no query counts for. Answers are
    read again: what a file says was read counts only where it has no answer.
    """
    predictions = reread(moments, predictions, "fixed")
    base = _fixed(moments, predictions)
    values, rows = means(base), []
    for convention in CONVENTIONS:
        scores = convention.apply(moments, predictions)
        if scores is None:
            continue
        shared = [name for name in base if name in scores]
        changed = np.any([_changed(scores[name], base[name]) for name in shared], axis=0)
        left = {name: scores[name] for name in shared if not np.isnan(scores[name]).all()}
        metrics = {
            name: {"value": value, "difference": value - values[name]}
            for name, value in means(left).items()
        }
        row = {"name": convention.name, "why": convention.why, "queries": int(changed.sum())}
        rows.append(row | {"metrics": metrics})
    return rows


def _changed(score_Q: np.ndarray, base_Q: np.ndarray) -> np.ndarray:
    """Whether each score is another, or counts where it did not, or the other way round."""
    return ~np.isclose(score_Q, base_Q, rtol=0.0, atol=SAME, equal_nan=True)


def _fixed(moments: Moments, predictions: Predictions) -> Scores:
    return query_values(moments, predictions)[0]


def _read_part(kind: str, parts: tuple[str, ...], moments: Moments, predictions: Predictions):
    if getattr(predictions[0], parts[0]) is None or all(p.said(kind) is None for p in predictions):
        return None
    pairs = zip(predictions, reread(moments, predictions, "official"), strict=True)
    return _fixed(moments, [replace(p, **{k: getattr(r, k) for k in parts}) for p, r in pairs])


def _read_options(moments: Moments, predictions: Predictions) -> Scores | None:
    if not all(moment.options and moment.answer for moment in moments):
        return None
    _, right_N = read_choices(moments, predictions, "official")
    _, found = query_values(moments, predictions)
    overlaps = (np.array(found[name]) for name in ("IoU", "IoP") if name in found)
    return question_scores(right_N, *overlaps)


def _asked_only(moments: Moments, predictions: Predictions) -> Scores | None:
    asked = np.array([prediction.put for prediction in predictions])
    if not asked.any():
        return None
    scores = _fixed(moments, predictions)
    return {name: np.where(asked, score, np.nan) for name, score in scores.items()}


def _float32(moments: Moments, predictions: Predictions) -> Scores | None:
    if not _one_window(moments, predictions):
        return None
    return query_values(moments, predictions, precision="float32")[0]


def _more_than(moments: Moments, predictions: Predictions) -> Scores | None:
    if not _one_window(moments, predictions):
        return None
    scores, found = query_values(moments, predictions)
    overlaps = {name: np.array(found[name]) for name in ("IoU", "IoP")}
    overlaps["R1"] = overlaps["IoU"]
    for name in scores:
        kind, _, least = name.partition("@")
        if kind in overlaps:
            scores[name] = 100.0 * (overlaps[kind] > float(least))
    if "Acc@GQA" in scores:
        scores["Acc@GQA"] = scores["Acc@QA"] * (overlaps["IoP"] > 0.5)
    return scores


def _clip_predicted(moments: Moments, predictions: Predictions) -> Scores | None:
    if predictions[0].windows is None or not _timed(moments):
        return None
    clipped = [
        replace(p, windows=tuple(_clipped(window, m.duration) for window in p.windows or ()))
        for m, p in zip(moments, predictions, strict=True)
    ]
    return _fixed(moments, clipped)


def _clip_true(moments: Moments, predictions: Predictions) -> Scores | None:
    if predictions[0].windows is None or not _timed(moments):
        return None
    clipped = [
        replace(m, windows=tuple(_clipped(window, m.duration) for window in m.windows))
        for m in moments
    ]
    return _fixed(clipped, predictions)


def _swap(moments: Moments, predictions: Predictions) -> Scores | None:
    if predictions[0].windows is None:
        return None
    return _fixed(moments, [_swapped(*pair) for pair in zip(moments, predictions, strict=True)])


def _renamed(old: str, new: str, moments: Moments, predictions: Predictions) -> Scores | None:
    scores = _fixed(moments, predictions)
    names = (name for name in scores if name.startswith("HD-") and old in name)
    shown = {name.replace(old, new): scores[name] for name in names}
    return scores | shown if shown else None


def _official(moments: Moments, predictions: Predictions) -> Scores | None:
    if not any(prediction.put for prediction in predictions):
        return None
    return query_values(moments, reread(moments, predictions, "official"), "official")[0]


def _one_window(moments: Moments, predictions: Predictions) -> bool:
    """Whether one window a query is scored: several ranked ones have other thresholds."""
    return predictions[0].windows is not None and moments[0].dataset != "qvhighlights"


def _timed(moments: Moments) -> bool:
    return any(moment.duration is not None for moment in moments)


def _clipped(window: Window, duration: float | None) -> Window:
    """A window (s), with its score if it has one, within a video of `duration` (s)."""
    last = np.inf if duration is None else duration
    start, end = (float(min(max(time, 0.0), last)) for time in window[:2])
    return (start, end, *window[2:])


def _swapped(moment: Moment, prediction: Prediction) -> Prediction:
    """The prediction with start and end of reversed windows exchanged."""
    windows, failure = prediction.windows or (), prediction.failure
    answer = prediction.said("grounding")
    if failure == "reversed" and not windows and answer is not None:
        said = said_intervals(answer, moment.duration)[0][0]
        windows = ((said.start, said.end),)
    windows = tuple((min(w[:2]), max(w[:2]), *w[2:]) for w in windows)
    return replace(prediction, windows=windows, failure=None if failure == "reversed" else failure)


CONVENTIONS = (
    Convention("fixed", "the kit's own protocol; all else is compared with it", _fixed),
    Convention("windows read as released", "the released parser, faults included",
               partial(_read_part, "grounding", ("windows", "failure"))),
    Convention("highlights read as released", "the released parser, faults included",
               partial(_read_part, "highlights", ("saliency",))),
    Convention("options read as released", "the first single letter a-d counts", _read_options),
    Convention("queries not asked left out", "unread videos and missing queries leave the "
               "denominator", _asked_only),
    Convention("overlaps in float32", "as torch computes them: ties at a threshold fall either way",
               _float32),
    Convention("more than the threshold", "an overlap of just the threshold fails", _more_than),
    Convention("predicted windows clipped", "no window leaves the video", _clip_predicted),
    Convention("true windows clipped", "annotated ends beyond the video are moved", _clip_true),
    Convention("reversed windows swapped", "start and end of a prediction in either order", _swap),
    Convention("Fair shown as VeryGood", "a clip is positive from grade 2 on, not 4",
               partial(_renamed, "-Fair", "-VeryGood")),
    Convention("lenient Hit@1", "any clip of the highest score may hit, not the first",
               partial(_renamed, "lenient-", "")),
    Convention("released reading and denominators", "all that --protocol official does", _official),
)  # fmt: skip
