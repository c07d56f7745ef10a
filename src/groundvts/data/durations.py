"""Durations of videos beside an annotation: the Charades CSV, or a JSON object."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from groundvts.data.documents import Repeated, read_csv, read_document, read_text_bytes
from groundvts.data.entry import NOT_USED, Finding, shown
from groundvts.data.folder import without_suffix
from groundvts.data.moment import is_finite
from groundvts.errors import BadInput


def read_durations(path: Path) -> tuple[dict[str, float], list[Finding]]:
    """Durations (s) by video, the first of a video counting, and findings on what is not used.

    Raises BadInput if the file cannot be read, or is neither a CSV with `id` and `length` nor a
    JSON object.
    """
    is_json = read_text_bytes(path).lstrip()[:1] in (b"{", b"[")
    lengths: dict[str, float] = {}
    findings = []
    for line, key, video, length in _json(path, findings) if is_json else _csv(path, findings):
        name = without_suffix(video)
        if not is_finite(length) or length <= 0:
            detail = f"length is not a positive number: {shown(length)}"
        elif lengths.setdefault(name, float(length)) != length:
            detail = f"{length:g} s, but {lengths[name]:g} s before"
        else:
            continue
        where = (str(path), line, key, video)
        findings.append(Finding("unreadable_duration", *where, detail, action=NOT_USED))
    if not lengths:
        raise BadInput(f"{path}: no duration can be read; give the Charades CSV or {{video: s}}")
    return lengths, findings


def _csv(path: Path, findings: list[Finding]) -> Iterator[tuple[int, None, str, Any]]:
    for row in read_csv(path, ("id", "length")):
        if isinstance(row, Finding):
            findings.append(replace(row, kind="unreadable_duration", action=NOT_USED))
        else:
            yield row.line, None, row.fields["id"], _number(row.fields["length"])


def _json(path: Path, findings: list[Finding]) -> Iterator[tuple[None, str, str, Any]]:
    document, found = read_document(path)
    findings += found
    if not isinstance(document, dict):
        raise BadInput(f"{path}: holds no object by video; give {{video: seconds}}")
    pairs = document.pairs if isinstance(document, Repeated) else document.items()
    for video, length in pairs:
        yield None, video, video, length


def _number(text: str) -> float | str:
    """A plain decimal number, or the text that is none."""
    try:
        return float(text)
    except ValueError:
        return text
