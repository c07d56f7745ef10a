"""What is checked of one published record: its types, windows, options and saliency."""

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from groundvts.answers import CLIP_SECONDS
from groundvts.data.entry import (
    DROPPED,
    KEPT,
    NOTHING_LEFT,
    Entry,
    Finding,
    encodable,
    shown,
)
from groundvts.data.folder import without_suffix
from groundvts.data.moment import Saliency, Window, absurdities, is_finite, is_safe_name

TOLERANCE = 0.02  # s after the end of a video that no policy acts on: rounding of the durations
HIGHEST_GRADE = 4

Note = tuple[str, str]  # kind and detail of a finding


def read_entry(
    entry: Entry, durations: Mapping[str, float]
) -> tuple[dict[str, Any], list[Note]] | Finding:
    """The checked fields of a moment and notes on them, or the finding that it is none."""
    wrong = _wrong_type(entry)
    if wrong:
        return entry.left_out("unreadable_entry", wrong)
    video = without_suffix(entry.video)
    if not is_safe_name(video):
        return entry.left_out(
            "unsafe_video", f"video id is not a plain file name: {shown(entry.video)}"
        )
    for window in entry.windows:
        if not all(map(is_finite, window)):
            return entry.left_out(
                "not_finite", f"times are not finite: {' '.join(map(shown, window))}"
            )
    notes = list(entry.notes)
    duration, unreadable = _duration(entry.duration)
    if duration is None:
        duration = durations.get(video)
    if unreadable:
        notes.append(("unreadable_duration", unreadable))
    elif duration is None and (entry.windows or entry.saliency):
        notes.append(("missing_duration", f"no duration known for video {video}"))
    saliency, bad = _saliency(entry.saliency, duration)
    if bad:
        notes.append(("bad_saliency", bad))
    texts = {"id": str(entry.id), "query": entry.query, "answer": entry.answer}
    fields = {name: text and encodable(text) for name, text in texts.items()}
    fields["options"] = tuple(map(encodable, entry.options))
    if fields["options"] != tuple(entry.options) or any(fields[n] != texts[n] for n in texts):
        notes.append(("not_utf8", "half of a surrogate pair, read as U+FFFD"))
    windows = tuple((float(start), float(end)) for start, end in entry.windows)
    return fields | {
        "video": video,
        "duration": duration,
        "windows": windows,
        "saliency": saliency,
    }, notes


def _wrong_type(entry: Entry) -> str | None:
    """Which value of an entry has the wrong type, or None."""
    for name in ("video", "query"):
        if not isinstance(getattr(entry, name), str):
            return f"{name} is no text: {shown(getattr(entry, name))}"
    if isinstance(entry.id, bool) or not isinstance(entry.id, str | int) or not str(entry.id):
        return f"id is no text or whole number: {shown(entry.id)}"
    if not isinstance(entry.windows, list | tuple) or not all(map(_is_pair, entry.windows)):
        return "windows are no list of [start, end] in numbers"
    texts = entry.options if isinstance(entry.options, list | tuple) else [None]
    if not all(isinstance(text, str) for text in texts):
        return "options are no list of texts"
    if entry.answer is not None and not isinstance(entry.answer, str):
        return f"answer is no text: {shown(entry.answer)}"
    return None


def _is_pair(window: Any) -> bool:
    right = isinstance(window, list | tuple) and len(window) == 2
    return right and all(isinstance(t, int | float) and not isinstance(t, bool) for t in window)


def _duration(value: Any) -> tuple[float | None, str | None]:
    """A positive number of seconds, or None and why not (None where nothing is published)."""
    if value is None:
        return None, None
    if is_finite(value) and value > 0:
        return float(value), None
    return None, f"duration is not a positive number: {shown(value)}"


def _saliency(value: Any, duration: float | None) -> tuple[Saliency | None, str | None]:
    """Clips with grades that can be right, and what was wrong with the others, which are left out.

    All clips have as many raters as the first.
    """
    if value is None:
        return None, None
    if not isinstance(value, list | tuple):
        return None, f"saliency is no list: {shown(value)}"
    kept: dict[int, tuple[int, ...]] = {}
    wrong = []
    for entry in value:
        reason = _wrong_clip(entry, duration)
        if not reason and entry[0] in kept:
            reason = f"clip {entry[0]} stands twice"
        if not reason and kept and len(entry[1]) != len(next(iter(kept.values()))):
            reason = f"clip {entry[0]} has {len(entry[1])} grades, unlike the first"
        if reason:
            wrong.append(reason)
        else:
            kept[entry[0]] = tuple(entry[1])
    detail = f"{len(wrong)} of {len(value)} clips left out: {wrong[0]}" if wrong else None
    return tuple(kept.items()), detail


