"""What the verbs that score share: predictions with their truth, and trivial predictions."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundvts import records
from groundvts.data.files import protect
from groundvts.errors import BadInput

GIVEN = ("annotations", "spans", "durations", "answers", "train")  # options that name files
PROTOCOLS = ("fixed", "paper", "official")

if TYPE_CHECKING:
    from groundvts.data.moment import Moment
    from groundvts.metrics.predictions import Prediction


def scored_inputs(options: Namespace) -> tuple[dict[str, str], dict[str, Any]]:
    """The files that are scored, and the record beside the predictions: it tells the protocol."""
    given = {key: getattr(options, key, None) for key in GIVEN}
    inputs = {"predictions": options.predictions} | {k: v for k, v in given.items() if v}
    made = Path(options.predictions).with_suffix(".record.json")
    if not made.exists():
        return inputs, {"protocol": "fixed", "seed": 0}
    protect(made)
    known = records.read_record(made)
    if known.setdefault("protocol", None) not in PROTOCOLS or type(known.get("seed")) is not int:
        raise BadInput(
            f"{made}: no record of predictions: its protocol is none of {', '.join(PROTOCOLS)} or "
            "its seed no number; delete it or infer again"
        )
    return inputs, known


def read_scored(options: Namespace) -> tuple[list[Moment], list[Prediction]]:
    """Moments, and the prediction of each.

    Takes the options dataset, predictions, answers, annotations, spans, durations, complete.
    Raises BadInput where the files do not belong together.
    """
    from groundvts.data.truth import read_truth
    from groundvts.metrics.joining import join_passes, match_predictions, named_by
    from groundvts.metrics.predictions import read_prediction_file

    own = not options.annotations  # whether the truth has to stand in the predictions
    file = read_prediction_file(options.predictions, options.dataset, truth=own)
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
        if not any(moment.options for moment in moments):
            raise BadInput(
                f"{options.answers}: none of the queries has options; leave --answers out"
            )
        answers = read_prediction_file(options.answers, options.dataset, truth=own)
        answers = named_by(answers, moments)
        matched = join_passes(match_predictions(answers, moments, options.complete), matched)
        if not any(prediction.said("question") for prediction in matched):
            raise BadInput(f"{options.answers}: holds no answer to a question; give those answers")
    return moments, matched


def trivial_values(
    moments: list[Moment], precision: str = "float64", train: str | None = None
) -> dict[str, dict[str, float]]:
    """{name: {metric: percent}} of predictions that look at no video.

    With `train`, moments.jsonl, also of the window that fits best there ("prior window").
    """
    from groundvts.data.moment import read_moments
    from groundvts.metrics.constant import fit_constant_window
    from groundvts.metrics.score import point_values
    from groundvts.metrics.trivial import one_window, trivial_predictions

    found = trivial_predictions(moments)
    if train:
        found["prior window"] = one_window(moments, fit_constant_window(read_moments(train)))
    return {
        name: point_values(moments, given, precision=precision) for name, given in found.items()
    }


def read_scores(path: str) -> dict[str, Any]:
    """A score record with the scores of its queries. Raises BadInput where it is none."""
    found = records.read_record(path)
    if missing := {"run", "dataset", "protocol", "scores", "queries"} - set(found):
        what = f"it lacks {', '.join(sorted(missing))}"
        raise BadInput(f"{path}: no score record ({what}); make it by score")
    queries, scores = found["queries"], found["scores"]
    tables = (
        *((queries.get(key) for key in ("id", "video")) if isinstance(queries, dict) else [None]),
        *(scores.values() if isinstance(scores, dict) else [None]),
    )
    lengths = {len(table) if isinstance(table, list) else None for table in tables}
    if len(lengths) > 1 or not lengths - {None, 0}:
        raise BadInput(
            f"{path}: queries and scores are not lists of one length, one entry a query; make it "
            "again by score"
        )
    return found
