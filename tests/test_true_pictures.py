"""Each picture that is read is the one shown at its time stamp, whatever wrote the file."""

import io
import re
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from clips import numbers, picture, steady, write_clip
from PIL import Image

from groundvts.data import readers
from groundvts.data.readers import probe
from groundvts.data.video import FrameSampling, read_frames
from groundvts.errors import VideoReadError

COUNT, RATE = 240, 25
DENSE = FrameSampling(fps=5, min_pixels=28 * 28, max_pixels=112 * 112)
SPARSE = FrameSampling(count=7, side=56)
X265 = "log-level=none:keyint=20:min-keyint=20"
ENCODERS = {
    "h264": ("libx264", {"g": "20", "bf": "0"}),
    "h264-b": ("libx264", {"g": "20", "bf": "3", "x264-params": "b-pyramid=normal"}),
    "h264-open": ("libx264", {"g": "20", "bf": "3", "x264-params": "open-gop=1"}),
    "h264-refresh": ("libx264", {"g": "20", "bf": "0", "intra-refresh": "1"}),
    "h264-one-group": ("libx264", {"g": "1000", "bf": "2"}),
    "h265": ("libx265", {"x265-params": f"{X265}:open-gop=0:bframes=0"}),
    "h265-b": ("libx265", {"x265-params": f"{X265}:open-gop=0:bframes=3"}),
    "h265-open": ("libx265", {"x265-params": f"{X265}:open-gop=1:bframes=3"}),
    "mpeg1": ("mpeg1video", {"g": "12", "bf": "2", "qscale": "2", "flags": "+qscale"}),
    "mpeg2": ("mpeg2video", {"g": "12", "bf": "2", "qscale": "2", "flags": "+qscale"}),
    "mpeg4": ("mpeg4", {"g": "20", "bf": "0", "qscale": "2", "flags": "+qscale"}),
    "mpeg4-b": ("mpeg4", {"g": "20", "bf": "2", "qscale": "2", "flags": "+qscale"}),
    "vp8": ("libvpx", {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "10"}),
    "vp9": ("libvpx-vp9", {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "10", "cpu-used": "8"}),
    "av1": ("libsvtav1", {"g": "20", "preset": "12"}),
    "mjpeg": ("mjpeg", {"qscale": "2", "flags": "+qscale"}),
}
H264_OR_5 = {"mp4", "mkv", "ts", "mpg", "flv"}
CONTAINERS = {
    "h264": H264_OR_5 | {"avi"},
    "h265": H264_OR_5,
    "mpeg1": {"mkv", "ts", "mpg", "avi", "mp4"},
    "mpeg2": {"mkv", "ts", "mpg", "avi", "mp4"},
    "mpeg4": {"mp4", "mkv", "ts", "avi"},
    "vp8": {"webm", "mkv", "avi"},
    "vp9": {"webm", "mkv", "mp4"},
    "av1": {"mp4", "mkv", "webm"},
    "mjpeg": {"mkv", "avi", "mp4"},
}
QUICK = {
    ("h264-b", "ts"), ("h264-open", "mkv"), ("h264-refresh", "mp4"), ("h264-b", "mpg"),
    ("h265-open", "mp4"), ("mpeg2", "mpg"), ("mpeg4-b", "mkv"), ("vp9", "webm"), ("h264", "flv"),
}  # fmt: skip
MATRIX = [
    pytest.param(name, suffix, marks=[] if (name, suffix) in QUICK else pytest.mark.slow)
    for name in ENCODERS
    for suffix in sorted(CONTAINERS[name.partition("-")[0]])
]


def encode(
    path: Path, name: str, count: int = COUNT, first: int = 0, scale: int = 1, offset_s: float = 0
) -> Path:
    """Pictures that carry their number, over a noise that keeps codecs from repeating frames."""
    codec, options = ENCODERS[name]
    noise = np.random.default_rng(0)
    shifted = {"output_ts_offset": str(offset_s)} if offset_s else {}
    with av.open(str(path), "w", options=shifted) as container:
        try:
            stream = container.add_stream(codec, rate=RATE, options=dict(options))
        except (ValueError, av.FFmpegError) as error:  # this build of FFmpeg lacks the encoder
            pytest.skip(f"{codec}: {error}")
        stream.height, stream.width = (side * scale for side in picture(0).shape[:2])
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(first, first + count):
            pixels = picture(number, stream.height, stream.width)
            half = stream.height // 2
            pixels[half + 4 :] = noise.integers(0, 60, pixels[half + 4 :].shape)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def places(clip: Path, frames) -> list[int]:
    """The numbers that pictures at these time stamps carry."""
    return np.round((frames.timestamps - probe(clip).times[0]) * RATE).astype(int).tolist()


