"""From a benchmark's published annotation to moments.jsonl and validation.json."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundvts.data.charades_sta import read_charades_sta
from groundvts.data.moment import Moment, write_moments
from groundvts.data.validate import Finding, validation
from groundvts.errors import BadInput
from groundvts.records import write_json

# One reader per benchmark: (annotations, durations, split) -> every readable record, all findings.
Reader = Callable[[Path, Path | None, str], tuple[list[Moment], list[Finding]]]
READERS: dict[str, Reader] = {"charades_sta": read_charades_sta}


def convert(
    dataset: str,
    split: str,
    annotations: str | Path,
    durations: str | Path | None,
    out: str | Path,
) -> dict[str, Any]:
    """Write `out`/moments.jsonl and `out`/validation.json; return the latter's content.

    Every readable record is kept, in file order, as annotated. Raises BadInput for an unknown
    benchmark, an unreadable file, or one that holds no readable record.
    """
    if dataset not in READERS:
        raise BadInput(f"{dataset}: no such benchmark; choose one of {', '.join(sorted(READERS))}")
    paths = Path(annotations), Path(durations) if durations else None
    moments, findings = READERS[dataset](*paths, split)
    if not moments:
        bad = [f"line {f.line}: {f.detail}; " for f in findings if f.file == str(annotations)]
        raise BadInput(
            f"{annotations}, {bad[0] if bad else ''}no {dataset} record can be read; "
            "give the published file"
        )
    content = validation(dataset, split, moments, findings)
    write_moments(Path(out) / "moments.jsonl", moments)
    write_json(Path(out) / "validation.json", content)
    return content
