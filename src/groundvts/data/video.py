"""Read a video: the frames shown at evenly spaced times, with their true timestamps.

Notable: times come from the file's packets (PyAV), never from index / frame rate, so that both
readers agree on variable frame rates and late starts. decord decodes by default; PyAV takes over
where decord is not installed, cannot open a file or does not see what the packets say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundvts.data.readers import READERS, Timeline, probe
from groundvts.errors import BadInput, VideoReadError

HALF_MILLISECOND = 0.0005
LARGEST_ASPECT = 200


@dataclass(frozen=True)
class FrameSampling:
    """Which frames are read and how large they become; the defaults are Qwen2.5-VL's own.

    Frames per second, their least and greatest number (both even: the model reads pairs), the
    least and greatest area of a frame (pixels), and the factor both sides are multiples of.
    """

    fps: float = 2.0
    max_frames: int = 128
    min_frames: int = 2
    min_pixels: int = 128 * 28 * 28
    max_pixels: int = 768 * 28 * 28
    factor: int = 28

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
        if not 0 < self.min_pixels <= self.max_pixels or self.factor < 1:
            pixels = f"min_pixels {self.min_pixels}, max_pixels {self.max_pixels}"
            raise BadInput(f"frame sampling: {pixels}, factor {self.factor}; use 0 < min <= max")


@dataclass(frozen=True, eq=False)
class Frames:
    """Sampled frames: pixels uint8 (T, H, W, 3) and the timestamps (T,) of the frames shown, s.

    `fps` is the sampled rate (frame k stands for time k / fps), `duration` the video's length (s),
    `reader` the name of the reader that decoded them.
    """

    pixels: np.ndarray
    timestamps: np.ndarray
    fps: float
    duration: float
    reader: str


def sample_times(duration: float, sampling: FrameSampling) -> tuple[np.ndarray, float]:
    """Times k / fps (n,) in seconds for a video of `duration` s, and the fps that holds for them.

    n is floor(duration * fps) rounded down to an even number, at least `min_frames`; past
    `max_frames` it is `max_frames`, spread over the duration at a lower fps.
    """
    fps = sampling.fps
    count = max(math.floor(duration * fps + 1e-6) // 2 * 2, sampling.min_frames)
    if count > sampling.max_frames:
        count = sampling.max_frames
        fps = count / duration
    return np.arange(count) / fps, fps


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

    `reader` is `decord`, `av` or `auto` (decord, then PyAV). Raises VideoReadError with the file
    and the reason where it cannot be read or less than 90 % of its declared length is there.
    """
    path = Path(path)
    timeline = probe(path)
    try:
        smart_resize(timeline.height, timeline.width, sampling)
    except BadInput as error:
        raise VideoReadError(f"{path}: {error}") from error
    times, fps = sample_times(timeline.duration, sampling)
    wanted = np.searchsorted(timeline.times, times + HALF_MILLISECOND, side="right") - 1
    wanted = np.maximum(wanted, 0)
    name, shown, pixels = _decode(path, timeline, wanted, sampling, reader)
    return Frames(pixels, timeline.times[shown], fps, timeline.duration, name)


def _decode(
    path: Path, timeline: Timeline, wanted: np.ndarray, sampling: FrameSampling, reader: str
) -> tuple[str, np.ndarray, np.ndarray]:
    """Name of the reader, places shown (T,) and pixels (T, H, W, 3) of the `wanted` places (T,)."""
    if reader not in ("auto", *READERS):
        raise BadInput(f"reader {reader!r} is unknown; use auto, {' or '.join(READERS)}")
    failure = None
    for name in READERS if reader == "auto" else [reader]:
        try:
            parts = [
                (shown, resize(pixels, sampling))
                for shown, pixels in READERS[name](path, timeline, wanted)
            ]
        except VideoReadError as error:
            failure = error
            continue
        shown, pixels = zip(*parts, strict=True)
        return name, np.concatenate(shown), np.concatenate(pixels)
    raise failure


def resize(pixels: np.ndarray, sampling: FrameSampling) -> np.ndarray:
    """uint8 (T, H, W, 3) resized to `smart_resize`, bicubic with antialiasing, still uint8."""
    height, width = pixels.shape[1:3]
    size = smart_resize(height, width, sampling)
    if size == (height, width):
        return pixels
    import torch  # seconds to import, and small clips do not need it

    planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).contiguous()
    resized = torch.nn.functional.interpolate(
        planes, size=size, mode="bicubic", antialias=True, align_corners=False
    )
    return resized.permute(0, 2, 3, 1).contiguous().numpy()
