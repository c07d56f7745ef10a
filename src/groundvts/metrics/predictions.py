"""Files of predictions: the kit's own, QVHighlights submissions, and self-contained records.

A file is a JSON list (which may stand alone in an object), an object of records or JSONL, whatever
its name; its layout is told by the keys of its records:
- kit: `id`, `windows`, and if there are any `saliency`, `answer`, `failure`; `highlights` and
  `question` are passes beside, each with an `answer` and a `failure` of its own;
- submission: `qid`, `pred_relevant_windows` [[start, end, score], ...], `pred_saliency_scores`;
- records: `video` or `vid`, `query` or `question`, `pred` and the true `span`, each [start, end]
  or [[start, end], ...]; a question has `options`, `ans` (index from 0, letter or text) and
  `response`. One record is one query; its id is its number in the file, from 0. Where the truth is
  named beside the file `span` and `ans` may be absent; windows in `ans` are those predicted.
A number that is NaN or infinite is a null: what holds it is a failure of its query.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundvts.answers import CLIP_SECONDS
from groundvts.data.documents import read_rows
from groundvts.data.entry import Finding, encodable, shown
from groundvts.data.moment import LONGEST_VIDEO, MOST_WINDOWS, Moment, is_finite
from groundvts.errors import BadInput
from groundvts.metrics.qa import read_question

Window = tuple[float, ...]

LARGEST = 1e12  # of a time (s) or score
MOST_CLIPS = int(LONGEST_VIDEO / CLIP_SECONDS)

# Under which keys windows, saliency and answer stand, by the key of the query's id.
LAYOUTS = {
    "qid": ("pred_relevant_windows", "pred_saliency_scores", "response"),
    "id": ("windows", "saliency", "answer"),
}
FURTHER = ("highlights", "question")  # passes beside the one that grounds
NOT_PUT = ("missing", "unread_video", "bad_query")  # why a query was not put to a model


@dataclass(frozen=True)
class Prediction:
    """What was predicted for one query.

    windows: (start, end) in s or (start, end, score), as listed; a reversed one keeps its rank.
    saliency: a number for each clip of two seconds. Each is None in a file that gives none, empty
    where nothing was predicted. answer: what was said, when grounding where there are further
    passes. failure: why the first window scores zero, or None: the reason in the file, no_window
    (none, or a null in one), reversed (it starts after its end), or missing. further: answer and
    failure of each further pass. about: video and query that the file names beside the id, or None.
    """

    id: str
    windows: tuple[Window, ...] | None = None
    saliency: tuple[float, ...] | None = None
    answer: str | None = None
    failure: str | None = None
    further: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    about: tuple[str | None, str | None] = field(default=(None, None), compare=False)

    def said(self, kind: str) -> str | None:
        """The answer to one kind of pass, or None; `answer` is that about what the file gives."""
        if kind in self.further:
            return self.further[kind][0]
        if self.windows is not None:
            return self.answer if kind == "grounding" else None
        only = "question" if self.saliency is None else "highlights"
        return self.answer if kind == only else None

    @property
    def put(self) -> bool:
        """Whether every pass of the query was put to a model."""
        failures = (self.failure, *(failure for _, failure in self.further.values()))
        return not any(failure in NOT_PUT for failure in failures)


@dataclass(frozen=True)
class PredictionFile:
    """All predictions of a file; moments, in their order, if it holds the truth too."""

    path: str
    predictions: tuple[Prediction, ...]
    moments: tuple[Moment, ...] | None = None


def read_prediction_file(
    path: str | Path, dataset: str, split: str = "unknown", truth: bool = True
) -> PredictionFile:
    """Read a file of any of the three layouts; `dataset` and `split` name moments it brings.

    truth: whether self-contained records have to hold theirs.
    Raises BadInput with the line or record for whatever cannot be a prediction; a null, an empty
    list and a reversed window are failures of their query.
    """
    rows = _read_rows(Path(path))
    layouts = [_layout(fields, where) for where, fields in rows]
    for (where, _), layout in zip(rows, layouts, strict=True):
        if layout != layouts[0]:
            raise BadInput(f"{where}: another layout than the first record; give one file of each")
    if layouts[0] == "pred":
        read = [_record(*row, n, dataset, split, truth) for n, row in enumerate(rows)]
        predictions, moments = zip(*read, strict=True)
        return PredictionFile(str(path), predictions, moments)
    for key in (*LAYOUTS[layouts[0]][:2], *FURTHER):
        absent = [where for where, fields in rows if key not in fields]
        if 0 < len(absent) < len(rows):
            raise BadInput(f"{absent[0]}: no `{key}`, unlike other records; give it to all or none")
    predictions = tuple(_identified(*row, layouts[0]) for row in rows)
    return PredictionFile(str(path), predictions)


def _read_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Where each object of the file stands (line, or [index] in a list), and the object."""
    found = []
    for row in read_rows(path, ("pred", *LAYOUTS)):
        where = f"{path}, line {row.line}" if row.key is None else f"{path}, {row.key}"
        wrong = [row.detail] if isinstance(row, Finding) else [detail for _, detail in row.notes]
        if wrong:
            raise BadInput(f"{where}: {wrong[0]}; give a JSON list, or an object a line, in UTF-8")
        found.append((where, row.fields))
    if not found:
        raise BadInput(f"{path}: holds no record; check that it is the right file")
    return found


