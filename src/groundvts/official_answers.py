"""How the released code reads answers, its faults included (protocol `official`).

Numbers are unsigned and nothing is ordered or clipped: "-3 to 7" is (3, 7) and "1:05 to 1:20" is
(5, 1).
"""

import math
import re

_NUMBER = r"(?<!\d)(?>\d+(?:\.\d+)?)"
_ANY = re.compile(_NUMBER)
_RANGE = re.compile(
    rf"({_NUMBER})\s?(?:s|sec|seconds)?\s?(?:and|to|-|–|—)\s?({_NUMBER})", re.IGNORECASE
)
_TIME = re.compile(rf"({_NUMBER})\s?(?:s|sec|seconds)\b", re.IGNORECASE)
_BEGINNING = ("beginning", "start", "first", "opening", "early", "initial")
_ENDING = ("end", "last", "final", "closing", "late")

# In the order of substitution: "important" goes before "less important", which is never found.
_LEVELS = (
    (4, ("extremely important", "highly important", "very important")),
    (3, ("moderately important", "medium importance", "important")),
    (2, ("low importance", "less important", "not important")),
)
_MARKS = {4: "\ue004", 3: "\ue003", 2: "\ue002"}  # stand in the text for a level's words
_MARK = re.compile(f"([{''.join(_MARKS.values())}])")
_MARKED = {mark: level for level, mark in _MARKS.items()}
_CLIP_SECONDS = 2.0


def official_window(
    answer: str, duration: float | None
) -> tuple[tuple[float, float] | None, str | None]:
    """The window (s) of an answer, or None and why: "no_window", "one_number", "no_duration".

    The first range; else the first two numbers; else one number beside a word of the beginning
    ([0, N]) or of the end ([duration - N, duration]), clipped to the video.
    """
    text = " ".join(answer.lower().split())
    found = _RANGE.search(text)
    numbers = [float(n) for n in (found.groups() if found else _ANY.findall(text)[:2])]
    if not numbers or not all(map(math.isfinite, numbers)):
        return None, "no_window"
    if len(numbers) == 2:
        return (numbers[0], numbers[1]), None
    beginning = any(word in text for word in _BEGINNING)
    ending = any(word in text for word in _ENDING)
    if beginning == ending:
        return None, "one_number"
    if duration is None:
        return None, "no_duration"
    if beginning:
        return (0.0, min(numbers[0], duration)), None
    return (max(0.0, duration - numbers[0]), duration), None


def official_spans(answer: str) -> list[tuple[int, float, float]]:
    """Level, start and end (s) of every range, and of two seconds from every time with an "s".

    The latter lengthen each range past its end. What stands before the first level counts as
    important, and "less important" is read as "important".
    """
    text = _MARK.sub(" ", " ".join(answer.lower().split()))
    for level, names in _LEVELS:
        for name in names:
            text = text.replace(name, _MARKS[level])
    before, *rest = _MARK.split(text)
    spans = []
    for mark, part in zip([_MARKS[3], *rest[::2]], [before, *rest[1::2]], strict=True):
        level = _MARKED[mark]
        ranges = [(float(a), float(b)) for a, b in _RANGE.findall(part)]
        starts = map(float, _TIME.findall(part))
        ranges += [(start, start + _CLIP_SECONDS) for start in starts]
        spans += [(level, *span) for span in ranges if math.isfinite(sum(span))]
    return spans
