"""Videos are read at their true times, upright, alike by both readers."""

from pathlib import Path

import av
import numpy as np
import pytest
from clips import numbers, picture, steady, write_clip

from groundvts.data.readers import probe
from groundvts.data.video import FrameSampling, read_frames
from groundvts.errors import BadInput, VideoReadError

SMALL = FrameSampling(min_pixels=28 * 28, max_pixels=112 * 112)
READERS = ["decord", "av"]


@pytest.fixture(autouse=True)
def decord_is_installed(request):
    if "decord" in request.node.name:
        pytest.importorskip("decord")


@pytest.mark.parametrize("reader", READERS)
def test_a_fixed_count_of_squares_is_read(tmp_path: Path, reader: str):
    clip = write_clip(tmp_path / "a.mp4", steady(100))
    frames = read_frames(clip, FrameSampling(count=5, side=112), reader)
    assert frames.pixels.shape == (5, 112, 112, 3)
    assert numbers(frames.pixels) == [10, 30, 50, 70, 90]
    assert (frames.fps, frames.note) == (1.25, None)
    longer = read_frames(clip, FrameSampling(count=200, side=56), reader)
    assert numbers(longer.pixels) == [k // 2 for k in range(200)]  # more than there are: repeated


@pytest.mark.parametrize("reader", READERS)
def test_constant_rate_shows_the_last_frame_at_each_time(tmp_path: Path, reader: str):
    frames = read_frames(write_clip(tmp_path / "a.mp4", steady(100)), SMALL, reader)
    assert numbers(frames.pixels) == [0, 12, 25, 37, 50, 62, 75, 87]
    np.testing.assert_allclose(frames.timestamps, np.array(numbers(frames.pixels)) / 25)
    assert frames.pixels.dtype == np.uint8
    assert (frames.fps, frames.reader) == (2.0, reader)
    assert frames.duration == pytest.approx(4.0)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_rate_follows_the_timestamps(tmp_path: Path, reader: str, suffix: str):
    pts = [0, 40, 80, 700, 740, 1500, 1510, 1530, 2000, 2001, 2900, 2950]
    frames = read_frames(write_clip(tmp_path / f"a.{suffix}", pts), SMALL, reader)
    # at 0, 0.5, 1, 1.5 and (where the last frame's length gives 2.5 s or more) 2 and 2.5 s
    assert numbers(frames.pixels)[:4] == [0, 2, 4, 5]
    np.testing.assert_allclose(frames.timestamps[:4], [0, 0.08, 0.74, 1.5])


@pytest.mark.parametrize("reader", READERS)
def test_half_a_millisecond_is_forgiven_and_not_more(tmp_path: Path, reader: str):
    pts = [0, 500, 1001, 1500, 1960]
    frames = read_frames(write_clip(tmp_path / "a.mkv", pts), SMALL, reader)
    assert numbers(frames.pixels) == [0, 1, 1, 3]


@pytest.mark.parametrize("reader", READERS)
def test_a_late_picture_keeps_its_distance_to_the_sound(tmp_path: Path, reader: str):
    clip = write_clip(tmp_path / "a.mkv", steady(75, start=1000), audio_s=4)
    frames = read_frames(clip, SMALL, reader)
    assert probe(clip).times[0] == pytest.approx(1.0, abs=0.07)  # the sound starts at its priming
    assert numbers(frames.pixels)[:2] == [0, 0]  # nothing is shown yet: the first frame stands in
    assert numbers(frames.pixels)[4] in (23, 24, 25)
    assert frames.duration == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("start", [480, 5000])
def test_a_late_start_of_the_whole_file_is_no_offset(tmp_path: Path, start: int):
    frames = read_frames(write_clip(tmp_path / "a.mkv", steady(50, start=start)), SMALL)
    np.testing.assert_allclose(frames.timestamps, [0, 0.48, 1.0, 1.48])
    assert numbers(frames.pixels) == [0, 12, 25, 37]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (-90, 1)])
def test_rotation_is_applied(tmp_path: Path, reader: str, degrees: int, turns: int):
    clip = write_clip(tmp_path / "a.mp4", steady(50), rotate=degrees)
    pixels = read_frames(clip, SMALL, reader).pixels
    assert pixels.shape[1:3] == ((56, 112) if degrees == 180 else (112, 56))
    straight = [numbers(np.rot90(pixels, k, (1, 2))) for k in (-turns, turns)]
    assert [0, 12, 25, 37] in straight


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_both_readers_give_the_same_pixels_and_times(tmp_path: Path, suffix: str):
    pytest.importorskip("decord")
    clip = write_clip(tmp_path / f"a.{suffix}", steady(200))
    one, other = (read_frames(clip, SMALL, reader) for reader in READERS)
    np.testing.assert_array_equal(one.pixels, other.pixels)
    np.testing.assert_array_equal(one.timestamps, other.timestamps)
    assert numbers(one.pixels) == [min(k * 25 // 2, 199) for k in range(16)]


def test_avi_without_presentation_times_is_read_by_pyav(tmp_path: Path):
    frames = read_frames(write_clip(tmp_path / "a.avi", steady(200)), SMALL)
    assert frames.reader == "av"
    assert numbers(frames.pixels) == [min(k * 25 // 2, 199) for k in range(16)]
    np.testing.assert_allclose(frames.timestamps, np.array(numbers(frames.pixels)) / 25)


def test_the_largest_of_several_streams_is_read(tmp_path: Path):
    with av.open(str(tmp_path / "two.mp4"), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for stream, scale in zip(streams, (1, 2), strict=True):
            stream.width, stream.height, stream.pix_fmt = 112 * scale, 56 * scale, "yuv420p"
        for number in range(50):
            for stream, scale in zip(streams, (1, 2), strict=True):
                pixels = picture(number + 100 * scale, 56 * scale, 112 * scale)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    for reader in ("auto", "av"):
        assert numbers(read_frames(tmp_path / "two.mp4", SMALL, reader).pixels)[0] == 200


def test_pyav_reads_where_decord_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clip = write_clip(tmp_path / "a.mp4", steady(50))
    monkeypatch.setitem(__import__("sys").modules, "decord", None)
    assert read_frames(clip, SMALL).reader == "av"
    with pytest.raises(VideoReadError, match="decord cannot read it"):
        read_frames(clip, SMALL, "decord")


def test_an_unknown_reader_is_bad_input(tmp_path: Path):
    with pytest.raises(BadInput, match="use auto"):
        read_frames(write_clip(tmp_path / "a.mp4", steady(50)), SMALL, "opencv")
