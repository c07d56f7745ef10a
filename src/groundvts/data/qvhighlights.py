"""QVHighlights: JSONL with several windows per query and three raters' grades of clips.

Other benchmarks are given in the same layout, without grades (moment_detr, lighthouse, CG-DETR).
"""

from pathlib import Path
from typing import Any

from groundvts.data.documents import Published, Row, entries, read_rows, read_text_bytes
from groundvts.data.entry import Entry
from groundvts.data.moment import is_finite

TOLERANCE = 0.01  # seconds


def read_qvhighlights(annotations: Path) -> Published:
    """Every line as an entry (id: the published qid); the test split has no labels.

    Raises BadInput if the file cannot be read.
    """
    return entries(read_rows(annotations), _read)


def in_dialect(annotations: Path) -> bool:
    """Whether a file has the keys of this layout near its beginning."""
    head = read_text_bytes(annotations)[:20_000]
    return all(b'"%s"' % key in head for key in (b"qid", b"vid", b"query"))


def _read(row: Row) -> Published:
    fields = row.fields
    saliency, unpaired = _saliency(fields.get("relevant_clip_ids"), fields.get("saliency_scores"))
    yield Entry(
        row.file,
        row.line,
        row.key,
        fields.get("qid"),
        fields.get("vid"),
        fields.get("query"),
        fields.get("duration"),
        fields.get("relevant_windows", []),
        saliency,
        notes=(*row.notes, *unpaired, *_duration_notes(fields.get("vid"), fields.get("duration"))),
    )


def _saliency(clips: Any, scores: Any) -> tuple[Any, list[tuple[str, str]]]:
    """[clip, grades] of the pairs that exist, None where neither list is; and what has no pair."""
    if clips is None and scores is None:
        return None, []
    if not (isinstance(clips, list) and isinstance(scores, list)):
        return "no lists of clips and scores", []
    pairs = [list(pair) for pair in zip(clips, scores, strict=False)]
    if len(clips) == len(scores):
        return pairs, []
    return pairs, [("length_mismatch", f"{len(clips)} clip ids, {len(scores)} saliency scores")]


def _duration_notes(video: Any, duration: Any) -> list[tuple[str, str]]:
    """Whether `duration` (s) is another than END - START of the id YOUTUBEID_START_END."""
    if not isinstance(video, str) or not is_finite(duration):
        return []
    try:
        _, start, end = video.rsplit("_", 2)
        length = float(end) - float(start)
    except ValueError:
        return []
    if not abs(length - duration) > TOLERANCE:
        return []
    return [("duration_mismatch", f"published as {duration:g} s, by its id {length:g} s")]
