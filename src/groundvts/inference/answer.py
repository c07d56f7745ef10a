"""What a model answers about one video: windows, kept tokens, scores, and a picture of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from groundvts.data.video import Frames
from groundvts.escape import plain
from groundvts.models.samplers import SCORED

if TYPE_CHECKING:
    from groundvts.report.timeline import Timeline


@dataclass(frozen=True, repr=False)
class Grounding:
    """One answer: its record, and the frames (T, H, W, 3) that the model read.

    In a notebook it shows itself as a picture of the video's timeline.
    """

    record: dict
    frames: Frames

    @property
    def prediction(self) -> dict:
        """The line that inference writes: windows, answer, failure, kept tokens, scores."""
        return self.record["prediction"]

    @property
    def windows(self) -> list[tuple[float, float]]:
        """When it happens: (start, end) in seconds, the first answered first."""
        return [(start, end) for start, end in self.prediction["windows"]]

    @property
    def kept(self) -> np.ndarray | None:
        """Which visual tokens the language model read, (t, h, w); None where it was not asked."""
        if "grid" not in self.prediction:
            return None
        mask = np.zeros(self.prediction["grid"], dtype=bool)
        mask.flat[self.prediction["kept"]] = True
        return mask

    @property
    def scores(self) -> np.ndarray | None:
        """Each token's share of the score (t, h, w), 1 in all; None where the model scores none."""
        found = self.prediction.get("scores")
        return None if found is None else np.reshape(found, self.prediction["grid"])

    @property
    def line(self) -> str:
        """The answer in one line, times in seconds."""
        if self.windows:
            return ", ".join(f"{start:.1f} s to {end:.1f} s" for start, end in self.windows)
        reason, answer = self.prediction["failure"], self.prediction["answer"]
        why = self.prediction["detail"] if answer is None else f"the model answered {answer!r}"
        return f"no window ({reason}): {why}"

    def draw(self, stem: str | Path) -> Path:
        """Draws the timeline to `stem`.png and `stem`.pdf; gives the path of the png."""
        from groundvts.report.timeline import draw_timelines

        return draw_timelines([_timeline(self)], stem)

    def __repr__(self) -> str:
        return plain(f"“{self.prediction['query']}”: {self.line}")

    def _repr_png_(self) -> bytes | None:
        if self.kept is None:
            return None
        with TemporaryDirectory() as folder:
            return self.draw(Path(folder, "answer")).read_bytes()


def _timeline(answer: Grounding) -> Timeline:
    """What is drawn: all but the pixels is from the record."""
    from groundvts.report.timeline import Timeline

    found, frames = answer.prediction, answer.record["frames"]
    every = slice(None, None, frames["per_step"])
    return Timeline(
        heading=f"“{found['query']}”: {answer.line if answer.windows else 'no window'}",
        pixels=answer.frames.pixels[every],
        grid=tuple(found["grid"]),
        second_per_grid=found["second_per_grid"],
        kept=found["kept"],
        scores=found.get("scores"),
        predicted=tuple(answer.windows),
        times=tuple(frames["timestamps"][every]),
        duration=frames["duration"],
        failure=answer.line,
        note=_note(answer.record),
    )


def _note(record: dict) -> str:
    """Which video and model, and what the model read of it, in one sentence each."""
    found, vts = record["prediction"], record["settings"]["vts"]
    kept, every = len(found["kept"]), math.prod(found["grid"])
    how = f"all {every} tokens read" if kept == every else f"{kept} of {every} tokens read"
    if vts is None:
        how = f"no sampling, {how}"
    else:
        hidden = ", the others masked" if vts["drop"] == "masked" and kept < every else ""
        how = f"sampler {vts['sampler']}, ratio {vts['ratio']:g}, {how}{hidden}"
        if "scores" in found and vts["sampler"] not in SCORED:
            how += "; the scores weight tokens and did not choose them"
    video = Path(record["inputs"]["video"]["path"]).name
    frames = record["frames"]
    length = ", ".join(filter(None, [f"{frames['duration']:.1f} s", frames["note"]]))
    name, note = record["model"].rstrip("/").split("/")[-1], record.get("note")
    return f"{video}, {length}. {name}: {how}." + (f" {note[0].upper()}{note[1:]}." if note else "")