def _layout(fields: dict[str, Any], where: str) -> str:
    """The layout of an object: the key of its id, or `pred` for a self-contained record."""
    if not fields.keys().isdisjoint(("pred", "span", "ans")):
        return "pred"
    for key, others in LAYOUTS.items():
        if key in fields:
            if fields.keys().isdisjoint((*others, *FURTHER)):
                raise BadInput(f"{where}: neither of {', '.join(others)}; give at least one")
            return key
    raise BadInput(f"{where}: no `id`, `qid` or `pred`; give predictions of a known layout")


def _identified(where: str, fields: dict[str, Any], layout: str) -> Prediction:
    """The prediction of an object that names its query."""
    id, failure = _name(fields, layout, where), _text(fields, "failure", where)
    windows_key, saliency_key, answer_key = LAYOUTS[layout]
    windows = saliency = None
    if windows_key in fields:
        windows, why = _windows(fields[windows_key], f"{where}: {windows_key}")
        windows, failure = ((), failure) if failure else (windows, why)
    if saliency_key in fields:
        saliency = _clips(fields[saliency_key], f"{where}: {saliency_key}")
    answer = _text(fields, answer_key, where)
    further = {
        kind: _pass(fields[kind], f"{where}: {kind}")
        for kind in FURTHER
        if layout == "id" and kind in fields
    }
    video, query = (
        next((str(fields[key]) for key in keys if isinstance(fields.get(key), str | int)), None)
        for keys in (("video", "vid"), ("query", "question"))
    )
    return Prediction(id, windows, saliency, answer, failure, further, (video, query))


def _pass(said: Any, where: str) -> tuple[str | None, str | None]:
    """Answer and failure of a further pass."""
    if not isinstance(said, dict):
        raise BadInput(f"{where}: no object with `answer` and `failure`: {shown(said)}; correct it")
    return _text(said, "answer", where), _text(said, "failure", where)


