"""Read a video: the frames shown at evenly spaced times, with their true timestamps.

Notable: times come from the file's packets (PyAV), never from index / frame rate, so that both
readers agree on variable frame rates and late starts. PyAV decodes, and knows each picture by its
own time stamp; decord, whose seeks are exact in some files only, takes over there if PyAV fails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from groundvts.data.readers import COMPLETE, READERS, Losses, Timeline, probe, reason
from groundvts.errors import BadInput, VideoReadError

HALF_MILLISECOND = 0.0005
LARGEST_ASPECT = 200
MOST_PIXELS = 10**8


@dataclass(frozen=True)
class FrameSampling:
    """Which frames are read and how large they become; the defaults are Qwen2.5-VL's own.

    Qwen2.5-VL: frames per second, their least and greatest number (both even: the model reads
    pairs), the least and greatest area of a frame (pixels), and the factor both sides are multiples
    of. InternVL: `count` frames of `side` x `side` pixels, whatever the video; the rest is unused.
    """

    fps: float = 2.0
    max_frames: int = 128
    min_frames: int = 2
    min_pixels: int = 128 * 28 * 28
    max_pixels: int = 768 * 28 * 28
    factor: int = 28
    count: int | None = None
    side: int | None = None

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise BadInput(f"frame sampling: fps is {self.fps}; it has to be above 0")
        if (
            not 2 <= self.min_frames <= self.max_frames
            or self.min_frames % 2
            or self.max_frames % 2
        ):
            counts = f"min_frames {self.min_frames}, max_frames {self.max_frames}"
            raise BadInput(f"frame sampling: {counts}; use even numbers, 2 <= min <= max")
        if not 0 < self.min_pixels <= self.max_pixels <= MOST_PIXELS or self.factor < 1:
            pixels = f"min_pixels {self.min_pixels}, max_pixels {self.max_pixels}"
            raise BadInput(f"frame sampling: {pixels}, factor {self.factor}; 0 < min <= max <= 1e8")
        fixed = self.count, self.side
        if fixed != (None, None) and (None in fixed or min(fixed) < 1):
            given = f"count {self.count}, side {self.side}"
            raise BadInput(f"frame sampling: {given}; use two numbers from 1 on, or neither")

    @classmethod
    def read(cls, settings: dict) -> FrameSampling:
        """The sampling that settings name. Raises BadInput for a wrong name or type."""
        try:
            return cls(**settings)
        except TypeError as error:
            known = ", ".join(field.name for field in fields(cls))
            raise BadInput(f"frame sampling: {error}; the settings are {known}") from None


@dataclass(frozen=True, eq=False)
class Frames:
    """Sampled frames: pixels uint8 (T, H, W, 3) and the timestamps (T,) of the frames shown, s.

    `fps` is the sampled rate (frame k stands for 1 / fps seconds), `duration` the video's length
    (s), `reader` the name of the reader that decoded them, `note` what the file lacks.
    """

    pixels: np.ndarray
    timestamps: np.ndarray
    fps: float
    duration: float
    reader: str
    note: str | None = None


def sample_times(duration: float, sampling: FrameSampling) -> tuple[np.ndarray, float]:
    """Times (n,) in seconds for a video of `duration` s, and the fps that holds for them.

    Qwen2.5-VL: k / fps; n is floor(duration * fps) rounded down to an even number, at least
    `min_frames`; past `max_frames` it is `max_frames`, spread over the duration at a lower fps.
    InternVL: the middles (k + 1/2) / fps of `count` equal parts.
    """
    if sampling.count is not None:
        fps = sampling.count / duration
        return (np.arange(sampling.count) + 0.5) / fps, fps
    fps = sampling.fps
    count = max(math.floor(duration * fps + 1e-6) // 2 * 2, sampling.min_frames)
    if count > sampling.max_frames:
        count = sampling.max_frames
        fps = count / duration
    return np.arange(count) / fps, fps


def frame_size(height: int, width: int, sampling: FrameSampling) -> tuple[int, int]:
    """Size (height, width) that frames of a video get: InternVL's square or Qwen's own."""
    if sampling.side is not None:
        return sampling.side, sampling.side
    return smart_resize(height, width, sampling)


def smart_resize(height: int, width: int, sampling: FrameSampling) -> tuple[int, int]:
    """Qwen2-VL's target size (height, width): multiples of `factor`, area within the limits."""
    factor = sampling.factor
    if max(height, width) > LARGEST_ASPECT * min(height, width):
        raise BadInput(f"frames of {width}x{height} are more than {LARGEST_ASPECT}:1")
    sides = [round(side / factor) * factor for side in (height, width)]
    if math.prod(sides) > sampling.max_pixels:
        shrink = math.sqrt(height * width / sampling.max_pixels)
        sides = [
            max(factor, math.floor(side / shrink / factor) * factor) for side in (height, width)
        ]
    elif math.prod(sides) < sampling.min_pixels:
        grow = math.sqrt(sampling.min_pixels / (height * width))
        sides = [math.ceil(side * grow / factor) * factor for side in (height, width)]
    return sides[0], sides[1]


