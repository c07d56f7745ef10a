"""The frame cache holds what the reader gives; a bad video costs only itself."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from clips import numbers, steady, write_clip

from groundvts.data.frames import FrameCache, build_frame_cache, frame_bytes
from groundvts.data.isolated import run_isolated
from groundvts.data.video import Frames, FrameSampling, read_frames
from groundvts.errors import BadInput, RunFailed, VideoReadError

SAMPLING = FrameSampling(min_pixels=28 * 28, max_pixels=112 * 112)


def misbehave(path: Path, sampling: FrameSampling) -> Frames:
    """A reader that does to its process what the file's name says."""
    if path.stem == "hangs":
        time.sleep(600)
    if path.stem == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.stem == "fails":
        raise MemoryError("too large")
    if path.stem == "slow":
        time.sleep(1)
    return read_frames(path, sampling)


def fail_to_start() -> None:
    """A stand-in for a worker's function."""


@pytest.fixture
def videos(tmp_path: Path) -> dict[str, Path]:
    """Six clips of 4 to 9 s; given in another order than that of their names."""
    folder = tmp_path / "videos"
    folder.mkdir()
    names = ["d", "slow", "a", "c", "b", "e"]
    return {n: write_clip(folder / f"{n}.mp4", steady(100 + 25 * k)) for k, n in enumerate(names)}


def test_cache_returns_what_the_reader_gives(tmp_path: Path, videos: dict, capfd):
    index = build_frame_cache(videos, tmp_path / "cache", SAMPLING, workers=2)
    cache = FrameCache(tmp_path / "cache")
    assert list(index["videos"]) == sorted(videos)
    assert cache.failed == {}
    assert cache.sampling == SAMPLING
    for video, path in videos.items():
        direct, cached = read_frames(path, SAMPLING), cache[video]
        assert video in cache
        np.testing.assert_array_equal(cached.pixels, direct.pixels)
        np.testing.assert_array_equal(cached.timestamps, direct.timestamps)
        assert (cached.fps, cached.duration, cached.reader) == (
            direct.fps,
            direct.duration,
            direct.reader,
        )
        assert numbers(cached.pixels)[:3] == [0, 12, 25]
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "frames of 6 videos, about 0.00 GB" in captured.err


def test_bytes_do_not_depend_on_who_finishes_first(tmp_path: Path, videos: dict):
    build_frame_cache(videos, tmp_path / "one", SAMPLING, workers=1, progress=False)
    backwards = dict(reversed(videos.items()))
    build_frame_cache(backwards, tmp_path / "two", SAMPLING, 3, progress=False, read=misbehave)
    for name in ("frames.bin", "index.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["frames.bin", "index.json"]


def test_estimate_is_exact_for_steady_clips(tmp_path: Path, videos: dict):
    index = build_frame_cache(videos, tmp_path / "cache", SAMPLING, progress=False)
    for video, path in videos.items():
        assert frame_bytes(path, SAMPLING) == np.prod(index["videos"][video]["shape"])


def test_bad_videos_cost_only_themselves(tmp_path: Path, videos: dict):
    for name in ("hangs", "crashes", "fails", "broken"):
        videos[name] = tmp_path / f"{name}.mp4"
        videos[name].write_bytes(b"no video")
    start = time.monotonic()
    out = tmp_path / "cache"
    build_frame_cache(videos, out, SAMPLING, 2, timeout_s=5, progress=False, read=misbehave)
    assert time.monotonic() - start < 40
    cache = FrameCache(out)
    assert sorted(cache.failed) == ["broken", "crashes", "fails", "hangs"]
    assert cache.failed["hangs"] == "no result within 5 s: stopped"
    assert "process died (exit status -11)" in cache.failed["crashes"]
    assert cache.failed["fails"] == "MemoryError: too large"
    assert "broken.mp4" in cache.failed["broken"]
    assert all(video in cache for video in ("a", "b", "c", "d", "e", "slow"))
    assert "hangs" not in cache
    with pytest.raises(VideoReadError, match="video hangs: no result"):
        cache["hangs"]
    with pytest.raises(BadInput, match="video other: not in the frame cache"):
        cache["other"]


def test_nothing_is_left_where_no_video_can_be_read(tmp_path: Path):
    gone = {"a": tmp_path / "a.mp4", "b": tmp_path / "b.mp4"}
    with pytest.raises(BadInput, match=r"none of 2 videos .* first: .*a\.mp4: no such file"):
        build_frame_cache(gone, tmp_path / "cache", SAMPLING, progress=False)
    with pytest.raises(BadInput, match="no videos are named"):
        build_frame_cache({}, tmp_path / "cache", SAMPLING)
    assert list(tmp_path.iterdir()) == []


def test_an_older_cache_and_a_killed_build_are_replaced(tmp_path: Path, videos: dict):
    for stale in (tmp_path / "cache", tmp_path / ".cache.partial"):
        stale.mkdir()
        (stale / "stale").touch()
    build_frame_cache({"a": videos["a"]}, tmp_path / "cache", SAMPLING, progress=False)
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["frames.bin", "index.json"]
    assert not (tmp_path / ".cache.partial").exists()


def test_a_folder_that_is_no_cache_is_bad_input(tmp_path: Path, videos: dict):
    with pytest.raises(BadInput, match="not a frame cache"):
        FrameCache(tmp_path)
    build_frame_cache({"a": videos["a"]}, tmp_path / "cache", SAMPLING, progress=False)
    with open(tmp_path / "cache" / "frames.bin", "ab") as file:
        file.write(b"x")
    with pytest.raises(BadInput, match="does not fit"):
        FrameCache(tmp_path / "cache")
    index = json.loads((tmp_path / "cache" / "index.json").read_text())
    del index["failed"]
    (tmp_path / "cache" / "index.json").write_text(json.dumps(index))
    with pytest.raises(BadInput, match="not a frame cache"):
        FrameCache(tmp_path / "cache")


def test_pixels_of_the_cache_cannot_be_changed_through_it(tmp_path: Path, videos: dict):
    build_frame_cache({"a": videos["a"]}, tmp_path / "cache", SAMPLING, progress=False)
    FrameCache(tmp_path / "cache")["a"].pixels[:] = 0
    assert FrameCache(tmp_path / "cache")["a"].pixels.max() > 0


def test_a_process_that_cannot_start_ends_the_run(monkeypatch: pytest.MonkeyPatch):
    # the child does not find the function under this name and dies while it is handed over
    monkeypatch.setattr(fail_to_start, "__qualname__", "only_here")
    monkeypatch.setitem(globals(), "only_here", fail_to_start)
    with pytest.raises(RunFailed, match="died while it started"):
        list(run_isolated(fail_to_start, {"a": ()}, 1, 5))


def test_all_real_clips_get_into_one_cache(tmp_path: Path, reference_data: Path):
    videos = {path.stem: path for path in sorted((reference_data / "videos").iterdir())}
    index = build_frame_cache(videos, tmp_path / "cache", SAMPLING, 2, progress=False)
    assert len(index["videos"]) + len(index["failed"]) == 20
    cache = FrameCache(tmp_path / "cache")
    assert all(cache[video].pixels.shape[0] % 2 == 0 for video in index["videos"])
    assert all("\n" not in reason for reason in index["failed"].values())
