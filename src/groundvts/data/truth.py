"""What is true of a benchmark's queries, from its published file or from moments.jsonl."""

from __future__ import annotations

import json
from pathlib import Path

from groundvts.data.convert import check_records, reader_of
from groundvts.data.durations import read_durations
from groundvts.data.files import read_bytes
from groundvts.data.moment import REQUIRED, Moment, read_moments
from groundvts.data.validate import Validation


def read_truth(
    dataset: str,
    annotations: str | Path,
    durations: str | Path | None = None,
    spans: str | Path | None = None,
    split: str = "unknown",
) -> list[Moment]:
    """Moments of a published file, every readable record as annotated, or of a moments.jsonl.

    Raises BadInput as `convert` and `read_moments` do.
    """
    if _is_moments(Path(annotations)):
        return read_moments(annotations)
    lengths, _ = read_durations(Path(durations)) if durations else ({}, [])
    checked = Validation(dataset, split, lengths, None, {}, {})
    for entry in reader_of(dataset, spans)(Path(annotations)):
        checked.add(entry)
    check_records(checked, dataset, [annotations])
    return checked.moments


def _is_moments(path: Path) -> bool:
    """Whether a file is the kit's own moments.jsonl, judged by its first line."""
    first = read_bytes(path).lstrip().split(b"\n", 1)[0]
    try:
        fields = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and set(REQUIRED) <= set(fields)
