"""Which queries are timed: spread over a list of moments, on videos that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from groundvts.data.folder import VideoFolder
from groundvts.data.inputs import Encoder
from groundvts.data.isolated import run_isolated
from groundvts.data.moment import Moment, read_moments
from groundvts.data.video import FrameSampling, read_frames
from groundvts.errors import BadInput, VideoReadError
from groundvts.inference.ground import TIMEOUT_S, manifest


@dataclass(frozen=True)
class Query:
    """One moment to ask for, and the file of its video."""

    moment: Moment
    video: Path


def choose(model: str, moments: str, videos: str, most: int) -> tuple[list[Query], list[dict]]:
    """At most `most` queries, and those among them whose video cannot be read, with the reason.

    Raises BadInput where none can.
    """
    listed, folder = read_moments(moments), VideoFolder(videos)
    count = min(most, len(listed))
    chosen = [listed[len(listed) * place // count] for place in range(count)]
    files, failures = {}, {}
    for moment in chosen:
        try:
            files[moment.video] = folder.find(moment.video)
        except VideoReadError as error:
            failures[moment.video] = str(error)
    sampling = FrameSampling.read(manifest(model)["frames"] or Encoder(model).frames)
    jobs = {name: (path, sampling) for name, path in files.items()}
    for outcome in run_isolated(read_frames, jobs, 1, TIMEOUT_S):
        if outcome.reason is not None:
            failures[outcome.key] = outcome.reason
    queries = [Query(one, files[one.video]) for one in chosen if one.video not in failures]
    if not queries:
        why = next(iter(failures.values()))
        raise BadInput(f"{videos}: no video of {moments} can be read there: {why}")
    lost = [one for one in chosen if one.video in failures]
    return queries, [{"id": one.id, "reason": failures[one.video]} for one in lost]