def _wrong_clip(entry: Any, duration: float | None) -> str | None:
    """Why [clip, grades] cannot be right, or None."""
    if not isinstance(entry, list | tuple) or len(entry) != 2:
        return f"not [clip, grades]: {shown(entry)}"
    clip, grades = entry
    if type(clip) is not int or not is_finite(clip) or clip < 0:
        return f"not a clip's number: {shown(clip)}"
    if duration is not None and clip * CLIP_SECONDS >= duration:
        return f"clip {clip} starts after the video of {duration:g} s"
    if not isinstance(grades, list | tuple) or not grades:
        return f"clip {clip} has no grades"
    for grade in grades:
        if type(grade) is not int or not 0 <= grade <= HIGHEST_GRADE:
            return f"clip {clip} has a grade outside 0-{HIGHEST_GRADE}: {shown(grade)}"
    return None


def check_content(fields: Mapping[str, Any]) -> list[Note]:
    """Notes on query, lengths, options and answer of one readable record."""
    query, answer = fields["query"], fields["answer"]
    notes = [] if query.strip() else [("empty_query", "the query holds no word")]
    if answer is not None and not answer.strip():
        notes.append(("empty_answer", "the answer holds no word"))
    notes += [("absurd", why) for why in absurdities(fields)]
    return notes + _check_options(fields["options"], answer)


def _check_options(options: Sequence[str], answer: str | None) -> list[Note]:
    notes = []
    if not all(option.strip() for option in options):
        notes.append(("empty_option", "an option holds no word"))
    place = option_of(answer, options) if options and answer else None
    right = options[place] if place is not None else None
    for option, times in Counter(options).items():
        if times > 1 and option == right:
            notes.append(("answer_twice", f"answer {shown(option)} stands {times} times"))
        elif times > 1:
            notes.append(("option_twice", f"option {shown(option)} stands {times} times"))
    if options and answer and place is None:
        notes.append(("answer_unknown", f"answer {shown(answer)} is no option"))
    return notes


def option_of(answer: str, options: Sequence[str]) -> int | None:
    """Which option (from 0) an annotated answer names: by its text, or as `B`, `B.`, `B. text`."""
    if answer in options:
        return options.index(answer)
    match = re.fullmatch(r"\(?([A-Z])(?:[.)]+(?:\s+(.*))?)?", answer.strip(), re.DOTALL)
    place = ord(match[1]) - ord("A") if match else len(options)
    if place >= len(options):
        return None
    said, meant = (text.strip(" .") for text in (match[2] or options[place], options[place]))
    return place if said == meant else None


def check_window(
    window: Window, duration: float | None, policy: Mapping[str, str]
) -> tuple[Window | None, list[tuple[str, str, float | None, str]]]:
    """The window that remains under the policy, or None; and (kind, detail, by, action) found.

    Each check sees what the repairs before it left; a window of which a repair leaves nothing
    goes. An end that is late by `TOLERANCE` or less is listed, and kept under every policy.
    """
    start, end = window
    found, clipped, ruling = [], False, dict(policy)

    def meet(kind: str, detail: str, by: float | None, repair: str = "") -> bool:
        repaired = ruling.get(kind) == "repair"
        by = None if by is None else min(by, sys.float_info.max)
        found.append((kind, detail, by, f"repaired: {repair}" if repaired else KEPT))
        return repaired

    if start > end:
        detail = f"starts at {start:g} s, ends at {end:g} s"
        if meet("inverted", detail, start - end, "start and end swapped"):
            start, end = end, start
    if start == end:
        meet("empty", f"starts and ends at {start:g} s", None)
    if start < 0 and meet("negative_start", f"starts at {start:g} s", -start, "starts at 0 s"):
        start, clipped = 0.0, True
    if duration is not None and end > duration:
        if end - duration <= TOLERANCE:
            ruling.pop("overlong", None)
        detail = f"ends {end - duration:.4g} s after the video of {duration:g} s"
        if meet("overlong", detail, end - duration, f"ends at {duration:g} s"):
            end, clipped = duration, True
    if any(ruling.get(kind) == "drop" for kind, *_ in found):
        return None, [(*rest, DROPPED) for *rest, _ in found]
    if clipped and start >= end:
        return None, [(*rest, NOTHING_LEFT) for *rest, _ in found]
    return (start, end), found
