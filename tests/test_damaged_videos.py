"""A damaged file is read and noted, or one clear error: no wrong picture, no traceback."""

import re
from pathlib import Path

import av
import numpy as np
import pytest
from clips import numbers, picture, steady, write_audio, write_clip

from groundvts.data.video import FrameSampling, read_frames
from groundvts.errors import VideoReadError

SMALL = FrameSampling(min_pixels=28 * 28, max_pixels=112 * 112)
READERS = ["decord", "av"]
BROKEN_HEADER = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00"


@pytest.fixture(autouse=True)
def decord_is_installed(request):
    if "decord" in request.node.name:
        pytest.importorskip("decord")


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


def write_intra(path: Path, count: int) -> list[tuple[int, int]]:
    """A clip whose frames do not need each other; returns where each lies (offset, bytes)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "1"})
        stream.height, stream.width = picture(0).shape[:2]
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def spoil(path: Path, packets: list[tuple[int, int]]) -> None:
    content = bytearray(path.read_bytes())
    for offset, size in packets:
        content[offset : offset + size] = b"\xff" * size
    path.write_bytes(content)


@pytest.mark.parametrize("reader", ["auto", "av"])
def test_a_tenth_may_be_lost_and_is_noted(tmp_path: Path, reader: str):
    clip = tmp_path / "a.mp4"
    packets = write_intra(clip, 30)
    spoil(clip, packets[5:6] + packets[10:12])
    frames = read_frames(clip, FrameSampling(fps=10, min_pixels=784, max_pixels=6272), reader)
    assert (frames.note, frames.reader) == ("27 of 30 frames decoded", "av")
    shown = [number for number in range(30) if number not in (5, 10, 11)]
    expected = [max(n for n in shown if n <= number) for number in range(30)]
    assert numbers(frames.pixels) == expected  # the frame before stands in
    np.testing.assert_allclose(frames.timestamps, np.array(expected) / 10)
    spoil(clip, packets[20:21])
    with pytest.raises(VideoReadError, match="damaged, 26 of 30 frames decoded"):
        read_frames(clip, SMALL, reader)


@pytest.mark.parametrize("suffix", ["mkv", "avi", "mp4"])
@pytest.mark.parametrize("share", [0.95, 0.85])
def test_a_lost_tail_is_noted_or_refused(tmp_path: Path, suffix: str, share: float):
    early = {"movflags": "+faststart"} if suffix == "mp4" else {}
    clip = write_clip(tmp_path / f"a.{suffix}", steady(200), **early)
    with av.open(str(clip)) as container:
        places = sorted(packet.pos for packet in container.demux(video=0) if packet.size)
    clip.write_bytes(clip.read_bytes()[: places[int(share * 200)]])
    if share < 0.9:
        with pytest.raises(VideoReadError, match=r"truncated, 6\.\d\d s of 8\.\d\d s are there"):
            read_frames(clip, SMALL)
        return
    for reader in ["auto", *READERS] if suffix == "mkv" else ["auto", "av"]:
        frames = read_frames(clip, SMALL, reader)
        assert re.match(r"7\.[67]\d s of 8\.\d\d s are there(?:, 2 frames missing|$)", frames.note)
        assert numbers(frames.pixels) == [k * 25 // 2 for k in range(14)]
