"""The record of one query: what was asked of which video, and what is true of it."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundvts.data.files import read_jsonl, write_jsonl
from groundvts.errors import BadInput

LONGEST_VIDEO = 86_400  # s
LONGEST_QUERY = 2_000  # characters, also of an option
MOST_WINDOWS = 1_000
LONGEST_NAME = 200  # bytes of a folder or file name in a video id

Window = tuple[float, float]
Saliency = tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Moment:
    """One query of a benchmark; times in seconds, exactly as annotated (never clipped).

    id is unique in its file; video is the file's name without extension, below the benchmark's
    folder of videos. windows is empty where there are no labels or the query asks for an answer
    alone. saliency holds (clip, grades 0-4 of every rater) for clips of two seconds, clip k from
    2k s on, and is None where highlights are not annotated. A question has an `answer` (text) and,
    for multiple choice, `options`. source_line (from 1) or source_key says where it was published.
    """

    id: str
    dataset: str
    split: str
    video: str
    duration: float | None
    query: str
    windows: tuple[Window, ...]
    source_line: int | None = None
    source_key: str | None = None
    saliency: Saliency | None = None
    options: tuple[str, ...] = ()
    answer: str | None = None
    query_normalised: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "query_normalised", normalise(self.query))

    @property
    def absurd(self) -> str | None:
        """Why nobody can mean this moment, or None: it is not put to a model, and scores zero."""
        return next(absurdities(vars(self)), None)


def absurdities(fields: Mapping[str, Any]) -> Iterator[str]:
    """What is too large to be meant in the fields of a moment."""
    longest = max(map(len, (fields["query"], *fields["options"])))
    seconds = max(fields["duration"] or 0, *(2 * clip for clip, _ in fields["saliency"] or ()), 0)
    if longest > LONGEST_QUERY:
        yield f"the query or an option has {longest} characters"
    if seconds > LONGEST_VIDEO:
        yield f"the video lasts {seconds:g} s"
    if len(fields["windows"]) > MOST_WINDOWS:
        yield f"{len(fields['windows'])} windows"


REQUIRED = ("id", "dataset", "split", "video", "duration", "query", "windows")


def normalise(query: str) -> str:
    """White space collapsed, outer white space and full stops removed: how prompts quote it."""
    return re.sub(r"\s+", " ", query).strip(" .")


def is_safe_name(video: str) -> bool:
    """Whether a video id may become a file name: relative, no `..`, no control sign, not long."""
    parts = video.split("/")
    good = all(p.strip() not in ("", ".", "..") and len(p) <= LONGEST_NAME for p in parts)
    return good and video.isprintable() and "\\" not in video and _encodable(video)


def _encodable(text: str) -> bool:
    try:
        return len(text.encode()) <= 4 * LONGEST_NAME
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def is_finite(value: Any) -> bool:
    """Whether `value` is a number (no bool) that a float can hold, not NaN nor infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def write_moments(path: str | Path, moments: Iterable[Moment]) -> None:
    """Write JSONL, keys in field order, whole or not at all."""
    names = Moment.__dataclass_fields__
    write_jsonl(path, ({name: getattr(moment, name) for name in names} for moment in moments))


def read_moments(path: str | Path) -> list[Moment]:
    """Read moments.jsonl, one moment a line, strictly.

    Raises BadInput with file and line for anything that is no moment, for a repeated id and for a
    video id that is not a plain file name; with the file alone if it holds no moment.
    """
    moments, lines = [], {}
    for line, fields in read_jsonl(path):
        moment = _moment(fields, f"{path}, line {line}")
        if moment.id in lines:
            raise BadInput(
                f"{path}, line {line}: id {moment.id!r} stands in line {lines[moment.id]} already; "
                "give every moment its own id"
            )
        lines[moment.id] = line
        moments.append(moment)
    return moments


def _moment(fields: dict[str, Any], where: str) -> Moment:
    """One checked Moment. Raises BadInput that begins with `where`."""
    known = set(Moment.__dataclass_fields__)
    if not set(REQUIRED) <= set(fields) <= known:
        raise BadInput(
            f"{where}: the keys of a moment are {', '.join(REQUIRED)}; make the file by "
            "`groundvts convert`, which also reads moments of your own"
        )
    fields.pop("query_normalised", None)
    wrong = [key for key, right in _TYPES.items() if key in fields and not right(fields[key])]
    if wrong:
        raise BadInput(f"{where}: {wrong[0]} has the wrong type or is not finite; correct the line")
    if not is_safe_name(fields["video"]):
        raise BadInput(f"{where}: video {fields['video']!r} is not a plain file name; rename it")
    fields["windows"] = tuple((float(start), float(end)) for start, end in fields["windows"])
    if fields.get("saliency") is not None:
        fields["saliency"] = tuple((clip, tuple(grades)) for clip, grades in fields["saliency"])
    fields["options"] = tuple(fields.get("options", ()))
    return Moment(**fields)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_windows(value: Any) -> bool:
    """Whether `value` is a list of [start, end] with finite numbers."""
    pairs = value if isinstance(value, list) else [None]
    return all(isinstance(w, list) and len(w) == 2 and all(map(is_finite, w)) for w in pairs)


def is_saliency(value: Any) -> bool:
    """Whether `value` is a list of [clip, [grade of each rater]] with whole numbers."""

    def whole(number: Any) -> bool:
        return isinstance(number, int) and not isinstance(number, bool)

    def row(entry: Any) -> bool:
        right = isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], list)
        return right and whole(entry[0]) and all(map(whole, entry[1]))

    return isinstance(value, list) and all(map(row, value))


_TYPES = {
    **dict.fromkeys(("id", "dataset", "split", "video", "query"), is_text),
    "duration": lambda value: value is None or is_finite(value),
    "windows": is_windows,
    "source_line": lambda value: value is None or isinstance(value, int),
    "source_key": lambda value: value is None or is_text(value),
    "saliency": lambda value: value is None or is_saliency(value),
    "options": lambda value: isinstance(value, list) and all(map(is_text, value)),
    "answer": lambda value: value is None or is_text(value),
}
