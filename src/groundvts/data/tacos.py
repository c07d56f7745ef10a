"""TACoS in frames: {video: {timestamps, sentences, fps, num_frames}}; else `qvhighlights`."""

from collections import Counter
from pathlib import Path
from typing import Any

from groundvts.data.documents import Published, Row, captions, entries, read_rows
from groundvts.data.entry import shown
from groundvts.data.folder import without_suffix
from groundvts.data.moment import is_finite


def read_tacos(annotations: Path) -> Published:
    """Every query as an entry, times in seconds; id: VIDEO_N.

    Raises BadInput if the file cannot be read, or is a broken JSON document.
    """
    numbers: Counter[str] = Counter()
    return entries(read_rows(annotations), lambda row: _frames(row, numbers))


def _frames(row: Row, numbers: Counter[str]) -> Published:
    fps, times = row.fields.get("fps"), row.fields.get("timestamps")
    if row.name is None or not is_finite(fps) or fps <= 0:
        yield row.left_out("unreadable_entry", f"fps is not a positive number: {shown(fps)}")
        return

    def seconds(frame: Any) -> Any:
        return frame / fps if is_finite(frame) else frame

    if isinstance(times, list):
        times = [[*map(seconds, pair)] if isinstance(pair, list) else pair for pair in times]
    in_seconds = Row(row.file, None, row.key, row.fields | {"timestamps": times}, row.notes)
    duration = seconds(row.fields.get("num_frames"))
    yield from captions(in_seconds, without_suffix(row.name), duration, numbers, joint="_")
