"""Charades-STA: lines `VIDEO START END##query`; durations stand in the Charades CSV beside."""

from pathlib import Path

from groundvts.data.documents import Published, read_lines
from groundvts.data.entry import Entry, shown


def read_charades_sta(annotations: Path) -> Published:
    """Every line as an entry (id VIDEO-LINE), or why it is none.

    Raises BadInput if the file cannot be read.
    """
    for number, line, notes in read_lines(annotations):
        head, mark, query = line.partition("##")
        video, *times = head.split() or [""]
        name = f"{video}-{number}"
        window = [_number(time) for time in times]
        entry = Entry(
            str(annotations), number, None, name, video, query, windows=[window], notes=notes
        )
        if not mark or len(times) != 2:
            yield entry.left_out("unreadable_line", f"not VIDEO START END##query: {shown(head)}")
        elif None in window:
            yield entry.left_out("unreadable_line", f"times are not numbers: {shown(head)}")
        else:
            yield entry


def _number(text: str) -> float | None:
    """A plain decimal number, or None; `1_0` and non-Latin digits are none."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None
