"""NExT-GQA: a CSV of questions with five options, segments in a JSON beside (gsub)."""

from pathlib import Path
from typing import Any

from groundvts.data.documents import Published, Repeated, Row, entries, read_csv, read_document
from groundvts.data.entry import NOT_USED, Entry, Finding, shown
from groundvts.errors import BadInput

OPTIONS = ("a0", "a1", "a2", "a3", "a4")
COLUMNS = ("video_id", "question", "answer", "qid", *OPTIONS)


def read_nextgqa(annotations: Path, spans: Path | None) -> Published:
    """Every question as an entry (id VIDEO-QID), with its segments if `spans` is given.

    Raises BadInput if a file cannot be read, the CSV lacks a column or the JSON is broken.
    """
    videos, findings = _read_spans(spans) if spans else ({}, [])
    asked: set[tuple[str, str]] = set()

    def read(row: Row) -> Published:
        video, qid = row.fields["video_id"], row.fields["qid"]
        segments = videos.get(video, {}).get("location", {}).get(qid)
        asked.add((video, qid))
        bare = spans is not None and segments is None
        notes = (("no_windows", "no segment in the file of spans"),) if bare else ()
        yield Entry(
            row.file,
            row.line,
            None,
            f"{video}-{qid}",
            video,
            row.fields["question"],
            videos.get(video, {}).get("duration"),
            [] if segments is None else segments,
            options=[row.fields[name] for name in OPTIONS],
            answer=row.fields["answer"],
            notes=(*row.notes, *notes),
        )

    yield from findings
    yield from entries(read_csv(annotations, COLUMNS), read)
    for video, fields in videos.items():
        for qid in fields["location"]:
            if (video, qid) not in asked:
                yield _not_used(spans, "unknown_question", f"{video}.{qid}", "no such question")


def _read_spans(path: Path) -> tuple[dict[str, Any], list[Finding]]:
    """{video: {"duration": s, "location": {qid: [[start, end], ...]}}}, and what is none."""
    document, findings = read_document(path)
    if not isinstance(document, dict):
        raise BadInput(f"{path}: holds no object by video; give the gsub JSON")
    videos: dict[str, Any] = {}
    for video, fields in document.pairs if isinstance(document, Repeated) else document.items():
        if isinstance(fields, dict) and isinstance(fields.get("location"), dict):
            earlier = videos.get(video, {}).get("location", {})
            videos[video] = fields | {"location": earlier | fields["location"]}
        else:
            detail = f"not an object with `location`: {shown(fields)}"
            findings.append(_not_used(path, "unreadable_entry", video, detail))
    if not videos:
        raise BadInput(f"{path}: no video's segments can be read; give the gsub JSON")
    return videos, findings


def _not_used(path: Path, kind: str, key: str, detail: str) -> Finding:
    return Finding(kind, str(path), None, key, None, detail, action=NOT_USED)
