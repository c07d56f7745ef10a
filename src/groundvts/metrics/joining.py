"""Predictions and the moments they answer, joined by id, or without ids by video and query."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from groundvts.data.folder import without_suffix
from groundvts.data.moment import Moment, normalise
from groundvts.errors import BadInput
from groundvts.metrics.predictions import NOT_PUT, Prediction, PredictionFile


def named_by(file: PredictionFile, moments: Sequence[Moment]) -> PredictionFile:
    """A file of self-contained records with the ids of `moments`, whose truth then counts.

    A record is that of the next moment with its video and query, in file order, since a pair may
    repeat. A file that has ids is returned as it is. Raises BadInput for a record that none of the
    moments asks.
    """
    if file.moments is None:
        return file
    waiting: defaultdict[tuple[str, str], deque[str]] = defaultdict(deque)
    for moment in moments:
        waiting[without_suffix(moment.video), moment.query_normalised].append(moment.id)
    named = []
    for place, (own, prediction) in enumerate(zip(file.moments, file.predictions, strict=True)):
        names = waiting[without_suffix(own.video), own.query_normalised]
        if not names:
            raise BadInput(
                f"{file.path}, [{place}]: {own.query!r:.60} of {own.video} is not asked, or not so "
                "often; give the annotations of these records, or none"
            )
        named.append(replace(prediction, id=names.popleft()))
    return PredictionFile(file.path, tuple(named))


def check_ids(
    asked: Sequence[str], given: Sequence[str], where: str, complete: bool = False
) -> list[str]:
    """The ids asked that are not given, none unless `complete`.

    Raises BadInput, beginning with `where`, if ids are repeated on either side, unknown, or missing
    (unless complete), naming the first five.
    """
    times, answers = Counter(asked), Counter(given)
    missing = [id for id in times if id not in answers]
    troubles = {
        "moments repeated": [id for id, count in times.items() if count > 1],
        "predictions repeated": [id for id, count in answers.items() if count > 1],
        "predictions of no moment asked": [id for id in answers if id not in times],
        "moments without a prediction": [] if complete else missing,
    }
    for trouble, ids in troubles.items():
        if ids:
            more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
            names = ", ".join(f"{id!r:.60}" for id in ids[:5])
            raise BadInput(
                f"{where}: {trouble}: {names}{more}; give one prediction for every moment"
            )
    if not asked:
        raise BadInput("no moments to score; give a split that holds some")
    return missing


def match_predictions(
    file: PredictionFile, moments: Sequence[Moment], complete: bool = False
) -> list[Prediction]:
    """The prediction of each moment, in the order of the moments.

    complete: a moment without one gets the failure `missing`. An absurd moment has `bad_query`.
    Raises BadInput if ids are repeated on either side, unknown, or missing (unless complete),
    naming the first five, and where the file names another video or query beside an id.
    """
    asked = [moment.id for moment in moments]
    missing = check_ids(asked, [p.id for p in file.predictions], file.path, complete)
    by_id = {prediction.id: prediction for prediction in file.predictions}
    kinds = file.predictions[0]
    none = {key: () for key in ("windows", "saliency") if getattr(kinds, key) is not None}
    by_id |= {id: Prediction(id, **none, failure="missing") for id in missing}
    for moment in moments:
        check_asked(moment, *by_id[moment.id].about, file.path)
    absurd = [moment.id for moment in moments if moment.absurd]
    by_id |= {id: Prediction(id, **none, failure="bad_query") for id in absurd}
    return [by_id[moment.id] for moment in moments]


def check_asked(moment: Moment, video: str | None, query: str | None, where: str) -> None:
    """Raises BadInput where a prediction with a moment's id names another video or query."""
    asked = without_suffix(moment.video), moment.query_normalised
    named = without_suffix(video or moment.video), normalise(query or moment.query)
    if named != asked:
        raise BadInput(
            f"{where}: {moment.id!r:.60} is of {moment.video!r:.60} and {moment.query!r:.60}, not "
            f"of {named[0]!r:.60} and {named[1]!r:.60}; give the predictions of these moments"
        )


def join_passes(answers: Sequence[Prediction], windows: Sequence[Prediction]) -> list[Prediction]:
    """One prediction per question: the answer of one pass, all else of the pass that grounds.

    Both are in the order of the moments, gaps filled by the failure `missing` (see
    `match_predictions`): a gap counts as wrong, or as IoU 0.
    """
    joined = []
    for answer, window in zip(answers, windows, strict=True):
        failure = answer.failure if answer.failure in NOT_PUT else None
        _, failure = answer.further.get("question", (None, failure))
        joined.append(replace(window, further={"question": (answer.said("question"), failure)}))
    return joined
