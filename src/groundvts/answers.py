"""The answer grammar: built for training, read back after inference (protocol `fixed`).

Nothing is repaired: a reversed interval is a failure and is not swapped, an end beyond the video
is kept, and two numbers that no word joins ("2 and 3 items") are no interval.

Highlights are levels of two-second clips: clip k lasts from 2k s to 2k + 2 s. A level is the score
it stands for: 4 very important, 3 important, 2 less important.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from groundvts.errors import BadInput

Window = tuple[float, float]

CLIP_SECONDS = 2.0
LONGEST_VIDEO = 86_400.0  # s; no clip after it is read
LEVELS = {4: "very important", 3: "important", 2: "less important"}
NO_HIGHLIGHTS = "nothing is important"

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]+)?"
_SECONDS = r"s(?:ec(?:ond)?s?)?(?![a-z])"
_MINUTES = r"m(?:in(?:ute)?s?)?(?![a-z])"
_TIME = rf"""(?<![\w.:,])-?(?:
    [0-9]{{1,9}}(?::[0-5]?[0-9]){{1,2}}(?:\.[0-9]+)?(?![0-9:])
  | {_NUMBER}\s*{_MINUTES}\s*{_NUMBER}\s*{_SECONDS}
  | {_NUMBER}\s*(?:{_MINUTES}|{_SECONDS})
  | {_NUMBER}(?![\w:]|\.[0-9]|,[0-9])
)"""
_TOKEN = re.compile(_TIME, re.VERBOSE | re.IGNORECASE | re.ASCII)
_INTERVAL = re.compile(
    rf"""(?P<between>\bbetween\s+)?(?P<start>{_TIME})
    \s*(?P<word>\b(?:to|until|till|through|and)\b|-|–|—)\s*(?P<end>{_TIME})""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_PART = re.compile(rf"({_NUMBER})\s*([ms]?)", re.IGNORECASE | re.ASCII)
_LEVEL = re.compile(r"\b(?:(very|less|not)\s+)?important\b", re.IGNORECASE | re.ASCII)
_SCORES = {"very": 4, "": 3, "less": 2, "not": 2}


@dataclass(frozen=True)
class ParsedAnswer:
    """What an answer says: windows (s) in text order, or why none can be read.

    failure: None | "no_window" | "one_number" | "reversed"; detail: one line, or None.
    """

    windows: tuple[Window, ...] = ()
    failure: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class ParsedHighlights:
    """What an answer says of a video's clips: the level (4, 3, 2) of each one named, or a failure.

    failure, the reason of the first interval that cannot be used: None | "no_window" (there is
    none) | "no_level" (none stands before it) | "reversed" | "outside"; detail: one line, or None.
    """

    levels: Mapping[int, int] = field(default_factory=dict)
    failure: str | None = None
    detail: str | None = None


def format_window(start: float, end: float, time_format: str = "{:.1f}") -> str:
    """The trained answer for one window (s), e.g. "from 3.0s to 7.5s"."""
    return f"from {time_format.format(start)}s to {time_format.format(end)}s"


def parse_windows(answer: str, duration: float | None = None) -> ParsedAnswer:
    """Read every interval (s) of `answer`; `duration` (s) only serves the detail.

    If the first interval is reversed the answer fails; later reversed ones are left out and named.
    """
    intervals = list(_intervals(answer))
    if not intervals:
        times = _TOKEN.findall(answer)
        failure = "one_number" if len(times) == 1 else "no_window"
        return ParsedAnswer(failure=failure, detail=_line(", ".join(times[:4])) or None)
    (start, end), text = intervals[0]
    if start > end:
        return ParsedAnswer(failure="reversed", detail=text)
    windows = tuple(window for window, _ in intervals if window[0] <= window[1])
    remarks = [f"left out, reversed: {text}" for (s, e), text in intervals if s > e]
    if duration is not None:
        late = [end for _, end in windows if end > duration]
        remarks += [f"ends {end - duration:.2f} s after the video" for end in late]
    return ParsedAnswer(windows, detail="; ".join(remarks) or None)


def check_time_format(time_format: str) -> None:
    """Raise BadInput unless times (s) written in `time_format` are read back."""
    window = (2.0, 1004.0)
    try:
        parsed = parse_windows(format_window(*window, time_format))
    except (ValueError, LookupError, AttributeError, TypeError):
        parsed = ParsedAnswer()
    if parsed.windows != (window,):
        raise BadInput(f"time format {time_format!r}: cannot be read back; give one like {{:.1f}}")


