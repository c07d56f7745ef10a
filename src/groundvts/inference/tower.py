"""Each video is read and goes through vision tower and projector once, however many queries ask."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from groundvts.data.features import tower_rows
from groundvts.data.inputs import VideoInput

STAGES = ("read", "tower", "reduce", "generate")


class Stopwatch:
    """Seconds of each stage: what a GPU was given is waited for.

    `read` makes frames (or cached features) into inputs, `tower` is vision tower and projector,
    `reduce` prompt, scorer and drop, `generate` the language model.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what is done inside."""
        began = self._now()
        yield
        self._seconds[name] += self._now() - began

    def lap(self) -> dict[str, float]:
        """Seconds by stage since the last lap."""
        seconds, self._seconds = self._seconds, dict.fromkeys(STAGES, 0.0)
        return seconds

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


class Videos:
    """The videos of a source as visual tokens on the model's device, held while they are needed.

    A video goes through tower and projector alone, so that its tokens do not depend on what it is
    asked together with.
    """

    def __init__(self, model, source, watch: Stopwatch) -> None:
        self.model, self.source, self.watch = model, source, watch
        self._held: dict[str, VideoInput] = {}

    def hold(self, names: Iterable[str]) -> None:
        """Makes ready the videos that `names` lists and lets go of all others."""
        names = dict.fromkeys(names)
        self._held = {name: video for name, video in self._held.items() if name in names}
        for name in names:
            if name not in self._held:
                self._held[name] = self._ready(name)

    def _ready(self, name: str) -> VideoInput:
        with self.watch.stage("read"):
            video = self.source.video(name)
        with self.watch.stage("tower"):
            rows = video.features if video.patches is None else tower_rows(self.model, video)
            tokens = self.model.video_tokens(vision_features=rows.to(self.model.device))
            return replace(video, patches=None, features=None, tokens=tokens)

    def video(self, name: str) -> VideoInput:
        """A video that is held."""
        return self._held[name]
