"""Predictions in the form in which QVHighlights submissions are given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.predictions import Prediction


def submission(moments: Sequence[Moment], predictions: Sequence[Prediction]) -> Iterator[dict]:
    """One submission record for each query: windows ranked as predicted, and saliency if any.

    A window without a score gets 1 / rank; a failure has no window. The records are those of the
    moments, in their order; a qid that is a whole number is written as one, as published. Raises
    BadInput where neither windows nor saliency is predicted.
    """
    if all(
        prediction.windows is None and prediction.saliency is None for prediction in predictions
    ):
        raise BadInput(
            "neither windows nor saliency is predicted; give predictions of QVHighlights"
        )
    for moment, prediction in zip(moments, predictions, strict=True):
        name = moment.id
        record: dict[str, Any] = {"qid": int(name) if _is_number(name) else name}
        record |= {"query": moment.query, "vid": moment.video}
        if prediction.windows is not None:
            ranked = enumerate(prediction.windows if not prediction.failure else (), start=1)
            record["pred_relevant_windows"] = [
                [*window[:2], window[2] if len(window) > 2 else 1 / rank] for rank, window in ranked
            ]
        if prediction.saliency is not None:
            record["pred_saliency_scores"] = list(prediction.saliency)
        yield record


def _is_number(name: str) -> bool:
    """Whether a name is a whole number as it would be written."""
    return name.isdecimal() and str(int(name)) == name
