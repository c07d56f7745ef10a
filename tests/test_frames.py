"""The frame cache holds what the reader gives, once; a bad video costs only itself."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from caches import SAMPLING, build, misbehave, refuse, six_clips
from clips import numbers, steady, write_clip

from groundvts.data.frames import FrameCache, build_frame_cache, frame_bytes
from groundvts.data.isolated import run_isolated
from groundvts.data.store import WRITING, Store
from groundvts.data.video import FrameSampling, read_frames
from groundvts.errors import BadInput, RunFailed, VideoReadError


def fail_to_start() -> None:
    """A stand-in for a worker's function."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def videos(tmp_path: Path) -> dict[str, Path]:
    return six_clips(tmp_path / "videos")


def test_cache_returns_what_the_reader_gives(tmp_path: Path, videos: dict, store: Store, capfd):
    index = build_frame_cache(videos, tmp_path / "cache", SAMPLING, store, workers=2)
    cache = FrameCache(tmp_path / "cache")
    assert list(index["videos"]) == sorted(videos)
    assert cache.failed == {}
    assert cache.sampling == SAMPLING
    for video, path in videos.items():
        direct, cached = read_frames(path, SAMPLING), cache[video]
        assert video in cache
        np.testing.assert_array_equal(cached.pixels, direct.pixels)
        np.testing.assert_array_equal(cached.timestamps, direct.timestamps)
        for fact in ("fps", "duration", "reader", "note"):
            assert getattr(cached, fact) == getattr(direct, fact)
        assert numbers(cached.pixels)[:3] == [0, 12, 25]
    captured = capfd.readouterr()
    assert captured.out == ""
    assert f"6 to decode into {store.folder}, about 0.00 GB (judged by" in captured.err


def test_index_does_not_depend_on_who_finishes_first(tmp_path: Path, videos: dict, store: Store):
    build(videos, tmp_path / "one", store, workers=1)
    backwards = dict(reversed(videos.items()))
    build(backwards, tmp_path / "two", store, workers=3, read=refuse)  # all of it from the store
    other = Store(tmp_path / "three" / "store")
    build(backwards, tmp_path / "three" / "index", other, workers=3, read=misbehave)
    indices = [tmp_path / "one", tmp_path / "two", tmp_path / "three" / "index"]
    one, two, three = ((folder / "index.json").read_text() for folder in indices)
    assert one == two == three
    files = [sorted(p.name for p in s.folder.glob("*/*.npy")) for s in (store, other)]
    assert files[0] == files[1]
    assert len(files[0]) == 6


def test_only_what_is_new_is_decoded(tmp_path: Path, videos: dict, store: Store, capfd):
    first = {name: videos[name] for name in ("a", "b", "c", "d")}
    build(first, tmp_path / "one", store)
    moved = videos["a"].rename(tmp_path / "renamed.mp4")  # the content counts, not the name
    twin = Path(shutil.copy(moved, tmp_path / "copy.mp4"))
    again = {"new name": moved, "twin": twin, "b": videos["b"]}
    index = build(again, tmp_path / "two", store, read=refuse)
    assert index["videos"]["twin"] == index["videos"]["new name"]
    assert "3 videos found, 0 not; all are in" in capfd.readouterr().err.splitlines()[-1]
    fewer = FrameSampling(fps=1, min_pixels=28 * 28, max_pixels=112 * 112)
    with pytest.raises(BadInput, match="is decoded again"):  # another sampling: other frames
        build(again, tmp_path / "three", store, sampling=fewer, read=refuse)
    write_clip(videos["b"], steady(60))
    with pytest.raises(BadInput, match="is decoded again"):  # another file under the same name
        build({"b": videos["b"]}, tmp_path / "three", store, read=refuse)


@pytest.mark.parametrize("memo", [None, "{", "[]", '{"%s": 3}', '{"%s": [1, 2, "0"]}'])
def test_a_lost_or_damaged_memo_of_file_hashes_costs_time_only(
    tmp_path: Path, videos: dict, store: Store, memo: str | None
):
    one = {"a": videos["a"]}
    build(one, tmp_path / "one", store)
    (store.folder / "files.json").unlink()
    if memo is not None:
        (store.folder / "files.json").write_text(memo.replace("%s", str(videos["a"])))
    build(one, tmp_path / "two", store, read=refuse)
    known = json.loads((store.folder / "files.json").read_text())
    assert known[str(videos["a"])][0] == videos["a"].stat().st_size


def test_a_known_file_is_not_read_again(tmp_path: Path, videos: dict, store: Store, monkeypatch):
    build({"a": videos["a"]}, tmp_path / "one", store)
    monkeypatch.setattr("groundvts.data.store.hash_path", lambda path: pytest.fail(str(path)))
    build({"a": videos["a"]}, tmp_path / "two", store, read=refuse)


