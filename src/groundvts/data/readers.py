"""The two decoders behind one interface, and the timeline that both of them follow.

A reader takes a file, its timeline, the places (T,) of the frames wanted, ascending, and `shrink`,
which makes of decoded pixels uint8 (t, H, W, 3), upright, what is kept of them. It returns the
places shown (T,), the pixels kept (T, h, w, 3) and what was lost, and raises VideoReadError where
it cannot deliver.

Notable: a picture is known by its own time stamp, never by counting from where a seek has landed.
PyAV decodes from the start, or from a packet where the codec's rules make decoding exact.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import dropwhile
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from groundvts.errors import VideoReadError

COMPLETE = 0.9  # share of the declared length that has to be there
ROUNDING = 0.99  # a container's length includes the sound's; less than this is a lost tail
CHUNK_BYTES = 64 * 2**20  # of decoded pixels that a reader holds at once
MICROSECOND = 1e-6  # a container's start is rounded to it
THREADS = 1  # a video is decoded by one thread; many videos by many processes
REGULAR = 0.8  # share of equal steps from which a longer one is a hole
SKIPPED = 200  # fewer frames than these are decoded rather than passed over by a seek
STILL = 0.5  # a stream that lasts less than this share of the longest is a picture beside it
BACK_S, AHEAD_S = 0.5, 10.0  # stamps that jump back or ahead by more begin a joined recording

# Files that hold their pictures themselves: no playlist, script, subtitle or single picture.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,live_flv,asf,ogg,mpegvideo,h264,"
    "hevc,m4v,ivf,obu,mxf,gxf,nut,dv,rm,wtv,gif,apng,yuv4mpegpipe"
)
JOINABLE = ("mpegts", "mpeg")  # recordings are joined by writing one behind the other
INDEXED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv")
# No picture refers past the key picture before the one before it (H.264: IDR pictures alone).
RANDOM_ACCESS = ("h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9", "av1", "mjpeg")

Shrink = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Timeline:
    """What the packets say: each frame's `stamps` (N,) int, in units of `time_base`, ascending.

    `times` (N,) are the same in seconds since the container's start; `by_stamp` is False where the
    file gives decoding times only and a frame is known by its place alone. `duration` (s) is what
    the packets cover, `declared` (s) is more where the file's tail is lost. `keys` (K, 2) are the
    presentation and decoding stamps of the packets where decoding may begin; `indexed`: decord's
    seeks land on them. `notes` tell what is odd.
    """

    stream: int
    height: int
    width: int
    stamps: np.ndarray
    times: np.ndarray
    duration: float
    by_stamp: bool
    declared: float
    keys: np.ndarray
    indexed: bool
    joined: bool
    notes: tuple[str, ...]


@dataclass
class Losses:
    """Frames that cannot be decoded, that are damaged, and that have another size."""

    lost: int = 0
    damaged: int = 0
    resized: int = 0


Read = tuple[np.ndarray, np.ndarray, Losses]


class _Fact(NamedTuple):
    """What one packet says; `access`: decoding may begin there; `shift`: added to its stamps."""

    pts: int | None
    dts: int | None
    duration: int | None
    key: bool
    access: bool
    shift: int


def probe(path: Path) -> Timeline:
    """Timeline of a file's largest video stream; raises VideoReadError where there is none.

    A stream of one or two frames, or of few beside another's many, is a picture and no video.
    """
    if not path.is_file():
        raise VideoReadError(f"{path}: no such file")
    try:
        with _open(path) as container:
            cover = av.stream.Disposition.attached_pic
            videos = [one for one in container.streams.video if one.width and one.height]
            streams = [stream for stream in videos if not stream.disposition & cover]
            if not streams:
                raise VideoReadError(f"{path}: holds no video stream")
            facts: dict[int, list[_Fact]] = {stream.index: [] for stream in streams}
            for packet, shift in _packets(container, streams):
                if packet.size and not packet.is_discard:
                    key = packet.is_keyframe
                    fact = packet.pts, packet.dts, packet.duration, key, key and _access(packet)
                    facts[packet.stream_index].append(_Fact(*fact, shift))
            moving = _moving(streams, facts)
            stream = max(moving, key=lambda stream: stream.width * stream.height)
            timeline = _timeline(container, stream, facts[stream.index])
            if len(moving) > 1 and container.format.name in JOINABLE:  # it may go on in another
                one_of = f"one of {len(moving)} video streams read"
                timeline = replace(timeline, notes=(*timeline.notes, one_of))
            return replace(timeline, declared=_declared(path, container, stream, timeline))
    except VideoReadError:
        raise
    except Exception as error:  # damage has many names
        raise VideoReadError(f"{path}: not a readable video ({reason(error)})") from error


def _moving(streams: list[av.VideoStream], facts: dict[int, list[_Fact]]) -> list[av.VideoStream]:
    """Streams that are no picture beside a video: they have as many frames and last as long."""
    counts = {stream: len(facts[stream.index]) for stream in streams}
    clocks = {s: [fact.dts or 0 for fact in facts[s.index]] or [0] for s in streams}
    lengths = {s: float((max(c) - min(c)) * s.time_base) for s, c in clocks.items()}
    most, longest = max(counts.values()), max(lengths.values())
    if not most:
        raise ValueError("its video stream holds no frames")
    return [s for s in streams if counts[s] >= min(3, most) and lengths[s] >= STILL * longest]


def _open(path: Path) -> av.container.InputContainer:
    """Opens a file that holds its pictures itself, and nothing that it names."""
    with open(path, "rb") as file:
        if file.read(8).startswith((b"#EXTM3U", b"ffconcat")):
            raise ValueError("a playlist; give the video that it names")
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    return av.open(str(path.absolute()), options=options, metadata_errors="replace")


def _packets(
    container: av.container.InputContainer, streams: list[av.VideoStream]
) -> Iterator[tuple[av.Packet, int]]:
    """Packets, up to the first that cannot be read, and what was added to their stamps.

    Where another recording is joined, its stamps go on from those before it.
    """
    ends: dict[int, int] = {}  # of each stream: the last decoding stamp
    shifts: Counter[int] = Counter()
    try:
        for packet in container.demux(streams):
            index, base = packet.stream_index, float(packet.time_base)
            if packet.dts is not None and container.format.name in JOINABLE:
                ahead = packet.dts + shifts[index] - ends.get(index, packet.dts + shifts[index])
                if ahead * base < -BACK_S or ahead * base > AHEAD_S:
                    shifts[index] += (packet.duration or round(0.04 / base)) - ahead
                ends[index] = packet.dts + shifts[index]
            if shifts[index] and packet.dts is not None:
                packet.dts += shifts[index]
                packet.pts = None if packet.pts is None else packet.pts + shifts[index]
            yield packet, shifts[index]
    except av.FFmpegError:  # the count of frames judges what is missing
        return


def _access(packet: av.Packet) -> bool:
    """Whether what is decoded from a key packet on is exact from the next key packet on."""
    codec = packet.stream.codec_context
    if codec.name != "h264":
        return codec.name in RANDOM_ACCESS
    data, extra = bytes(packet), codec.extradata or b""
    if extra[:1] != b"\1":  # units behind start codes
        return re.search(b"\0\0\1[\x05\x25\x45\x65]", data) is not None
    place, prefix = 0, (extra[4] & 3) + 1  # units behind their lengths
    while place + prefix < len(data):
        if data[place + prefix] & 31 == 5:
            return True
        place += prefix + int.from_bytes(data[place : place + prefix])
    return False


def _timeline(
    container: av.container.InputContainer, stream: av.VideoStream, facts: list[_Fact]
) -> Timeline:
    """Timeline from every packet that shows a frame."""
    name = container.format.name
    timed = [fact for fact in facts if fact.pts is not None and name != "avi"]  # AVI: guessed
    by_stamp = len(timed) > COMPLETE * len(facts)  # damage may cost a few their stamps
    shown = timed if by_stamp else _clocked(facts)
    known = sorted((fact.pts if by_stamp else fact.dts, fact.duration) for fact in shown)
    untimed = len(facts) - len(known)
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
    shifts = dict.fromkeys(fact.shift for fact in facts)
    notes = [f"{len(shifts)} recordings joined"] if len(shifts) > 1 else []
    notes += [f"{untimed} frames without a time stamp"] if untimed else []
    longest = float(np.diff(times, append=end).max())
    gaps = np.diff(times) if by_stamp else times[:0]
    steps = gaps[gaps < AHEAD_S] / np.median(gaps) if len(gaps) else gaps
    holes = int(np.round(steps[steps > 1.5] - 1).sum())
    if holes and (abs(steps - 1) < 0.1).mean() > REGULAR:
        notes.append(f"{holes} frames missing between others")
    if len(times) > 1 and longest > AHEAD_S and (end < 2 * longest or end > len(times)):
        notes.append(f"one of {len(times)} frames lasts {longest:.0f} s of {end:.0f} s")
    begin = [fact for fact in timed if fact.access]
    keys = sorted((fact.pts, fact.pts if fact.dts is None else fact.dts) for fact in begin)
    flagged = len(keys) == len(facts)  # all of them: no index
    if not by_stamp or flagged or len(shifts) > 1 or name not in (*INDEXED, "mpegts"):
        keys = []
    indexed = name in INDEXED and stream.codec_context.name == "h264" and bool(keys)
    indexed &= len(keys) == sum(fact.key for fact in facts) and len(container.streams.video) == 1
    indexed = indexed and sum(entry.is_keyframe for entry in stream.index_entries) <= len(keys)
    about = stream.index, stream.height, stream.width, stamps, times, end, by_stamp, end
    starts = np.array(keys, int).reshape(-1, 2)
    return Timeline(*about, starts, indexed, len(shifts) > 1, tuple(notes))


def _clocked(facts: list[_Fact]) -> list[_Fact]:
    """Packets with decoding stamps: one that lacks its own is as late as the one before it ends."""
    clocked: list[_Fact] = []
    for fact in facts:
        if fact.dts is None:
            if not clocked or not clocked[-1].duration:
                raise ValueError("frames without timestamps")
            fact = fact._replace(dts=clocked[-1].dts + clocked[-1].duration)
        clocked.append(fact)
    return clocked


def _declared(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream, timeline: Timeline
) -> float:
    """The file's declared length (s); VideoReadError where less than 90 % of it is there."""
    if timeline.joined:  # each recording declares its own
        return timeline.duration
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
    return declared if declared - found > max((1 - ROUNDING) * declared, 0.25) else found


