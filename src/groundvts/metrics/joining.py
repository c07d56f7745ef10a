"""Records without ids, joined to the moments of an annotation file."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.predictions import PredictionFile


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
        waiting[moment.video, moment.query_normalised].append(moment.id)
    named = []
    for place, (own, prediction) in enumerate(zip(file.moments, file.predictions, strict=True)):
        names = waiting[own.video, own.query_normalised]
        if not names:
            raise BadInput(
                f"{file.path}, [{place}]: {own.query!r:.60} of {own.video} is not asked, or not so "
                "often; give the annotations of these records, or none"
            )
        named.append(replace(prediction, id=names.popleft()))
    return PredictionFile(file.path, tuple(named))