def test_estimate_is_exact_for_steady_clips(tmp_path: Path, videos: dict, store: Store):
    index = build(videos, tmp_path / "cache", store)
    for video, path in videos.items():
        assert frame_bytes(path, SAMPLING) == np.prod(index["videos"][video]["shape"])


def test_bad_videos_cost_only_themselves_and_are_tried_again(
    tmp_path: Path, videos: dict, store: Store
):
    for name in ("hangs", "crashes", "fails", "broken"):
        videos[name] = tmp_path / f"{name}.mp4"
        videos[name].write_bytes(f"no video: {name}".encode())
    videos["gone"] = tmp_path / "gone.mp4"
    start, out = time.monotonic(), tmp_path / "cache"
    missing = {"unknown": "videos/unknown: no such video file"}
    build(videos, out, store, workers=2, timeout_s=3, missing=missing, read=misbehave)
    assert time.monotonic() - start < 40
    cache = FrameCache(out)
    assert list(cache.failed) == ["broken", "crashes", "fails", "gone", "hangs", "unknown"]
    assert cache.failed["hangs"] == "no result within 3 s: stopped"
    assert "process died (exit status -11)" in cache.failed["crashes"]
    assert cache.failed["fails"] == "MemoryError: too large"
    assert "broken.mp4" in cache.failed["broken"]
    assert cache.failed["gone"] == f"{videos['gone']}: no such file"
    assert cache.failed["unknown"] == missing["unknown"]
    assert all(video in cache for video in ("a", "b", "c", "d", "e", "slow"))
    assert "hangs" not in cache
    with pytest.raises(VideoReadError, match="video hangs: no result"):
        cache["hangs"]
    with pytest.raises(BadInput, match="video other: not in the frame cache"):
        cache["other"]
    write_clip(videos["fails"], steady(50))
    again = build(videos, out, store, workers=2)  # with the true reader
    assert list(again["failed"]) == ["broken", "crashes", "gone", "hangs"]
    assert list((store.folder / WRITING).iterdir()) == []


def test_no_index_where_no_video_can_be_read(tmp_path: Path, store: Store):
    gone = {"a": tmp_path / "a.mp4", "b": tmp_path / "b.mp4"}
    with pytest.raises(BadInput, match=r"none of 2 videos .* first: a: .*a\.mp4: no such file"):
        build(gone, tmp_path / "cache", store)
    with pytest.raises(BadInput, match=r"none of 1 videos .* first: c: not there"):
        build({}, tmp_path / "cache", store, missing={"c": "not there"})
    with pytest.raises(BadInput, match="no videos are named"):
        build({}, tmp_path / "cache", store)
    assert not (tmp_path / "cache").exists()


def test_a_process_that_cannot_start_ends_the_run(monkeypatch: pytest.MonkeyPatch):
    # the child does not find the function under this name and dies while it is handed over
    monkeypatch.setattr(fail_to_start, "__qualname__", "only_here")
    monkeypatch.setitem(globals(), "only_here", fail_to_start)
    with pytest.raises(RunFailed, match="died while it started"):
        list(run_isolated(fail_to_start, {"a": ()}, 1, 5))


SCRIPT = """print("the script runs", flush=True)
from groundvts.data.isolated import run_isolated
hang = "print('hangs', flush=True) or __import__('time').sleep(99)"
calls = {"pid": "__import__('os').getpid()", "hangs": hang}
for outcome in run_isolated(eval, {name: (call,) for name, call in calls.items()}, 1, 60):
    print(outcome.value, flush=True)
"""


@pytest.mark.parametrize("way", ["script", "text", "stdin"])
def test_a_script_without_a_guard_may_start_processes(tmp_path: Path, way: str):
    script = SCRIPT.replace('"hangs": hang', '"sum": "2 + 3"')
    (tmp_path / "mine.py").write_text(script)
    words = {"script": [tmp_path / "mine.py"], "text": ["-c", script], "stdin": ["-"]}[way]
    done = subprocess.run(
        [sys.executable, *words], input=script, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert (said[0], said[2], len(said)) == ("the script runs", "5", 3)


def test_a_worker_that_hangs_ends_with_a_parent_that_is_killed():
    words = [sys.executable, "-u", "-c", SCRIPT]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        _, worker, _ = (parent.stdout.readline() for _ in range(3))
        parent.kill()
        parent.stdout.read()  # to the end: the worker holds it open while it lives
    assert not Path(f"/proc/{int(worker)}/exe").exists()


def test_all_real_clips_get_into_one_cache(tmp_path: Path, reference_data: Path, store: Store):
    videos = {path.stem: path for path in sorted((reference_data / "videos").iterdir())}
    index = build(videos, tmp_path / "cache", store, workers=2)
    assert len(index["videos"]) == 20
    assert (
        index["videos"]["decord_corrupted"]["note"]
        == "49 of 50 frames decoded, 19 of 50 frames damaged"
    )
