"""Charades-STA: lines `VIDEO START END##query` beside the Charades CSV with `id` and `length`."""

import codecs
import csv
import io
import math
from pathlib import Path

from groundvts.data.files import read_bytes
from groundvts.data.moment import Moment, is_safe_name
from groundvts.data.validate import LEFT_OUT, Finding, check_moment
from groundvts.errors import BadInput

DATASET = "charades_sta"


def read_charades_sta(
    annotations: Path, durations: Path | None, split: str
) -> tuple[list[Moment], list[Finding]]:
    """Every readable line as a Moment (id VIDEO-LINE), and all findings in file order.

    Raises BadInput if a file cannot be read or the CSV lacks its columns.
    """
    lengths, findings = _read_lengths(durations) if durations else ({}, [])
    moments: list[Moment] = []
    seen: dict[bytes, int] = {}
    lines = read_bytes(annotations).removeprefix(codecs.BOM_UTF8).split(b"\n")
    for number, raw in enumerate(lines, start=1):
        raw = raw.removesuffix(b"\r")
        if not raw.strip():
            continue
        read = _read_line(raw, number, split, lengths, str(annotations))
        if isinstance(read, Finding):
            findings.append(read)
            continue
        moments.append(read)
        findings += _findings(read, raw, seen.get(raw), str(annotations))
        seen.setdefault(raw, number)
    return moments, findings


def _read_line(
    raw: bytes, number: int, split: str, lengths: dict[str, float], file: str
) -> Moment | Finding:
    """The line's Moment, or the Finding that says why it has to be left out."""

    def left_out(kind: str, detail: str) -> Finding:
        return Finding(kind, file, number, None, detail, LEFT_OUT)

    head, mark, query = raw.decode("utf-8", errors="replace").partition("##")
    fields = head.split()
    if not mark or len(fields) != 3:
        return left_out("unreadable_line", f"not VIDEO START END##query: {head[:60]!r}")
    video, *texts = fields
    if not is_safe_name(video):
        return left_out("unsafe_video", f"video id is not a plain file name: {video[:60]!r}")
    times = [_number(text) for text in texts]
    if None in times:
        return left_out("unreadable_line", f"times are not numbers: {' '.join(texts)[:60]!r}")
    if not all(map(math.isfinite, times)):
        return left_out("not_finite", f"times are not finite: {' '.join(texts)[:60]!r}")
    window = (times[0], times[1])
    length = lengths.get(video)
    return Moment(f"{video}-{number}", DATASET, split, video, length, query, (window,), number)


def _findings(moment: Moment, raw: bytes, earlier: int | None, file: str) -> list[Finding]:
    """What is wrong with a readable line; `earlier` is the line that held the same before."""
    findings = check_moment(moment, file)
    if earlier is not None:
        detail = f"the same as line {earlier}"
        findings.append(Finding("duplicate", file, moment.source_line, moment.id, detail))
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        detail = f"byte {error.start + 1} of the line is not UTF-8"
        action = "kept, wrong bytes read as U+FFFD"
        findings.append(Finding("not_utf8", file, moment.source_line, moment.id, detail, action))
    return findings


def _read_lengths(path: Path) -> tuple[dict[str, float], list[Finding]]:
    """Durations (s) by video, the first row of a video counting, and findings on other rows."""
    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    lengths: dict[str, float] = {}
    findings = []
    try:
        if not {"id", "length"} <= set(rows.fieldnames or ()):
            raise BadInput(f"{path}, line 1: no columns `id` and `length`; give the Charades CSV")
        for row in rows:
            video, length = row["id"] or "", _number(row["length"] or "")
            if not (length and math.isfinite(length) and length > 0):
                detail = f"length is not a positive number: {row['length']!r:.60}"
            elif lengths.setdefault(video, length) != length:
                detail = f"{length:g} s, but {lengths[video]:g} s in an earlier row"
            else:
                continue
            findings.append(
                Finding("unreadable_duration", str(path), rows.line_num, video, detail, LEFT_OUT)
            )
    except csv.Error as error:
        raise BadInput(f"{path}, line {rows.line_num}: not CSV ({error}); correct it") from None
    return lengths, findings


def _number(text: str) -> float | None:
    """A plain decimal number, or None; `1_0` and non-Latin digits are none."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None
