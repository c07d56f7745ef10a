"""The store behind the frame cache: its limits, its place, and builds that end too early."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from caches import SAMPLING, build, put_often, refuse, six_clips
from clips import numbers

from groundvts.data.frames import FrameCache, frame_bytes
from groundvts.data.isolated import run_isolated
from groundvts.data.store import WRITING, Store
from groundvts.errors import BadInput, RunFailed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def videos(tmp_path: Path) -> dict[str, Path]:
    return six_clips(tmp_path / "videos")


def test_processes_may_write_the_same_key_at_once(store: Store):
    tasks = {str(k): (store.folder, "abcd", 30) for k in range(3)}
    assert [o.reason for o in run_isolated(put_often, tasks, 3, 30)] == [None] * 3
    assert list((store.folder / WRITING).iterdir()) == []
    files = [file for file in store.folder.rglob("*") if file.is_file()]
    assert sorted(file.name for file in files) == ["abcd.json", "abcd.npy"]
    assert store.bytes == sum(file.stat().st_size for file in files)


def test_a_half_written_array_is_no_array(store: Store, monkeypatch: pytest.MonkeyPatch):
    def break_off(file, array, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", break_off)
    with pytest.raises(RunFailed, match=r"cannot be written \(No space left on device\)"):
        store.put("abcd", np.zeros(9), {})
    assert "abcd" not in store
    assert list((store.folder / WRITING).iterdir()) == []
    with pytest.raises(BadInput, match=r"abcd\.npy: gone from the store; build it again"):
        store.get("abcd")


def test_flipped_bytes_are_seen_when_first_read(store: Store):
    store.put("abcd", np.arange(9000), {})
    assert store.get("abcd")[8999] == 8999
    file = next(store.folder.rglob("abcd.npy"))
    content = bytearray(file.read_bytes())
    content[3000:6000] = bytes(byte ^ 255 for byte in content[3000:6000])
    file.write_bytes(content)
    for damage in (content, content[:100], b""):
        file.write_bytes(damage)
        with pytest.raises(BadInput, match=rf"{file}: damaged .*; delete it"):
            Store(store.folder).get("abcd")


def test_another_array_or_other_facts_are_seen(store: Store):
    for key in ("abcd", "abce"):
        store.put(key, np.full(9, ord(key[3])), {"times": [0.0, 0.5]})
    one, other = (next(store.folder.rglob(f"{key}.npy")) for key in ("abcd", "abce"))
    content = one.read_bytes()
    shutil.copy(other, one)
    with pytest.raises(BadInput, match="its checksum differs"):
        store.check("abcd")
    one.write_bytes(content)
    store.check("abcd")
    one.with_suffix(".json").write_text('{"times": [0.0, 0.6]}')
    with pytest.raises(BadInput, match="its checksum differs"):
        store.check("abcd")


def test_too_large_a_cache_is_refused_before_it_is_made(
    tmp_path: Path, videos: dict, store: Store, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(BadInput, match=r"would hold .* GB, more than the limit of 1e-06 GB; raise"):
        build(videos, tmp_path / "cache", store, limit_gb=1e-6, read=refuse)
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(BadInput, match=r"GB more are needed, and 1e-06 GB are free; raise cache"):
        build(videos, tmp_path / "cache", store, read=refuse)


def test_a_wrong_estimate_stops_at_the_limit(
    tmp_path: Path, videos: dict, store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("groundvts.data.frames._estimate", lambda *_: (0.0, 0))
    size = frame_bytes(videos["d"], SAMPLING)
    with pytest.raises(BadInput, match=r"would hold .* more than the limit"):
        build(videos, tmp_path / "cache", store, workers=1, limit_gb=2.5 * size / 1e9)
    kept = list(store.folder.glob("*/*.npy"))
    assert 0 < len(kept) < len(videos)
    assert not (tmp_path / "cache").exists()
    assert all(np.load(path).ndim == 4 for path in kept)


def test_a_store_that_cannot_be_written_fails_the_run(tmp_path: Path, videos: dict, store: Store):
    index = build({"a": videos["a"]}, tmp_path / "one", store)
    shutil.rmtree(store.folder)
    store.folder.mkdir()
    (store.folder / index["videos"]["a"]["key"][:2]).write_text("a file in a folder's place")
    with pytest.raises(RunFailed, match="cannot be written"):
        build({"a": videos["a"]}, tmp_path / "two", store)
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be made"):
        build({"a": videos["a"]}, tmp_path / "two", Store(tmp_path / "file" / "store"))


def test_a_moved_results_folder_works(tmp_path: Path, videos: dict):
    results = tmp_path / "results"
    one = {"a": videos["a"]}
    build(one, results / "toy" / "frames" / "test", Store(results / "cache" / "frames"))
    results.rename(tmp_path / "moved")
    moved = FrameCache(tmp_path / "moved" / "toy" / "frames" / "test")
    assert numbers(moved["a"].pixels)[:3] == [0, 12, 25]


def test_a_broken_index_or_store_is_bad_input(tmp_path: Path, videos: dict, store: Store):
    out = tmp_path / "cache"
    with pytest.raises(BadInput, match=r"index\.json: not a whole index"):
        FrameCache(out)
    index = build({"a": videos["a"], "b": videos["b"]}, out, store)
    whole = (out / "index.json").read_text()
    broken = [{**index, key: None} for key in index]
    broken += [{k: v for k, v in index.items() if k != key} for key in index]
    broken += [[], {**index, "sampling": {"fps": 0}}, {**index, "videos": {"a": {"key": "ab"}}}]
    for content in [whole[:-9], *map(json.dumps, broken)]:
        (out / "index.json").write_text(content)
        with pytest.raises(BadInput, match=r"index\.json: .*build it again") as caught:
            FrameCache(out)
        assert "\n" not in str(caught.value)
    (out / "index.json").write_text(whole)
    cache, [file] = FrameCache(out), store.folder.glob(f"*/{index['videos']['b']['key']}.npy")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BadInput, match=f"{file}: damaged .*; delete it and the index"):
        cache["b"]
    file.unlink()
    with pytest.raises(BadInput, match=f"video b is gone from .*; delete {out}/index.json and"):
        FrameCache(out)
    assert build({"b": videos["b"]}, out, store)["failed"] == {}
    assert len(FrameCache(out)["b"].pixels) > 0


def test_pixels_of_the_cache_cannot_be_changed_through_it(
    tmp_path: Path, videos: dict, store: Store
):
    build({"a": videos["a"]}, tmp_path / "cache", store)
    FrameCache(tmp_path / "cache")["a"].pixels[:] = 0
    assert FrameCache(tmp_path / "cache")["a"].pixels.max() > 0


KILLED = """
import signal
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from groundvts.data.frames import build_frame_cache
from groundvts.data.store import Store
from caches import SAMPLING, misbehave
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    folder = Path(sys.argv[2])
    videos = {path.stem: path for path in (folder / "videos").iterdir()}
    store = Store(folder / "store")
    build_frame_cache(videos, folder / "cache", SAMPLING, store, 2, read=misbehave)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_build_keeps_what_is_whole(tmp_path: Path, videos: dict, store: Store, how):
    (tmp_path / "videos" / "hangs.mp4").write_bytes(videos["a"].read_bytes() + b"other")
    script = tmp_path / "build.py"
    script.write_text(KILLED)
    words = [sys.executable, str(script), str(Path(__file__).parent), str(tmp_path)]
    run = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(store.folder.glob("*/*.npy"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = children(run.pid)
    run.send_signal(how)
    run.wait(20)
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(workers) >= 2
    assert not any(map(alive, workers))  # not even the one that hangs
    assert not (tmp_path / "cache").exists()
    left = store.folder / WRITING / f"{run.pid}.abc.{os.uname().nodename}"
    left.write_bytes(b"half")
    build(videos, tmp_path / "cache", store, read=refuse)
    assert not left.exists()


def children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in text.split()]


def alive(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
