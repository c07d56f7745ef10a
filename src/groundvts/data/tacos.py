"""TACoS: JSONL in seconds, or {video: {timestamps, sentences, fps, num_frames}} in frames."""

from collections import Counter
from pathlib import Path
from typing import Any

from groundvts.data.documents import Published, Row, captions, entries, read_rows
from groundvts.data.entry import Entry, shown
from groundvts.data.folder import without_suffix
from groundvts.data.moment import is_finite


def read_tacos(annotations: Path) -> Published:
    """Every query as an entry, times in seconds; id: the published qid, or VIDEO_N in frames.

    Raises BadInput if the file cannot be read, or is a broken JSON document.
    """
    numbers: Counter[str] = Counter()

    def read(row: Row) -> Published:
        yield from _seconds(row) if row.name is None else _frames(row, numbers)

    return entries(read_rows(annotations), read)


def _seconds(row: Row) -> Published:
    fields = row.fields
    yield Entry(
        row.file,
        row.line,
        row.key,
        fields.get("qid"),
        fields.get("vid"),
        fields.get("query"),
        fields.get("duration"),
        fields.get("relevant_windows", []),
        notes=row.notes,
    )


def _frames(row: Row, numbers: Counter[str]) -> Published:
    fps, times = row.fields.get("fps"), row.fields.get("timestamps")
    if not is_finite(fps) or fps <= 0:
        yield row.left_out("unreadable_entry", f"fps is not a positive number: {shown(fps)}")
        return

    def seconds(frame: Any) -> Any:
        return frame / fps if is_finite(frame) else frame

    if isinstance(times, list):
        times = [[*map(seconds, pair)] if isinstance(pair, list) else pair for pair in times]
    in_seconds = Row(row.file, None, row.key, row.fields | {"timestamps": times}, row.notes)
    duration = seconds(row.fields.get("num_frames"))
    yield from captions(in_seconds, without_suffix(row.name), duration, numbers, joint="_")