def read_decord(path: Path, timeline: Timeline, wanted: np.ndarray, shrink: Shrink) -> Read:
    """Frames by decord, which counts from where its seek lands and applies the rotation itself."""
    import decord

    if not timeline.indexed:
        raise ValueError("its seeks are exact in indexed H.264 files with closed groups only")
    decord.logging.set_level(decord.logging.QUIET)
    video = decord.VideoReader(str(path.absolute()), ctx=decord.cpu(0), num_threads=THREADS)
    if len(video) != len(timeline.times):
        raise ValueError(f"{len(video)} frames seen, {len(timeline.times)} in the file")
    chunks = np.split(wanted, range(_held(timeline), len(wanted), _held(timeline)))
    kept = [shrink(video.get_batch(places).asnumpy()) for places in chunks]
    return wanted, np.concatenate(kept), Losses()


def read_av(path: Path, timeline: Timeline, wanted: np.ndarray, shrink: Shrink) -> Read:
    """Frames by PyAV; one lost to damage shows the one before it.

    Decoded strictly first, so that damage is an error; where there is any, once more with what the
    decoder can make of damaged frames.
    """
    shown, pixels, losses = _read(path, timeline, wanted, shrink, strict=True)
    if losses.lost or losses.damaged:
        shown, pixels, leniently = _read(path, timeline, wanted, shrink, strict=False)
        harmed = max(losses.lost, losses.damaged)  # after a lost frame others refer to it
        losses = replace(leniently, damaged=max(harmed - leniently.lost, 0))
    return shown, pixels, losses