@pytest.mark.parametrize(("name", "suffix"), MATRIX)
def test_every_codec_in_every_container(tmp_path: Path, monkeypatch, name: str, suffix: str):
    clip = encode(tmp_path / f"a.{suffix}", name)
    for skipped, sampling in ((10_000, DENSE), (1, SPARSE)):  # in sequence, at random access
        monkeypatch.setattr(readers, "SKIPPED", skipped)
        frames = read_frames(clip, sampling)
        assert frames.note is None
        assert numbers(frames.pixels) == places(clip, frames)


def test_a_seek_is_taken_and_one_that_lands_elsewhere_is_not(tmp_path: Path, monkeypatch):
    clip = encode(tmp_path / "a.ts", "h264-b")
    monkeypatch.setattr(readers, "SKIPPED", 1)
    timeline, sought = probe(clip), []
    assert len(readers._runs(timeline, np.array([0, 100, 230]))) == 3
    decoded = readers._decoded

    def counted(path, timeline, key, losses, strict):
        for placed in decoded(path, timeline, key, losses, strict):
            sought.append(placed[0])
            yield placed

    monkeypatch.setattr(readers, "_decoded", counted)
    often = replace(DENSE, fps=0.5)
    read_frames(clip, often)
    assert len(sought) < COUNT * 0.8
    moved = replace(timeline, keys=timeline.keys + 1)  # no packet has these stamps
    monkeypatch.setattr("groundvts.data.video.probe", lambda path: moved)
    frames = read_frames(clip, SPARSE)
    assert (numbers(frames.pixels), frames.note) == (places(clip, frames), None)


def test_decord_reads_only_where_its_seeks_are_exact(tmp_path: Path):
    pytest.importorskip("decord")
    for name, suffix, exact in (
        ("h264-b", "mp4", True), ("h264-b", "mkv", True), ("h264-b", "ts", False),
        ("h264-refresh", "mp4", False), ("h264-open", "mp4", False), ("mpeg4-b", "mkv", False),
    ):  # fmt: skip
        clip = encode(tmp_path / f"{name}.{suffix}", name, 120)
        if exact:
            assert numbers(read_frames(clip, SPARSE, "decord").pixels) == places(
                clip, read_frames(clip, SPARSE, "decord")
            )
        else:
            with pytest.raises(VideoReadError, match="its seeks are exact in"):
                read_frames(clip, SPARSE, "decord")


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
@pytest.mark.parametrize("ahead", [0, 60])
def test_joined_recordings_are_read_one_behind_the_other(tmp_path: Path, suffix: str, ahead: int):
    name = "h264-b" if suffix == "ts" else "mpeg2"
    parts = [encode(tmp_path / f"{n}.{suffix}", name, 100, 100 * n) for n in range(3)]
    if ahead:  # the second begins later than the first has ended
        parts[1] = encode(tmp_path / f"late.{suffix}", name, 100, 100, offset_s=ahead)
    joined = tmp_path / f"joined.{suffix}"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = read_frames(joined, DENSE)
    assert frames.duration == pytest.approx(12, abs=0.2)
    assert frames.note.startswith("3 recordings joined")
    assert numbers(frames.pixels) == places(joined, frames)


def test_a_still_beside_a_video_is_not_the_video(tmp_path: Path):
    for stills in (1, 2, 5):
        clip = tmp_path / f"{stills}.mp4"
        with av.open(str(clip), "w") as container:
            streams = [container.add_stream("libx264", rate=RATE) for _ in range(2)]
            for stream, scale in zip(streams, (3, 1), strict=True):
                stream.height, stream.width = (side * scale for side in picture(0).shape[:2])
                stream.pix_fmt = "yuv420p"
            for stream, count, first in zip(streams, (stills, 200), (500, 0), strict=True):
                for number in range(first, first + count):
                    pixels = picture(number, stream.height, stream.width)
                    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
        frames = read_frames(clip, DENSE)
        assert (len(frames.pixels), numbers(frames.pixels)) == (40, places(clip, frames))


def test_stills_are_told_by_how_long_they_last(tmp_path: Path):
    clip = tmp_path / "a.mkv"
    with av.open(str(clip), "w") as container:
        streams = [container.add_stream("libx264", rate=RATE) for _ in range(2)]
        for stream, scale in zip(streams, (1, 3), strict=True):
            stream.height, stream.width = (side * scale for side in picture(0).shape[:2])
            stream.pix_fmt = "yuv420p"
        for number in range(200):
            for stream in streams if number < 11 else streams[:1]:
                pixels = picture(number, stream.height, stream.width)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    frames = read_frames(clip, DENSE)
    assert numbers(frames.pixels) == places(clip, frames)
    assert len(frames.pixels) == 40


def test_a_recording_joined_within_a_group_is_damaged_up_to_its_first_key(tmp_path: Path):
    parts = [encode(tmp_path / f"{n}.ts", "mpeg2", 100, 100 * n) for n in range(2)]
    content = parts[1].read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(parts[0].read_bytes() + content[: 188 * 3] + content[188 * 150 :])
    frames = read_frames(joined, DENSE)
    assert re.search(r"\d+ of \d+ frames (decoded|damaged).*2 recordings joined", frames.note)


