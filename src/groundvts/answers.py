"""The answer grammar: built for training, read back after inference (protocol `fixed`).

Nothing is repaired: a reversed interval is a failure and is not swapped, an end beyond the video
is kept, and two numbers that no word joins ("2 and 3 items") are no interval.
"""

import re
from dataclasses import dataclass

Window = tuple[float, float]

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


@dataclass(frozen=True)
class ParsedAnswer:
    """What an answer says: windows (s) in text order, or why none can be read.

    failure: None | "no_window" | "one_number" | "reversed"; detail: one line, or None.
    """

    windows: tuple[Window, ...] = ()
    failure: str | None = None
    detail: str | None = None


def format_window(start: float, end: float, time_format: str = "{:.1f}") -> str:
    """The trained answer for one window (s), e.g. "from 3.0s to 7.5s"."""
    return f"from {time_format.format(start)}s to {time_format.format(end)}s"


def parse_windows(answer: str, duration: float | None = None) -> ParsedAnswer:
    """Read every interval (s) of `answer`; `duration` (s) only serves the detail.

    If the first interval is reversed the answer fails; later reversed ones are left out and named.
    """
    intervals = [
        (_interval(match), _line(match.group()))
        for match in _INTERVAL.finditer(answer)
        if match["word"].lower() != "and" or match["between"]
    ]
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
