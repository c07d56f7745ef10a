"""A user's own benchmark: a moments.jsonl with at least `video` and `query` on every line."""

from dataclasses import fields as fields_of
from pathlib import Path

from groundvts.data.documents import Published, Row, entries, read_rows
from groundvts.data.entry import Entry
from groundvts.data.moment import Moment

KNOWN = {field.name for field in fields_of(Moment)}


def read_own(annotations: Path) -> Published:
    """Every line as an entry; without an id it is called VIDEO-LINE.

    Raises BadInput if the file cannot be read.
    """
    return entries(read_rows(annotations), _read)


def _read(row: Row) -> Published:
    fields = row.fields
    unknown = ", ".join(repr(key) for key in fields if key not in KNOWN)
    notes = [("unknown_key", f"no key of a moment: {unknown:.200}")] if unknown else []
    if not any(fields.get(key) for key in ("windows", "saliency", "answer")):
        notes.append(("no_windows", "no window, highlight or answer: it cannot be scored"))
    name = fields.get("id")
    yield Entry(
        row.file,
        row.line,
        row.key,
        f"{fields.get('video')}-{row.line or row.key}" if name is None else name,
        fields.get("video"),
        fields.get("query"),
        fields.get("duration"),
        fields.get("windows", []),
        fields.get("saliency"),
        fields.get("options", []),
        fields.get("answer"),
        (*row.notes, *notes),
    )
