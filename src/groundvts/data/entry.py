"""What a benchmark's reader yields: published records as they stand, and what is wrong."""

import re
from dataclasses import dataclass
from typing import Any

KEPT = "kept as annotated"
LEFT_OUT = "left out"
DROPPED = "dropped by policy"
NOTHING_LEFT = "dropped: nothing is left after the repair"
NOT_USED = "not used"
REPLACED = "kept, wrong bytes read as U+FFFD"

# What is done about findings that do not leave a record as it is published.
CHANGED = {
    "bad_saliency": "clips left out",
    "duplicate_id": "id made unique",
    "duplicate_key": "the last value counts",
    "length_mismatch": "pairs kept, the rest left out",
    "not_utf8": REPLACED,
    "unreadable_duration": "duration not used",
}

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Finding:
    """One thing found wrong: where (line from 1, or key), with which record, and what was done.

    by: by how many seconds (inverted, negative_start, overlong).

    Of a window: inverted | empty | negative_start | overlong (plain comparisons).
    Of a kept record: empty_query | empty_answer | duplicate | duplicate_id | duplicate_key |
    missing_duration (though times are annotated) | unreadable_duration (not positive, not finite,
    no number) | not_utf8 | no_windows (a question without a segment) | answer_unknown |
    answer_twice | option_twice | empty_option | length_mismatch | bad_saliency |
    duration_mismatch | absurd | unknown_key.
    Of a video: unknown_video (no file) | overlap (also in another split).
    Left out: unreadable_line | unreadable_entry | not_finite | unsafe_video | unpaired_turn |
    length_mismatch (a sentence or window without its partner).
    Not used: unknown_question (segments of a question that is not asked).
    """

    kind: str
    file: str
    line: int | None
    key: str | None
    id: str | None
    detail: str
    by: float | None = None
    action: str = KEPT

    def __post_init__(self) -> None:
        for name in ("file", "key", "id", "detail"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, encodable(getattr(self, name)))


@dataclass(frozen=True)
class Entry:
    """One published record, its values unchecked; windows and saliency laid out as in Moment.

    line (from 1) or key says where it stands; notes are (kind, detail) of findings of its layout.
    """

    file: str
    line: int | None
    key: str | None
    id: Any
    video: Any
    query: Any
    duration: Any = None
    windows: Any = ()
    saliency: Any = None
    options: Any = ()
    answer: Any = None
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        return f"line {self.line}" if self.key is None else self.key

    def left_out(self, kind: str, detail: str) -> Finding:
        """The finding that this entry gives no record."""
        name = str(self.id) if isinstance(self.id, str | int) else None
        return Finding(kind, self.file, self.line, self.key, name, detail, action=LEFT_OUT)


def encodable(text: str) -> str:
    """`text` with each half of a surrogate pair replaced by U+FFFD, so that UTF-8 can hold it."""
    return _SURROGATE.sub("\ufffd", text)


def shown(value: Any) -> str:
    """A value of a file in a finding: texts and numbers cut short, of all else the type."""
    names = {list: "a list", dict: "an object", type(None): "null or missing"}
    return names.get(type(value)) or f"{value!r:.60}"
