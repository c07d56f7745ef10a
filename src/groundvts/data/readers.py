"""The two decoders behind one interface, and the timeline that both of them follow.

A reader takes a file, its timeline, the places (T,) of the frames wanted, ascending, and `take`,
to which it hands chunks of places shown (t,) and pixels uint8 (t, H, W, 3), upright, in order. It
returns how many frames of the timeline it decoded (all that it did not see fail) and raises
VideoReadError where it cannot deliver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np

from groundvts.errors import VideoReadError

COMPLETE = 0.9  # share of the declared length that has to be there
ROUNDING = 0.99  # a container's length includes the sound's; less than this is a lost tail
CHUNK_BYTES = 64 * 2**20  # of decoded pixels that a reader holds at once
MICROSECOND = 1e-6  # a container's start is rounded to it
THREADS = 1  # a video is decoded by one thread; many videos by many processes

Take = Callable[[np.ndarray, np.ndarray], None]


@dataclass(frozen=True, eq=False)
class Timeline:
    """What the packets say: each frame's `stamps` (N,) int, in units of `time_base`, ascending.

    `times` (N,) are the same in seconds since the container's start; `by_stamp` is False where the
    file gives decoding times only and a frame is known by its place alone. `duration` (s) is what
    the packets cover, `declared` (s) is more where the file's tail is lost.
    """

    stream: int
    height: int
    width: int
    stamps: np.ndarray
    times: np.ndarray
    duration: float
    by_stamp: bool
    declared: float


def probe(path: Path) -> Timeline:
    """Timeline of a file's largest video stream; raises VideoReadError where there is none."""
    if not path.is_file():
        raise VideoReadError(f"{path}: no such file")
    try:
        with _open(path) as container:
            stream = _largest_stream(path, container)
            packets = [
                (packet.pts, packet.dts, packet.duration)
                for packet in _until_damage(container.demux(stream))
                if packet.size and not packet.is_discard
            ]
            if not packets:
                raise VideoReadError(f"{path}: its video stream holds no frames")
            timeline = _timeline(container, stream, packets)
            return replace(timeline, declared=_declared(path, container, stream, timeline))
    except (av.FFmpegError, ValueError, OSError) as error:
        raise VideoReadError(f"{path}: not a readable video ({_reason(error)})") from error


def _open(path: Path) -> av.container.InputContainer:
    """Opens local files only: a playlist in a video's clothes reaches nothing else."""
    return av.open(
        str(path.absolute()), options={"protocol_whitelist": "file"}, metadata_errors="replace"
    )


def _largest_stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    cover = av.stream.Disposition.attached_pic
    videos = container.streams.video
    streams = [s for s in videos if s.width and s.height and not s.disposition & cover]
    if not streams or container.format.name == "tty":  # FFmpeg takes any text for a video
        raise VideoReadError(f"{path}: holds no video stream")
    return max(streams, key=lambda stream: stream.width * stream.height)


def _timeline(
    container: av.container.InputContainer, stream: av.VideoStream, packets: list[tuple]
) -> Timeline:
    """Timeline from the (pts, dts, duration) of every packet that shows a frame."""
    timed = container.format.name != "avi"  # AVI stores no presentation times; FFmpeg guesses them
    by_stamp = timed and all(pts is not None for pts, _, _ in packets)
    clock = 0 if by_stamp else 1
    known = sorted((packet[clock], packet[2]) for packet in packets if packet[clock] is not None)
    if len(known) < len(packets):
        raise ValueError("frames without timestamps")
    stamps = np.array([stamp for stamp, _ in known])
    first = float(int(stamps[0]) * stream.time_base)
    origin = (container.start_time or 0) / av.time_base
    if not by_stamp or abs(first - origin) < MICROSECOND:  # decoding times have an unknown delay
        origin = first
    times = stamps * float(stream.time_base) - origin
    last = float((known[-1][1] or 0) * stream.time_base)  # how long the last frame is shown
    if not last and len(times) > 1:
        last = float(np.median(np.diff(times)))
    elif not last and stream.average_rate:
        last = float(1 / stream.average_rate)
    end = float(times[-1]) + last
    if end <= 0:
        raise ValueError("its frames last no time")
    size = stream.height, stream.width
    return Timeline(stream.index, *size, stamps, times, end, by_stamp, end)


