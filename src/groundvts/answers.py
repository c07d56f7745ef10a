"""The answer grammar: built for training, read back after inference.

Under protocol `fixed` nothing is repaired: a reversed interval is a failure and is not swapped, an
end beyond the video is kept, and two numbers that no word joins ("2 and 3 items") are no interval.
Protocol `official` reads as the released code does, faults included (`official_answers`).

Highlights are levels of two-second clips: clip k lasts from 2k s to 2k + 2 s. A level is the score
it stands for: 4 very important, 3 important, 2 less important.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from groundvts.answer_intervals import Interval, intervals
from groundvts.answer_parts import concluded, final_part
from groundvts.answer_times import Time, clean
from groundvts.errors import BadInput
from groundvts.official_answers import official_spans, official_window

Window = tuple[float, float]

CLIP_SECONDS = 2.0
LONGEST_VIDEO = 86_400.0  # s; no clip after it is read
LEVELS = {4: "very important", 3: "important", 2: "less important"}
NO_HIGHLIGHTS = "nothing is important"

_LEVEL = re.compile(
    r"\b(?:(very|extremely|highly|moderately|less|least|not)\s)?important\b", re.IGNORECASE
)
_SCORES = {"very": 4, "extremely": 4, "highly": 4, "less": 2, "least": 2, "not": 2}  # else 3


@dataclass(frozen=True)
class ParsedAnswer:
    """What an answer says: windows (s) in text order, or why none can be read.

    failure: None | "no_window" | "one_number" | "no_duration" (the answer counts from the end of
    a video of unknown duration) | "reversed" | "unfinished" (cut within its reasoning); detail:
    one line, or None.
    """

    windows: tuple[Window, ...] = ()
    failure: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class ParsedHighlights:
    """What an answer says of a video's clips: the level (4, 3, 2) of each one named, or a failure.

    failure, the reason of the first interval that cannot be used: None | "no_window" (there is
    none) | "no_level" (none stands before it) | "no_duration" | "reversed" | "outside" |
    "unfinished" (cut within its reasoning); detail: one line, or None.
    """

    levels: Mapping[int, int] = field(default_factory=dict)
    failure: str | None = None
    detail: str | None = None


def format_window(start: float, end: float, time_format: str = "{:.1f}") -> str:
    """The trained answer for one window (s), e.g. "from 3.0s to 7.5s"."""
    return f"from {time_format.format(start)}s to {time_format.format(end)}s"


def parse_windows(
    answer: str, duration: float | None = None, protocol: str = "fixed"
) -> ParsedAnswer:
    """Read every interval (s) of `answer` to a video of `duration` (s).

    If the first interval cannot be used the answer fails; later ones are left out and named.
    Protocol `official` reads one window, which may be reversed.
    """
    if protocol == "official":
        window, failure = official_window(answer, duration)
        return ParsedAnswer((window,) if window else (), failure)
    found, times = said_intervals(answer, duration)
    if not found:
        cut = final_part(answer) is None
        failure = "unfinished" if cut else "one_number" if len(times) == 1 else "no_window"
        return ParsedAnswer(failure=failure, detail=", ".join(t.text for t in times[:4]) or None)
    if found[0].failure:
        return ParsedAnswer(failure=found[0].failure, detail=found[0].text)
    windows = tuple((one.start, one.end) for one in found if not one.failure)
    remarks = [f"left out, {one.failure}: {one.text}" for one in found if one.failure]
    if duration is not None:
        late = [end for _, end in windows if end > duration]
        remarks += [f"ends {end - duration:.2f} s after the video" for end in late]
    return ParsedAnswer(windows, detail="; ".join(remarks) or None)


def said_intervals(answer: str, duration: float | None) -> tuple[list[Interval], list[Time]]:
    """The intervals that protocol `fixed` finds in an answer, usable or not, and all times.

    What may count something else is left out before the first interval that is surely of time.
    """
    found, times, part = [], [], final_part(answer) or ""
    for text in map(clean, dict.fromkeys((concluded(part), part))):
        found, times = intervals(text, duration)
        if len(times) == 2 and not found:  # and nothing else, but for a label
            alone = re.sub(r"^[^0-9:]{0,60}:\s", "", text).strip(" .|")
            found, _ = intervals(f"[{alone}]", duration)
        if found:
            break
    first = next((place for place, one in enumerate(found) if one.sure), 0)
    return found[first:], times


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


def parse_highlights(
    answer: str, duration: float | None = None, protocol: str = "fixed"
) -> ParsedHighlights:
    """Read the levels of the clips of a video of `duration` (s).

    An interval has the level last named before it and means every clip that it holds a part of:
    its start is rounded down to a clip, its end up, and the clip that starts at the end is not
    meant. A clip with several levels has the highest. An interval that cannot be used is left out
    and named (protocol `official`: not named).
    """
    part = final_part(answer)
    text = clean(part or "")
    if text.strip(" .").lower() == NO_HIGHLIGHTS:
        return ParsedHighlights()
    length = LONGEST_VIDEO if duration is None else min(duration, LONGEST_VIDEO)
    clips = max(0, math.ceil(length / CLIP_SECONDS))
    if protocol == "official":
        found = official_spans(answer)
        spans = [(level, *_clips(start, end)) for level, start, end in found]
        return ParsedHighlights(_marked(spans, clips), None if found else "no_window")
    spans, left_out, remarks = [], [], []
    for level, one in _levelled(text, duration):
        if failure := one.failure if level else "no_level":
            left_out.append((failure, one.text))
            continue
        first, after = _clips(one.start, one.end)
        after = max(first + 1, after)
        if after <= 0 or first >= clips:
            left_out.append(("outside", one.text))
            continue
        spans.append((level, first, after))
        if after > clips:
            remarks.append(f"ends after the video: {one.text}")
    remarks += [f"left out, {reason}: {text}" for reason, text in left_out]
    none = "no_window" if part is not None else "unfinished"
    failure = None if spans else left_out[0][0] if left_out else none
    return ParsedHighlights(_marked(spans, clips), failure, "; ".join(remarks) or None)


def clip_scores(parsed: ParsedHighlights, duration: float | None) -> list[int]:
    """The level of each clip of a video of `duration` (s), 0 where none is named; [] for a failure.

    Of a video of unknown duration, the clips up to the last one named.
    """
    if parsed.failure:
        return []
    clips = max(parsed.levels, default=0) + 1
    if duration is not None:
        clips = max(clips, math.ceil(min(duration, LONGEST_VIDEO) / CLIP_SECONDS))
    return [parsed.levels.get(clip, 0) for clip in range(clips)]


def _clips(start: float, end: float) -> tuple[int, int]:
    """The first clip that an interval (s) holds a part of, and the clip after the last."""
    return math.floor(start / CLIP_SECONDS), math.ceil(end / CLIP_SECONDS)


def _marked(spans: list[tuple[int, int, int]], clips: int) -> dict[int, int]:
    """The highest level of each of the first `clips` clips in spans (level, first, after)."""
    marks = bytearray(clips)
    for level, first, after in sorted(spans):
        first, after = max(first, 0), min(after, clips)
        marks[first:after] = bytes([level]) * max(0, after - first)
    return {clip: level for clip, level in enumerate(marks) if level}


def _levelled(text: str, duration: float | None) -> Iterator[tuple[int | None, Interval]]:
    """Every interval of `text` with the level last named before it."""
    before, *rest = _LEVEL.split(text)
    levels = [_SCORES.get((word or "").lower(), 3) for word in rest[::2]]
    for level, part in zip([None, *levels], [before, *rest[1::2]], strict=True):
        for one in intervals(part, duration)[0]:
            yield level, one