def _record(
    where: str, fields: dict[str, Any], number: int, dataset: str, split: str, needed: bool
) -> tuple[Prediction, Moment]:
    """The prediction and the moment of a self-contained record, whose truth may be `needed`.

    Of a question without a span only the answer counts.
    """
    if "pred" not in fields and isinstance(fields.get("ans"), list) and not fields.get("options"):
        fields = {"pred": fields["ans"], **fields, "ans": None}
    asks, spans = fields.get("options"), fields.get("span") not in (None, [])
    asked = needed or (asks and fields.get("ans") is not None)
    options, right = read_question(fields, where) if asked else ((), None)
    truth, windows, failure = (), None, None
    if not (needed or spans) and ("pred" in fields or "response" not in fields):
        windows, failure = _windows(_listed(fields, "pred", where), f"{where}: pred")
    elif spans or (needed and not options):
        truth, _ = _windows(_listed(fields, "span", where), f"{where}: span")
        if not truth or len(truth[0]) > 2 or any(start > end for start, end in truth):
            raise BadInput(f"{where}: span holds no window [start, end]; give the true one")
        windows, failure = _windows(_listed(fields, "pred", where), f"{where}: pred")
    duration = fields.get("duration")
    if duration is not None and not (is_finite(duration) and duration > 0):
        raise BadInput(f"{where}: duration is no positive number: {shown(duration)}; correct it")
    video = _name(fields, "vid" if "vid" in fields else "video", where)
    query = _text(fields, "query", where) or _text(fields, "question", where)
    if query is None:
        raise BadInput(f"{where}: no text `query` or `question`; add it")
    id, key, answer = str(number), f"[{number}]", _text(fields, "response", where)
    moment = Moment(
        id, dataset, split, video, duration, query, truth, None, key, None, options, right
    )
    further = {"question": (answer, None)} if asks else {}
    return Prediction(id, windows, None, None if asks else answer, failure, further), moment


def _listed(fields: dict[str, Any], key: str, where: str) -> Any:
    """The windows under `key`; one bare [start, end] becomes a list of one window."""
    if key not in fields:
        hint = "or name --annotations" if key == "span" else "null where nothing was predicted"
        raise BadInput(f"{where}: no `{key}`; add it ({hint})")
    value = fields[key]
    bare = isinstance(value, list) and len(value) == 2
    return [value] if bare and not any(isinstance(time, list) for time in value) else value


def _windows(value: Any, where: str) -> tuple[tuple[Window, ...], str | None]:
    """Windows and the failure of a list of [start, end] or [start, end, score]."""
    if value is None:
        return (), "no_window"
    _check_list(value, MOST_WINDOWS, where)
    for window in (window for window in value if window is not None):
        if not isinstance(window, list) or not 2 <= len(window) <= 3:
            raise BadInput(f"{where} holds no [start, end]: {shown(window)}; correct it")
        _check_numbers([number for number in window if not _is_null(number)], where)
    if not value or any(window is None or any(map(_is_null, window)) for window in value):
        return (), "no_window"
    if len(set(map(len, value))) > 1:
        raise BadInput(f"{where} has windows with a score and without; give all one or none")
    windows = tuple(tuple(map(float, window)) for window in value)
    return windows, "reversed" if windows[0][0] > windows[0][1] else None


def _clips(value: Any, where: str) -> tuple[float, ...]:
    """One number for each clip, or none where one of them is null."""
    if value is None:
        return ()
    _check_list(value, MOST_CLIPS, where)
    _check_numbers([number for number in value if not _is_null(number)], where)
    return () if any(map(_is_null, value)) else tuple(map(float, value))


def _is_null(number: Any) -> bool:
    return number is None or (isinstance(number, float) and not math.isfinite(number))


def _check_list(value: Any, most: int, where: str) -> None:
    if not isinstance(value, list) or len(value) > most:
        what = f"{len(value)} of them" if isinstance(value, list) else shown(value)
        raise BadInput(f"{where} is no list of at most {most}: {what}; correct it")


def _check_numbers(values: list, where: str) -> None:
    for value in values:
        if not is_finite(value) or abs(value) > LARGEST:
            raise BadInput(f"{where} holds no finite number up to 1e12: {shown(value)}; correct it")


def _name(fields: dict[str, Any], key: str, where: str) -> str:
    """An id or video as text; whole numbers are names too."""
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise BadInput(f"{where}: {key} is no text or whole number: {shown(value)}; add it")
    return encodable(str(value))


def _text(fields: dict[str, Any], key: str, where: str) -> str | None:
    """A text, or None where it is null, empty or absent."""
    value = fields.get(key)
    if value is not None and not isinstance(value, str):
        raise BadInput(f"{where}: {key} is no text: {shown(value)}; correct it")
    return encodable(value) if value else None