def read_frames(path: str | Path, sampling: FrameSampling, reader: str = "auto") -> Frames:
    """Frames shown at `sample_times`: the last whose timestamp is at most half a ms later.

    `reader` is `av`, `decord` or `auto` (PyAV, then decord). Raises VideoReadError with the file
    and the reason where it cannot be read or less than 90 % of its declared length (frames and
    seconds) can be decoded; where more but not all can, `note` says so.
    """
    path = Path(path)
    timeline = probe(path)
    try:
        frame_size(timeline.height, timeline.width, sampling)
    except BadInput as error:
        raise VideoReadError(f"{path}: {error}") from error
    times, fps = sample_times(timeline.duration, sampling)
    wanted = np.searchsorted(timeline.times, times + HALF_MILLISECOND, side="right") - 1
    wanted = np.maximum(wanted, 0)
    if reader not in ("auto", *READERS):
        raise BadInput(f"reader {reader!r} is unknown; use auto, {' or '.join(READERS)}")
    names, failure = list(READERS) if reader == "auto" else [reader], None
    for name in names:
        try:
            shown, pixels, losses = READERS[name](
                path, timeline, wanted, partial(resize, sampling=sampling)
            )
            note = _judge(path, losses, timeline)
            return Frames(pixels, timeline.times[shown], fps, timeline.duration, name, note)
        except VideoReadError as error:
            failure = failure or error
        except Exception as error:  # damage has many names
            failure = failure or VideoReadError(f"{path}: {name} cannot read it ({reason(error)})")
    raise failure


def _judge(path: Path, losses: Losses, timeline: Timeline) -> str | None:
    """What is odd in a file, or None; VideoReadError where more than a tenth of it is lost."""
    total, found, declared = len(timeline.times), timeline.duration, timeline.declared
    left = total - losses.lost
    notes = [f"{left} of {total} frames decoded"] if losses.lost else []
    notes += [f"{found:.2f} s of {declared:.2f} s are there"] if found < declared else []
    if left / total * found / declared < COMPLETE:
        raise VideoReadError(f"{path}: damaged, {', '.join(notes)}")
    notes += [f"{losses.damaged} of {total} frames damaged"] if losses.damaged else []
    notes += [f"{losses.resized} of {total} frames of another size"] if losses.resized else []
    return ", ".join([*notes, *timeline.notes]) or None


def resize(pixels: np.ndarray, sampling: FrameSampling) -> np.ndarray:
    """uint8 (T, H, W, 3) resized to `frame_size`, bicubic with antialiasing, still uint8.

    Pillow's own, so that pixels equal those of transformers' PIL image processors.
    """
    size = frame_size(*pixels.shape[1:3], sampling)
    if size == pixels.shape[1:3]:
        return pixels
    frames = (Image.fromarray(np.ascontiguousarray(frame)) for frame in pixels)
    return np.stack([np.asarray(f.resize(size[::-1], Image.Resampling.BICUBIC)) for f in frames])