READERS: dict[str, Callable[[Path, Timeline, np.ndarray, Shrink], Read]] = {
    "av": read_av,
    "decord": read_decord,
}


def _held(timeline: Timeline) -> int:
    """How many decoded frames a reader holds at once."""
    return max(CHUNK_BYTES // (timeline.height * timeline.width * 3), 1)


def _read(path: Path, timeline: Timeline, wanted: np.ndarray, shrink: Shrink, strict: bool) -> Read:
    losses, shown, kept, chunk = Losses(), [], [], []
    runs = _runs(timeline, wanted)
    whole = len(runs) == 1 and runs[0][0] is None
    for key, places in runs:
        for place, pixels in _shown(path, timeline, key, places, losses, strict, whole):
            shown.append(place)
            chunk.append(pixels)
            if len(chunk) == _held(timeline) or len(shown) == len(wanted):
                kept.append(shrink(np.stack(chunk)))
                chunk = []
    return np.array(shown), np.concatenate(kept), losses


def _runs(timeline: Timeline, wanted: np.ndarray) -> list[tuple[int | None, list[int]]]:
    """Wanted places that are decoded in one go, each behind the key where that begins, or None."""
    keys = np.searchsorted(timeline.stamps, timeline.keys[:, 0])
    runs, position = [(None, [])], 0
    for place in wanted.tolist():
        key = int(np.searchsorted(keys, place, side="right")) - 2  # the one before the last
        if key >= 0 and keys[key] - position > SKIPPED:
            runs.append((key, []))
        runs[-1][1].append(place)
        position = place
    return [(key, places) for key, places in runs if places]


def _shown(
    path: Path,
    timeline: Timeline,
    key: int | None,
    places: list[int],
    losses: Losses,
    strict: bool,
    whole: bool,
) -> Iterator[tuple[int, np.ndarray]]:
    """(place shown, RGB pixels) for each of the places of a run: the last decoded up to it.

    `whole`: the run goes on to the end of the file, whose damage is counted too.
    """
    waiting, before, decoded, place = deque(places), None, 0, -1
    first = 0 if key is None else int(np.searchsorted(timeline.stamps, timeline.keys[key, 0]))
    for place, frame in _decoded(path, timeline, key, losses, strict):
        decoded += place >= first
        losses.resized += (frame.width, frame.height) != (timeline.width, timeline.height)
        while waiting and waiting[0] < place:
            yield _upright(before or (place, frame), timeline)
            waiting.popleft()
        before = place, frame
        if not (waiting or whole):
            break
    if before is None and key is not None:  # the seek has landed elsewhere
        yield from _shown(path, timeline, None, places, losses, strict, whole)
        return
    losses.lost += (len(timeline.times) if whole else place + 1 - first) - decoded
    while waiting:
        if before is None:
            raise VideoReadError(f"{path}: none of {len(timeline.times)} frames can be decoded")
        yield _upright(before, timeline)
        waiting.popleft()


def _decoded(
    path: Path, timeline: Timeline, key: int | None, losses: Losses, strict: bool
) -> Iterator[tuple[int, av.VideoFrame]]:
    """(place in the timeline, frame) of every frame that can be decoded, in order of time."""
    places = {stamp: place for place, stamp in enumerate(timeline.stamps.tolist())}
    latest, damaged, part = -1, False, 0
    with _open(path) as container:
        stream = container.streams[timeline.stream]
        stream.codec_context.thread_count = THREADS
        stream.codec_context.options = {"err_detect": "explode"} if strict else {}
        packets = _packets(container, [stream])
        if key is not None:
            start, clock = timeline.keys[key].tolist()
            container.seek(clock, stream=stream)
            packets = dropwhile(lambda row: row[0].pts != start, packets)
        for packet, shift in packets:
            broken = packet.is_corrupt and not timeline.joined
            broken |= shift != part and not packet.is_keyframe  # joined within a group
            part = shift
            try:
                frames = packet.decode()
            except av.FFmpegError:
                frames, broken = [], True
                latest += not timeline.by_stamp
            damaged = broken or (damaged and not packet.is_keyframe)
            losses.damaged += damaged and packet.size > 0
            for frame in frames:
                place = places.get(frame.pts) if timeline.by_stamp else latest + 1
                if place is not None and latest < place < len(timeline.times):
                    latest = place
                    yield place, frame


def _upright(placed: tuple[int, av.VideoFrame], timeline: Timeline) -> tuple[int, np.ndarray]:
    """(place, RGB pixels (H, W, 3)) of a frame, in the stream's size and turned as it asks."""
    place, frame = placed
    size = {"width": timeline.width, "height": timeline.height}
    pixels = frame.reformat(format="rgb24", **size).to_ndarray()
    return place, np.rot90(pixels, round(frame.rotation / 90))


def reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:160]
