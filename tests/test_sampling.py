"""Which frames are read, and their pixels, are those of each backbone's own processor."""

import numpy as np
import pytest
from clips import picture

from groundvts.data.video import FrameSampling, resize, sample_times, smart_resize
from groundvts.errors import BadInput

SMALL = FrameSampling(min_pixels=28 * 28, max_pixels=112 * 112)


@pytest.mark.parametrize(
    ("duration", "count", "fps"),
    [
        (30.0, 60, 2.0),
        (8.9, 16, 2.0),  # 17.8 frames: whole, then even
        (7.9999999999, 16, 2.0),  # float noise below 8 s
        (0.3, 2, 2.0),  # never fewer than min_frames
        (64.0, 128, 2.0),
        (150.0, 128, 128 / 150),  # capped: spread over the whole duration
    ],
)
def test_sample_times(duration: float, count: int, fps: float):
    times, sampled = sample_times(duration, FrameSampling())
    assert len(times) == count
    assert sampled == pytest.approx(fps)
    np.testing.assert_allclose(times, np.arange(count) / fps)


@pytest.mark.parametrize(
    ("duration", "total"), [(30.0, 750), (8.9, 267), (0.5, 15), (10.01, 300), (600.0, 18000)]
)
@pytest.mark.parametrize("count", [1, 8, 15])
def test_a_fixed_count_is_internvl_s_middles(duration: float, total: int, count: int):
    times, fps = sample_times(duration, FrameSampling(count=count, side=448))
    assert fps == pytest.approx(count / duration)
    # what transformers' InternVL video processor takes: frame numbers at a constant rate
    step = total / count
    expected = [int(step / 2 + k * step + 1e-6) for k in range(count)]
    assert [int(time * total / duration + 1e-6) for time in times] == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"fps": 0},
        {"min_frames": 3},
        {"max_frames": 1},
        {"min_pixels": 0},
        {"factor": 0},
        {"count": 8},
        {"side": 448},
        {"count": 0, "side": 448},
        {"count": 8, "side": 0},
    ],
)
def test_impossible_sampling_is_bad_input(wrong: dict):
    with pytest.raises(BadInput, match="frame sampling"):
        FrameSampling(**wrong)


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ((112, 112), (784, 112 * 112), (112, 112)),
        ((270, 480), (28224, 50176), (168, 280)),  # shrunk to the greatest area
        ((270, 480), (256, 16384), (84, 168)),
        ((50, 50), (28224, 50176), (168, 168)),  # grown to the least
        ((240, 320), (256, 16384), (84, 140)),
    ],
)
def test_smart_resize(size: tuple, limits: tuple, expected: tuple):
    sampling = FrameSampling(min_pixels=limits[0], max_pixels=limits[1])
    assert smart_resize(*size, sampling) == expected


def test_resize_to_the_same_size_changes_nothing():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 56, 112, 3), dtype=np.uint8)
    assert resize(pixels, SMALL) is pixels


def test_wrong_settings_are_named():
    assert FrameSampling.read({"fps": 1.0}) == FrameSampling(fps=1.0)
    with pytest.raises(BadInput, match=r"max_frame'.*the settings are fps, max_frames"):
        FrameSampling.read({"max_frame": 4})
    with pytest.raises(BadInput, match="frame sampling"):
        FrameSampling.read({"fps": "2"})


@pytest.mark.parametrize("backbone", ["qwen", "internvl"])
@pytest.mark.parametrize("size", [(270, 480), (720, 1280), (50, 50), (320, 240), (448, 448)])
def test_pixels_equal_those_of_the_processors(backbone: str, size: tuple):
    from transformers.image_utils import PILImageResampling, SizeDict
    from transformers.models.got_ocr2 import GotOcr2ImageProcessorPil
    from transformers.models.qwen2_vl import Qwen2VLImageProcessorPil

    noise = np.random.default_rng(1).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    noise[1, : size[0] // 2] = picture(341, *size)[: size[0] // 2]  # sharp edges
    bicubic = {"resample": PILImageResampling.BICUBIC}
    if backbone == "qwen":
        sampling = FrameSampling(min_pixels=28224, max_pixels=50176)
        limits = SizeDict(shortest_edge=28224, longest_edge=50176)
        theirs = [
            Qwen2VLImageProcessorPil().resize(f.transpose(2, 0, 1), limits, factor=28, **bicubic)
            for f in noise
        ]
    else:
        sampling, square = FrameSampling(count=8, side=448), SizeDict(height=448, width=448)
        processor = GotOcr2ImageProcessorPil()
        theirs = [processor.resize(f.transpose(2, 0, 1), square, **bicubic) for f in noise]
    np.testing.assert_array_equal(resize(noise, sampling), np.stack(theirs).transpose(0, 2, 3, 1))
