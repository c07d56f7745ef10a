"""What the verbs that score share: predictions with their truth, and trivial predictions."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundvts import records
from groundvts.errors import BadInput
from groundvts.verbs.settings import keep_inputs

if TYPE_CHECKING:
    from groundvts.data.moment import Moment
    from groundvts.metrics.predictions import Prediction


def scored_inputs(options: Namespace) -> tuple[dict[str, str], dict[str, Any]]:
    """The files that are scored, and the record beside the predictions, which tells the protocol.

    Raises BadInput where the option `out` is one of them.
    """
    given = {key: getattr(options, key) for key in ("annotations", "spans", "answers")}
    inputs = {"predictions": options.predictions} | {k: v for k, v in given.items() if v}
    keep_inputs(inputs.values(), options.out)
    made = Path(options.predictions).with_suffix(".record.json")
    return inputs, records.read_record(made) if made.exists() else {"protocol": "fixed", "seed": 0}


def read_scored(options: Namespace) -> tuple[list[Moment], list[Prediction]]:
    """Moments, and the prediction of each.

    Takes the options dataset, predictions, answers, annotations, spans, durations, complete.
    Raises BadInput where the files do not belong together.
    """
    from groundvts.data.truth import read_truth
    from groundvts.metrics.joining import join_passes, match_predictions, named_by
    from groundvts.metrics.predictions import read_prediction_file

    file = read_prediction_file(options.predictions, options.dataset)
    moments = list(file.moments or ())
    if options.annotations:
        moments = read_truth(options.dataset, options.annotations, options.durations, options.spans)
        file = named_by(file, moments)
    elif not moments:
        raise BadInput(f"{options.predictions}: holds no truth; name it by --annotations")
    other = next((m for m in moments if m.dataset != options.dataset), None)
    if other:
        raise BadInput(f"{options.annotations}: {other.id} is of {other.dataset}: score that")
    matched = match_predictions(file, moments, options.complete)
    if options.answers:
        answers = named_by(read_prediction_file(options.answers, options.dataset), moments)
        matched = join_passes(match_predictions(answers, moments, options.complete), matched)
    return moments, matched


def trivial_values(
    moments: list[Moment], dataset: str, precision: str = "float64"
) -> dict[str, dict[str, float]]:
    """{name: {metric: percent}} of predictions that look at no video."""
    from groundvts.metrics.score import point_values
    from groundvts.metrics.trivial import trivial_predictions

    return {
        name: point_values(moments, predictions, precision=precision)
        for name, predictions in trivial_predictions(moments).items()
        if name in ("whole video", "centre half") or dataset == "qvhighlights"
    }
