"""Small video files for the tests: each frame's number is coded in its pixels."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 10


def picture(number: int, height: int = 56, width: int = 112) -> np.ndarray:
    """uint8 (height, width, 3): the upper half's columns are the bits of `number`, lower is dark.

    The first bit stands left; a bit that is 1 is white.
    """
    pixels = np.full((height, width, 3), 32, dtype=np.uint8)
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for bit in range(BITS):
        value = 224 if number >> bit & 1 else 32
        pixels[: height // 2, edges[bit] : edges[bit + 1]] = value
    return pixels


def numbers(pixels: np.ndarray) -> list[int]:
    """The numbers coded in frames (T, H, W, 3), resized or not."""
    height, width = pixels.shape[1:3]
    columns = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    bits = pixels[:, height // 4, columns, 1] > 128
    return [int(row @ (1 << np.arange(BITS))) for row in bits]


def write_clip(
    path: Path, pts: list[int], rotate: int = 0, audio_s: float = 0, **options: str
) -> Path:
    """H.264 with frame k shown at pts[k] / 1000 s; `rotate` degrees are written as metadata.

    `audio_s` seconds of silence are added from 0 s on; `options` go to the container.
    """
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10", "g": "25"})
        stream.height, stream.width = picture(0).shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotate:
            stream.set_display_rotation(rotate)
        if audio_s:
            _add_silence(container, audio_s)
        for number, stamp in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_audio(path: Path) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        _add_silence(container, 1.0)
    return path


def _add_silence(container: av.container.OutputContainer, seconds: float) -> None:
    stream = container.add_stream("aac", rate=16000)
    for k in range(int(seconds * 16000 / 1024)):
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate, silence.pts = 16000, k * 1024
        silence.time_base = Fraction(1, 16000)
        container.mux(stream.encode(silence))
    container.mux(stream.encode())


def steady(count: int, rate: int = 25, start: int = 0) -> list[int]:
    """Presentation times in ms of a constant frame rate."""
    return [start + round(1000 * k / rate) for k in range(count)]