def _declared(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream, timeline: Timeline
) -> float:
    """The file's declared length (s); VideoReadError where less than 90 % of it is there."""
    found, before = timeline.duration, 0.0
    if stream.duration:
        length = stream.duration
        if container.format.name == "avi":  # FFmpeg cuts its duration down to the bytes there
            length = max(length, stream.frames)
        declared = float(length * stream.time_base)
        before = max(float(timeline.times[0]), 0.0)
    else:
        declared = (container.duration or 0) / av.time_base
        if "matroska" in container.format.name:  # counts from zero, not from the first frame
            declared -= max(container.start_time or 0, 0) / av.time_base
    declared += before
    if found - before < COMPLETE * (declared - before):
        raise VideoReadError(f"{path}: truncated, {found:.2f} s of {declared:.2f} s are there")
    return declared if found < ROUNDING * declared else found


def read_decord(path: Path, timeline: Timeline, wanted: np.ndarray, take: Take) -> int:
    """Frames by decord, which applies the rotation itself and raises where it sees damage."""
    try:
        import decord

        if not timeline.by_stamp:  # it would take the wrong frames
            raise ValueError("the file stores no presentation times")
        decord.logging.set_level(decord.logging.QUIET)
        video = decord.VideoReader(str(path.absolute()), ctx=decord.cpu(0), num_threads=THREADS)
        if len(video) != len(timeline.times):
            raise ValueError(f"{len(video)} frames seen, {len(timeline.times)} in the file")
        size = timeline.height * timeline.width * 3
        for places in _chunks(wanted, size):
            pixels = video.get_batch(places).asnumpy()
            if pixels[0].size != size:
                raise ValueError("another stream than the largest was read")
            take(places, pixels)
    except Exception as error:  # decord raises RuntimeError, DECORDError and more
        raise VideoReadError(f"{path}: decord cannot read it ({_reason(error)})") from error
    return len(timeline.times)


def read_av(path: Path, timeline: Timeline, wanted: np.ndarray, take: Take) -> int:
    """Frames by PyAV, decoded from the start; a frame lost to damage shows the one before it."""
    remaining = list(wanted)
    before: tuple[int, av.VideoFrame] | None = None
    chunk: list[tuple[int, np.ndarray]] = []
    limit = max(CHUNK_BYTES // (timeline.height * timeline.width * 3), 1)
    decoded = 0
    for place, frame in _decoded(path, timeline):
        decoded += 1
        while remaining and remaining[0] < place:
            chunk.append(_upright(before or (place, frame), timeline))
            remaining.pop(0)
        before = (place, frame)
        if len(chunk) >= limit:
            take(*_stacked(chunk))
            chunk = []
    if before:
        chunk += [_upright(before, timeline)] * len(remaining)
    if chunk:
        take(*_stacked(chunk))
    return decoded


READERS: dict[str, Callable[[Path, Timeline, np.ndarray, Take], int]] = {
    "decord": read_decord,
    "av": read_av,
}


def _chunks(places: np.ndarray, frame_bytes: int) -> list[np.ndarray]:
    count = max(CHUNK_BYTES // frame_bytes, 1)
    return [places[start : start + count] for start in range(0, len(places), count)]


def _decoded(path: Path, timeline: Timeline) -> Iterator[tuple[int, av.VideoFrame]]:
    """(place in the timeline, frame) of every frame that can be decoded, in order of time."""
    places = {stamp: place for place, stamp in enumerate(timeline.stamps.tolist())}
    latest = -1
    try:
        with _open(path) as container:
            stream = container.streams[timeline.stream]
            stream.codec_context.thread_count = THREADS
            for packet in _until_damage(container.demux(stream)):
                for frame in _frames(packet):
                    place = places.get(frame.pts) if timeline.by_stamp else latest + 1
                    if place is not None and latest < place < len(places):
                        latest = place
                        yield place, frame
    except (av.FFmpegError, ValueError, OSError) as error:
        raise VideoReadError(f"{path}: PyAV cannot read it ({_reason(error)})") from error


def _until_damage(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """Packets up to the first that cannot be read; the count of frames judges what is missing."""
    try:
        yield from packets
    except av.FFmpegError:
        return


def _frames(packet: av.Packet) -> list[av.VideoFrame]:
    """Frames that a packet completes; none where it is damaged."""
    try:
        return packet.decode()
    except av.FFmpegError:
        return []


def _upright(placed: tuple[int, av.VideoFrame], timeline: Timeline) -> tuple[int, np.ndarray]:
    """(place, RGB pixels (H, W, 3)) of a frame, in the stream's size and turned as it asks."""
    place, frame = placed
    size = {"width": timeline.width, "height": timeline.height}
    pixels = frame.reformat(format="rgb24", **size).to_ndarray()
    return place, np.rot90(pixels, round(frame.rotation / 90))


def _stacked(chunk: list[tuple[int, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    places, pixels = zip(*chunk, strict=True)
    return np.array(places), np.stack(pixels)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:160]