def grade_clips(saliency: Iterable[tuple[int, Sequence[int]]]) -> dict[int, int]:
    """The level of each clip from its raters' mean grade: 4 from 3.5 on, 3 from 2.5 on, else 2.

    Raises BadInput for a clip without grades and for one that no video has.
    """
    levels = {}
    for clip, grades in saliency:
        if not grades:
            raise BadInput(f"clip {clip} has no grades; add them or remove the clip")
        if not 0 <= clip < LONGEST_VIDEO / CLIP_SECONDS:
            raise BadInput(f"clip {clip} is in no video; remove it")
        twice, raters = 2 * sum(grades), len(grades)
        levels[clip] = 4 if twice >= 7 * raters else 3 if twice >= 5 * raters else 2
    return levels


def format_highlights(levels: Mapping[int, int], time_format: str = "{:.1f}") -> str:
    """The trained answer for levels of clips, e.g. "very important: 4.0s to 10.0s; important: ...".

    The highest level comes first; neighbouring clips of one level make one interval.
    """
    groups = []
    for level, name in LEVELS.items():
        spans: list[list[int]] = []
        for clip in sorted(clip for clip, given in levels.items() if given == level):
            if spans and spans[-1][1] == clip:
                spans[-1][1] = clip + 1
            else:
                spans.append([clip, clip + 1])
        times = [[time_format.format(CLIP_SECONDS * clip) for clip in span] for span in spans]
        if times:
            groups.append(f"{name}: " + ", ".join(f"{start}s to {end}s" for start, end in times))
    return "; ".join(groups) or NO_HIGHLIGHTS


def parse_highlights(answer: str, duration: float | None = None) -> ParsedHighlights:
    """Read the levels of the clips of a video of `duration` (s).

    An interval has the level last named before it and means every clip that it holds a part of:
    its start is rounded down to a clip, its end up, and the clip that starts at the end is not
    meant. A clip with several levels has the highest. An interval that cannot be used is left out
    and named.
    """
    if _line(answer).strip(" .").lower() == NO_HIGHLIGHTS:
        return ParsedHighlights()
    length = LONGEST_VIDEO if duration is None else min(duration, LONGEST_VIDEO)
    marks = bytearray(max(0, math.ceil(length / CLIP_SECONDS)))
    spans, left_out, remarks = [], [], []
    for level, (start, end), text in _levelled(answer):
        first = math.floor(start / CLIP_SECONDS)
        after = max(first + 1, math.ceil(end / CLIP_SECONDS))
        if level is None or start > end:
            left_out.append(("no_level" if level is None else "reversed", text))
        elif after <= 0 or first >= len(marks):
            left_out.append(("outside", text))
        else:
            spans.append((level, max(first, 0), min(after, len(marks))))
            if after > len(marks):
                remarks.append(f"ends after the video: {text}")
    remarks += [f"left out, {reason}: {text}" for reason, text in left_out]
    for level, first, after in sorted(spans):
        marks[first:after] = bytes([level]) * (after - first)
    levels = {clip: level for clip, level in enumerate(marks) if level}
    failure = None if spans else left_out[0][0] if left_out else "no_window"
    return ParsedHighlights(levels, failure, "; ".join(remarks) or None)


def _levelled(answer: str) -> Iterator[tuple[int | None, Window, str]]:
    """Every interval of `answer`: the level last named before it, the times (s), its text."""
    before, *rest = _LEVEL.split(answer)
    words = [_SCORES[(word or "").lower()] for word in rest[::2]]
    for level, text in zip([None, *words], [before, *rest[1::2]], strict=True):
        for times, found in _intervals(text):
            yield level, times, found


def _intervals(text: str) -> Iterator[tuple[Window, str]]:
    """Every interval of `text` in order: its times (s), as they stand, and its words in a line."""
    for match in _INTERVAL.finditer(text):
        if match["word"].lower() != "and" or match["between"]:
            yield _interval(match), _line(match.group())


def _line(text: str) -> str:
    return " ".join(text.split())


def _interval(match: re.Match) -> Window:
    """Both times in seconds; a bare start takes the minutes of its end ("1 to 2 minutes")."""
    start, end = match["start"], match["end"]
    if re.fullmatch(rf"-?{_NUMBER}", start) and re.fullmatch(rf"-?{_NUMBER}\s*m.*", end, re.I):
        return 60 * float(start), _seconds(end)
    return _seconds(start), _seconds(end)


def _seconds(time: str) -> float:
    """One matched time, "65.5", "65s", "1:05", "0:01:05" or "1 min 5 s", in seconds."""
    sign = -1.0 if time.startswith("-") else 1.0
    time = time.removeprefix("-")
    total = 0.0
    if ":" in time:
        for part in time.split(":"):
            total = 60 * total + float(part)
    else:
        for number, unit in _PART.findall(time):
            total += float(number) * (60 if unit.lower() == "m" else 1)
    return sign * total
