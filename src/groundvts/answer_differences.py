"""Why protocols `fixed` and `official` read an answer differently, in one of a few sentences.

A cause is proved by undoing it: if the released reader finds the moment once times are written as
plain seconds, for example, it was their writing that misled it.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from groundvts.answer_intervals import Interval, intervals
from groundvts.answer_parts import concluded, final_part
from groundvts.answer_times import clean, mark_times
from groundvts.answers import (
    Window,
    format_highlights,
    parse_highlights,
    parse_windows,
    said_intervals,
)
from groundvts.official_answers import official_window

# Of windows.
SEVERAL = "only the first of several intervals is read"
REVERSED = "a reversed window is kept"
MINUS = "a minus sign is dropped"
CLOCK = "minutes and seconds read as two numbers"
UNIT = "a unit other than seconds is ignored"
WRITING = "a number with a comma, fraction, exponent or bare point is cut"
LONG = "a number too long for a time is read"
ELSEWHERE = "other numbers of the text, such as the query's, are read as the window"
LOOSE = "two numbers that are no interval are read as one"
ONE = "one number beside a word of the beginning or the end is enough"
CLIPPED = "the window is clipped to the video"
TO_END = '"until the end" read as that many last seconds'
BOTH = "one number beside words of both the beginning and the end is not read"
ENGLISH = "the first or last seconds, and the end, are known in English only"
UNKNOWN = "what counts from the beginning is not read where the duration is unknown"
ORDER = "the first number is the start, though it is called the end"
THINKING = "reasoning is read as the answer"
# Of highlights.
LESS = "less important read as important"
GOES_ON = "each interval goes on for one clip"
SINGLE = "a time alone is read as a clip"
BEFORE = "what stands before the first level is read as important"
IMPORTANCE = "low and medium importance are levels"
WITHIN = "important is found within other words"
MISSED = 'an interval that is empty, or that no "to", "and" or dash joins, is missed'
OTHER = "read differently"

CAUSES = (SEVERAL, REVERSED, MINUS, CLOCK, UNIT, WRITING, LONG, ELSEWHERE, LOOSE, ONE, CLIPPED,
          TO_END, BOTH, ENGLISH, UNKNOWN, ORDER, THINKING, LESS, GOES_ON, SINGLE, BEFORE,
          IMPORTANCE, WITHIN, MISSED, OTHER)  # fmt: skip

_WHOLE = "(?<![0-9])[0-9]++"
_ODD = re.compile(
    rf"{_WHOLE}(?:[,'\u00a0\u2009\u202f][0-9]++)+|(?<![0-9])\.[0-9]++|(?:{_WHOLE})?[¼-¾⅐-⅞]"
    rf"|{_WHOLE}e[0-9]++",
    re.IGNORECASE,
)
_TOKENS = (
    (CLOCK, re.compile(rf"{_WHOLE}(?:\s?[:'′]\s?[0-9]++)+")),
    (WRITING, _ODD),
    (LONG, re.compile(r"[0-9]{10,}")),
)
_FIRST_LEVEL = re.compile(
    r"(?<!\w)(?:(?:extremely|highly|very|moderately|less|not)\s+)?\w*?important"
    r"|(?:low|medium)\s+importance",
    re.IGNORECASE,
)


def shown_windows(answer: str, duration: float | None, protocol: str) -> str:
    """What a protocol reads, "3 to 7.5 s; 9 to 12 s", or why it reads nothing."""
    parsed = parse_windows(answer, duration, protocol)
    windows = "; ".join(f"{start:.10g} to {end:.10g} s" for start, end in parsed.windows)
    return windows or str(parsed.failure)


def shown_highlights(answer: str, duration: float | None, protocol: str) -> str:
    """The levels that a protocol reads, as they would be trained, or why it reads none."""
    parsed = parse_highlights(answer, duration, protocol)
    return parsed.failure or format_highlights(parsed.levels, "{:g}")


def first_interval(answer: str, duration: float | None) -> Interval | None:
    """The first interval that protocol `fixed` finds, though it may be no usable one."""
    return next(iter(said_intervals(answer, duration)[0]), None)


def window_cause(answer: str, duration: float | None) -> str | None:
    """Why the windows (s) read from an answer to a video of `duration` (s) differ; None: not."""
    fixed = parse_windows(answer, duration).windows
    official, failure = official_window(answer, duration)
    if fixed == ((official,) if official else ()):
        return None
    if fixed[:1] == (official,):
        return SEVERAL
    part = concluded(final_part(answer) or "")
    said = official_window(part, duration)[0] if part != answer else official
    if said == (fixed[0] if fixed else None) != official:
        return THINKING
    said = first_interval(answer, duration)
    if said is None or said.start is None or said.end is None:
        return _invented(answer, duration)
    if official is None:
        return _not_found(answer, duration, failure)
    return _misread(answer, duration, said, official)


def _invented(answer: str, duration: float | None) -> str:
    """Why official reads a window where no interval is said."""
    if _one_number(answer):
        return ONE
    for cause, pattern in _TOKENS:
        if official_window(pattern.sub(" ", answer), duration) != official_window(answer, duration):
            return cause
    return LOOSE


def _not_found(answer: str, duration: float | None, failure: str | None) -> str:
    """Why official reads nothing where an interval is said."""
    if failure == "no_duration":
        return UNKNOWN
    if failure == "no_window":
        return LONG
    return BOTH if official_window(f"{answer} first", duration)[0] is None else ENGLISH


def _misread(answer: str, duration: float | None, said: Interval, read: Window) -> str:
    """Why official reads another window than the one said."""
    start, end = true = (said.start, said.end)
    late = end if duration is None else duration
    clipped, unsigned = (max(0.0, start), min(end, late)), (abs(start), abs(end))
    plain = official_window(plain_times(answer), duration)[0]
    cause = _writing(said, answer)
    right = plain != read and plain in (true, true[::-1], clipped, unsigned)
    units = {time.unit or 1.0 for time in mark_times(said.text)[1].values()}
    if cause and (right or any((read[0] * u, read[1] * u) == true for u in units)):
        return cause
    for cause, window in (
        (REVERSED, true), (MINUS, unsigned), (ORDER, true[::-1]), (CLIPPED, clipped)
    ):  # fmt: skip
        if read == window:
            return cause
    if _one_number(answer):
        return TO_END if end == duration else ONE
    return ELSEWHERE


def _one_number(answer: str) -> bool:
    """Whether official reads one number: only then does it need the duration."""
    return official_window(answer, None)[0] is None


def plain_times(answer: str) -> str:
    """The answer with every time that protocol `fixed` knows written as a number of seconds."""
    marked, times = mark_times(clean(answer))
    seconds = {place: f"{Decimal(repr(time.seconds)):f}" for place, time in times.items()}
    return "".join(seconds.get(place, sign) for place, sign in enumerate(marked))


def _writing(said: Interval, answer: str) -> str | None:
    """How the times of an interval are written that are no plain seconds."""
    times = list(mark_times(said.text)[1].values())
    parts = [len(re.findall("[0-9.,]+", time.text)) for time in times]
    if any(":" in time.text for time in times) or max(parts, default=1) > 1:
        return CLOCK
    if any(time.unit not in (None, 1.0) for time in times):
        return UNIT
    return WRITING if _ODD.search(answer) else None


def highlight_causes(answer: str, duration: float | None) -> list[str]:
    """Why the levels read from an answer differ: every cause that is found; empty: they do not.

    Causes are undone one after another; one that then changes nothing is not named.
    """
    fixed, read = parse_highlights(answer, duration).levels, _levels(answer, duration)
    if fixed == read:
        return []
    causes, text, more = [], answer, read.keys() - fixed.keys()
    for cause, rewrite in _UNDONE:
        if (undone := rewrite(text)) != text:
            last, read, text = read, _levels(undone, duration), undone
            causes += [cause] * (read != last)
    bare = re.sub(r"([0-9])\s?(?:seconds|sec|s)\b", r"\1", text)
    last, read = read, _levels(bare, duration)
    added = [clip for clip, level in last.items() if read.get(clip) != level]
    causes += [GOES_ON] * any(clip - 1 in read for clip in added)
    causes += [SINGLE] * any(clip - 1 not in read for clip in added)
    last, read = read, _levels(plain_times(text), duration)
    if read != last:
        written = (_writing(one, answer) for one in intervals(clean(answer), duration)[0])
        causes += filter(None, dict.fromkeys(written))
    if any(time.seconds < 0 for time in mark_times(clean(answer))[1].values()):
        causes.append(MINUS)
    elif any(read.get(clip, 0) < level for clip, level in fixed.items()):
        causes.append(MISSED)
    return causes or [LOOSE if more else OTHER]


def _from_first_level(answer: str) -> str:
    first = _FIRST_LEVEL.search(answer)
    return answer[first.start() :] if first else ""


def _replaced(pattern: str, words: str) -> Callable[[str], str]:
    return partial(re.compile(pattern, re.IGNORECASE).sub, words)


_UNDONE: tuple[tuple[str, Callable[[str], str]], ...] = (
    (THINKING, lambda answer: final_part(answer) or ""),
    (BEFORE, _from_first_level),
    (IMPORTANCE, _replaced(r"\b(?:low|medium)\s+importance", "very important")),
    (LESS, _replaced(r"\b(?:less|least|not)\s+important\b", "low importance")),
    (WITHIN, _replaced(r"(?<!\w)\w+?important\w*|important\w+", "low importance")),
)


def _levels(answer: str, duration: float | None) -> dict[int, int]:
    return dict(parse_highlights(answer, duration, "official").levels)
