"""Videos are read at their true times, upright, alike by both readers, or with one clear error."""

from pathlib import Path

import av
import numpy as np
import pytest
from clips import numbers, picture, steady, write_audio, write_clip

from groundvts.data.readers import probe
from groundvts.data.video import FrameSampling, read_frames, resize, sample_times, smart_resize
from groundvts.errors import BadInput, VideoReadError

SMALL = FrameSampling(min_pixels=28 * 28, max_pixels=112 * 112)
READERS = ["decord", "av"]
BROKEN_HEADER = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00"


@pytest.fixture(autouse=True)
def decord_is_installed(request):
    if "decord" in request.node.name:
        pytest.importorskip("decord")


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
    "wrong",
    [{"fps": 0}, {"min_frames": 3}, {"max_frames": 1}, {"min_pixels": 0}, {"factor": 0}],
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


def test_resize_to_the_same_size_changes_nothing_and_torch_agrees():
    torch = pytest.importorskip("torch")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 56, 112, 3), dtype=np.uint8)
    assert resize(pixels, SMALL) is pixels
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    same = torch.nn.functional.interpolate(planes, (56, 112), mode="bicubic", antialias=True)
    np.testing.assert_array_equal(same.permute(0, 2, 3, 1).numpy(), pixels)


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


def test_pyav_takes_over_where_decord_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clip = write_clip(tmp_path / "a.mp4", steady(50))
    monkeypatch.setitem(__import__("sys").modules, "decord", None)
    assert read_frames(clip, SMALL).reader == "av"
    with pytest.raises(VideoReadError, match="decord cannot read it"):
        read_frames(clip, SMALL, "decord")


def test_an_unknown_reader_is_bad_input(tmp_path: Path):
    with pytest.raises(BadInput, match="use auto"):
        read_frames(write_clip(tmp_path / "a.mp4", steady(50)), SMALL, "opencv")


def damaged(folder: Path) -> dict[str, Path]:
    """One broken file of every kind."""
    whole = write_clip(folder / "whole.mp4", steady(200)).read_bytes()
    early = write_clip(folder / "early.mp4", steady(200), movflags="+faststart").read_bytes()
    contents = {
        "empty": b"",
        "text": b"this is no video\n" * 100,
        "random": np.random.default_rng(0).bytes(50_000),
        "no_index": whole[: len(whole) // 2],
        "half": early[: len(early) // 2],
        "zeros": early[: len(early) // 2] + bytes(len(early) // 2),
        "header": BROKEN_HEADER + b"text" * 1000,
        "playlist": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    }
    files = {}
    for name, content in contents.items():
        files[name] = folder / f"{name}.mp4"
        files[name].write_bytes(content)
    files["caption"] = folder / "caption.txt"
    files["caption"].write_bytes(contents["text"])
    files["missing"] = folder / "missing.mp4"
    files["folder"] = folder
    files["sound"] = write_audio(folder / "sound.mp4")
    return files


@pytest.mark.parametrize("reader", ["auto", *READERS])
def test_damaged_files_raise_one_line_that_names_the_file(tmp_path: Path, reader: str):
    for name, path in damaged(tmp_path).items():
        with pytest.raises(VideoReadError) as caught:
            read_frames(path, SMALL, reader)
        message = str(caught.value)
        assert str(path) in message, name
        assert "\n" not in message, name
        assert len(message) > len(str(path)) + 10, name


def test_a_file_that_lost_its_tail_says_how_much_is_there(tmp_path: Path):
    with pytest.raises(VideoReadError, match=r"truncated, \d\.\d\d s of 8\.00 s"):
        read_frames(damaged(tmp_path)["half"], SMALL)


def test_real_clips_read_alike_or_raise(reference_data: Path):
    pytest.importorskip("decord")
    clips = sorted((reference_data / "videos").iterdir())
    assert len(clips) == 20
    unread_by_decord = []
    for clip in clips:
        frames = read_frames(clip, SMALL)
        assert frames.timestamps[0] < 0.1, clip.name
        assert (np.diff(frames.timestamps) >= 0).all(), clip.name
        other = read_frames(clip, SMALL, "av")
        np.testing.assert_array_equal(frames.pixels, other.pixels, err_msg=clip.name)
        np.testing.assert_array_equal(frames.timestamps, other.timestamps, err_msg=clip.name)
        if frames.reader == "av":
            unread_by_decord.append(clip.name)
    assert unread_by_decord == [
        "decord_corrupted.mp4",
        "mmaction2_test_mpeg4_mp3.avi",
        "moviepy_no_duration_vp9.webm",
        "torchcodec_av1.mkv",
    ]


def test_real_variable_rate_follows_its_packets(reference_data: Path):
    clip = reference_data / "videos" / "torchcodec_var_fps.mp4"
    frames = read_frames(clip, FrameSampling(fps=10, min_pixels=784, max_pixels=112 * 112))
    times = np.arange(len(frames.timestamps)) / frames.fps
    true = probe(clip).times
    late = times - frames.timestamps
    assert (late > -0.0006).all()
    assert (late <= np.diff(true).max() + 0.001).all()
