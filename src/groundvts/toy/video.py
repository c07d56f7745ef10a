"""Toy clips as real files: H.264 in MP4, a few of them as awkward as published videos are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from groundvts.toy.clips import Clip, generator, render

CUT = 0.6  # share of its bytes that a broken file keeps
SKIPPED = 0.4  # share of the frames that a variable rate leaves out
SOUND_RATE = 16000
TICKS = 90_000  # of a second: both 24000/1001 and 12.5 frames a second are near whole ticks


def encode(clip: Clip, folder: Path, side: int) -> None:
    """Writes a clip as H.264 in MP4."""
    path = folder / f"{clip.name}.mp4"
    with open(path, "wb") as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=clip.frame_rate)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "ultrafast", "crf": "20", "g": "60"}
        if clip.rotation:
            stream.set_display_rotation(clip.rotation)
        if clip.sound:
            _add_hum(container, clip.duration)
        for frame in _frames(clip, side):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def cut_short(path: Path) -> None:
    """Leaves the beginning of a file, as a broken download does."""
    content = path.read_bytes()
    path.write_bytes(content[: int(CUT * len(content))])


def _frames(clip: Clip, side: int) -> Iterator[av.VideoFrame]:
    """Frames with their times; a picture is shown from the last frame that begins by its second.

    A variable rate leaves out frames that would only repeat the one before.
    """
    pictures = render(clip, side)
    begins = [int(second * clip.frame_rate) for second, _ in pictures]
    total = math.ceil(clip.duration * clip.frame_rate)
    rng = generator(clip.noise_seed, "skipped")
    for (_, picture), first, end in zip(pictures, begins, [*begins[1:], total], strict=True):
        turned = np.rot90(picture, -clip.rotation // 90)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(turned), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.time_base = Fraction(1, TICKS)
        for number in range(first, end):
            needed = number in (first, total - 1) or not clip.variable
            if needed or rng.random() > SKIPPED:
                frame.pts = round(number / clip.frame_rate * TICKS)
                yield frame


def _add_hum(container: av.container.OutputContainer, seconds: int) -> None:
    stream = container.add_stream("aac", rate=SOUND_RATE)
    for start in range(0, seconds * SOUND_RATE, 1024):
        times = (start + np.arange(1024)) / SOUND_RATE
        wave = (0.1 * np.sin(2 * np.pi * 110 * times)).astype(np.float32)[None]
        sound = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
        sound.sample_rate, sound.pts, sound.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        container.mux(stream.encode(sound))
    container.mux(stream.encode())
