"""What is wrong with an annotation: findings are counted and listed, the records are kept."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from groundvts.data.moment import Moment

KEPT = "kept as annotated"
LEFT_OUT = "left out"


@dataclass(frozen=True)
class Finding:
    """One thing found wrong: where (line from 1; id of the moment or video), what, what was done.

    kind: inverted | empty | overlong | negative_start | empty_query | duplicate |
    missing_duration | unreadable_duration | unreadable_line | not_utf8 | not_finite | unsafe_video
    """

    kind: str
    file: str
    line: int | None
    id: str | None
    detail: str
    action: str = KEPT


def check_moment(moment: Moment, file: str) -> list[Finding]:
    """Findings of one readable record: windows, duration and query (plain comparisons)."""
    found = [("empty_query", "the query holds no word")] if not moment.query.strip() else []
    if moment.duration is None:
        found.append(("missing_duration", f"no duration known for video {moment.video}"))
    for start, end in moment.windows:
        if start > end:
            found.append(("inverted", f"starts at {start:g} s, ends at {end:g} s"))
        if start == end:
            found.append(("empty", f"starts and ends at {start:g} s"))
        if start < 0:
            found.append(("negative_start", f"starts at {start:g} s"))
        if moment.duration is not None and end > moment.duration:
            late = f"{end - moment.duration:.4g} s after the video of {moment.duration:g} s"
            found.append(("overlong", f"ends {late}"))
    return [Finding(kind, file, moment.source_line, moment.id, text) for kind, text in found]


def validation(
    dataset: str, split: str, moments: Sequence[Moment], findings: Sequence[Finding]
) -> dict[str, Any]:
    """Content of validation.json: counts and every finding, in the order of the file."""
    kinds = Counter(finding.kind for finding in findings)
    return {
        "dataset": dataset,
        "split": split,
        "counts": {
            "records": len(moments),
            "videos": len({moment.video for moment in moments}),
            "left_out": sum(finding.action == LEFT_OUT for finding in findings),
            "findings": dict(sorted(kinds.items())),
        },
        "findings": [asdict(finding) for finding in findings],
    }