def test_packets_that_are_not_there_are_counted(tmp_path: Path):
    whole, clip = encode(tmp_path / "whole.webm", "vp9"), tmp_path / "a.webm"
    with av.open(str(whole)) as source, av.open(str(clip), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.dts is not None and number not in (50, 51, 130):
                packet.stream = stream
                target.mux(packet)
    assert "3 frames missing between others" in read_frames(clip, DENSE).note


def test_an_index_that_calls_all_pictures_keys_is_not_believed(tmp_path: Path, monkeypatch):
    clip = encode(tmp_path / "a.mp4", "h264-b")
    clip.write_bytes(clip.read_bytes().replace(b"stss", b"free"))
    assert not probe(clip).indexed
    monkeypatch.setattr(readers, "SKIPPED", 1)
    frames = read_frames(clip, SPARSE)
    assert numbers(frames.pixels) == places(clip, frames)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.001, 0.01, 0.05])
@pytest.mark.parametrize(
    ("name", "suffix"), [("h264-b", "ts"), ("h264", "flv"), ("h265-open", "ts"), ("mpeg2", "mpg")]
)
def test_flipped_bytes_are_noted_or_refused_in_one_line(
    tmp_path: Path, name: str, suffix: str, share: float
):
    clip, chance = encode(tmp_path / f"a.{suffix}", name), np.random.default_rng(1)
    content = np.frombuffer(clip.read_bytes(), np.uint8).copy()
    content[chance.integers(0, len(content), int(share * len(content)))] ^= 0x55
    clip.write_bytes(content.tobytes())
    try:
        frames = read_frames(clip, DENSE)
    except VideoReadError as error:
        line = str(error)
        assert line.startswith(str(clip))
        assert "\n" not in line
    else:
        assert frames.note


def lossy(source: Path, target: Path, share: float) -> Path:
    """A transport stream that has lost a share of its packets, at random."""
    content, chance = source.read_bytes(), np.random.default_rng(0)
    units = [content[n : n + 188] for n in range(0, len(content), 188)]
    kept = [unit for n, unit in enumerate(units) if n < 40 or chance.random() > share]
    target.write_bytes(b"".join(kept))
    return target


@pytest.mark.parametrize("name", ["h264-b", "h265-open", "mpeg2"])
def test_lost_packets_are_noted_with_their_number(tmp_path: Path, name: str):
    whole = encode(tmp_path / "whole.ts", name)
    assert read_frames(whole, DENSE).note is None
    frames = read_frames(lossy(whole, tmp_path / "lossy.ts", 0.01), DENSE)
    harmed = sum(int(count) for count in re.findall(r"(\d+) of \d+ frames damaged", frames.note))
    wrong = sum(np.array(numbers(frames.pixels)) != places(whole, frames))
    assert wrong <= harmed < COUNT


def test_damage_within_an_indexed_file_is_noted(tmp_path: Path):
    clip = encode(tmp_path / "a.mp4", "h264-b")
    with av.open(str(clip)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(clip.read_bytes())
    offset, size = packets[110]
    content[offset + size // 2 : offset + size] = bytes(size - size // 2)
    clip.write_bytes(content)
    frames = read_frames(clip, DENSE)
    assert re.search(r"\d+ of 240 frames damaged", frames.note)
    right = np.array(numbers(frames.pixels)) == places(clip, frames)
    assert right[: 100 // 5].all()
    assert right[(121 + 4) // 5 :].all()


def test_pictures_that_change_size_are_counted(tmp_path: Path):
    parts = [encode(tmp_path / f"{n}.ts", "h264-b", 120, 120 * n, n + 1) for n in range(2)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = read_frames(joined, DENSE)
    assert "120 of 240 frames of another size" in frames.note
    assert numbers(frames.pixels) == places(joined, frames)


def test_a_picture_that_lasts_for_most_of_the_file_is_noted(tmp_path: Path):
    frames = read_frames(write_clip(tmp_path / "a.mp4", [*steady(50), 3_600_000]), SPARSE)
    assert frames.note == "one of 51 frames lasts 3598 s of 3600 s"


@pytest.mark.parametrize("reader", ["auto", "av", "decord"])
def test_a_file_that_names_another_is_not_followed(tmp_path: Path, reader: str):
    inner = encode(tmp_path / "inner.ts", "h264-b", 50)
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{inner}\n#EXT-X-ENDLIST\n"
    contents = {
        "playlist.mp4": playlist.encode(),
        "both.mp4": playlist.encode().ljust(188 * 3, b"\n") + inner.read_bytes(),
        "script.mp4": f"ffconcat version 1.0\nfile {inner.name}\n".encode(),
        "session.mp4": b"v=0\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "picture.mp4": png(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(VideoReadError, match=rf"{tmp_path / name}: [^\n]+") as caught:
            read_frames(tmp_path / name, SPARSE, reader)
        assert "\n" not in str(caught.value)


def png() -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture(3)).save(content, "PNG")
    return content.getvalue()
