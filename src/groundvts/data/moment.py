"""The record of one query: what was asked of which video, and its true windows."""

import json
import math
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from groundvts.errors import BadInput


@dataclass(frozen=True)
class Moment:
    """One query of a benchmark; times in seconds, exactly as annotated (never clipped).

    id is unique in its file, video has no extension, source_line counts from 1; windows is empty
    where the labels are not public.
    """

    id: str
    dataset: str
    split: str
    video: str
    duration: float | None
    query: str
    windows: tuple[tuple[float, float], ...]
    source_line: int


def is_plain_name(video: str) -> bool:
    """Whether a video id may become a file name: no folder, no control sign, at most 200 bytes."""
    safe = video.isprintable() and not set(video) & {"/", "\\"}
    return safe and video.strip() not in ("", ".", "..") and len(video.encode()) <= 200


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
    write_jsonl(path, (asdict(moment) for moment in moments))


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
    expected = list(Moment.__dataclass_fields__)
    if sorted(fields) != sorted(expected):
        raise BadInput(f"{where}: the keys of a moment are {', '.join(expected)}; correct the line")
    texts = ("id", "dataset", "split", "video", "query")
    wrong = [key for key in texts if not isinstance(fields[key], str)]
    if fields["duration"] is not None and not is_finite(fields["duration"]):
        wrong.append("duration")
    if not isinstance(fields["source_line"], int):
        wrong.append("source_line")
    windows = fields["windows"]
    pairs = windows if isinstance(windows, list) else [None]
    if not all(isinstance(w, list) and len(w) == 2 and all(map(is_finite, w)) for w in pairs):
        wrong.append("windows")
    if wrong:
        raise BadInput(f"{where}: {wrong[0]} has the wrong type or is not finite; correct the line")
    if not is_plain_name(fields["video"]):
        raise BadInput(f"{where}: video {fields['video']!r} is not a plain file name; rename it")
    fields["windows"] = tuple((float(start), float(end)) for start, end in windows)
    return Moment(**fields)


def read_jsonl(path: str | Path) -> list[tuple[int, dict[str, Any]]]:
    """All objects of a JSONL file with their lines (from 1); blank lines are passed over.

    Raises BadInput with file and line for a line that is no JSON object, or if there is none.
    """
    rows = []
    for line, text in enumerate(read_bytes(path).split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise BadInput(f"{path}, line {line}: not a JSON object; correct or remove the line")
        rows.append((line, fields))
    if not rows:
        raise BadInput(f"{path}: holds no record; check that it is the right file")
    return rows


def write_jsonl(path: str | Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, whole or not at all (temporary file beside, then renamed)."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_bytes(path: str | Path) -> bytes:
    """The whole file. Raises BadInput if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}; check the path") from None
