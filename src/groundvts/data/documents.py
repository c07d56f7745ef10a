"""Published JSON, JSONL and CSV files, read with every fault named."""

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from groundvts.data.entry import LEFT_OUT, REPLACED, Entry, Finding, shown
from groundvts.data.files import read_bytes
from groundvts.errors import BadInput

Published = Iterator[Entry | Finding]
LONGEST_INTEGER = 400  # digits; floats end at 309


@dataclass(frozen=True)
class Row:
    """One object of a file: a JSONL line, an item of a list or the value of a key (its `name`)."""

    file: str
    line: int | None
    key: str | None
    fields: dict[str, Any]
    notes: tuple[tuple[str, str], ...] = ()
    name: str | None = None

    def left_out(self, kind: str, detail: str) -> Finding:
        return Finding(kind, self.file, self.line, self.key, None, detail, action=LEFT_OUT)


class Repeated(dict):
    """A JSON object in which a key stands twice: a dict of the last values, and all pairs."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def entries(rows: Iterable[Row | Finding], read: Callable[[Row], Published]) -> Published:
    """What `read` makes of every row; findings pass through in their place."""
    for row in rows:
        if isinstance(row, Finding):
            yield row
        else:
            yield from read(row)


def read_rows(path: Path, own: Iterable[str] = ()) -> Iterator[Row | Finding]:
    """The objects of a JSONL file, or of a JSON document that holds a list or an object of them.

    An object with one of the keys `own` is itself what is looked for. Raises BadInput for a file
    that cannot be read, and for a broken document with its line.
    """
    return read_jsonl_rows(path) if _is_jsonl(path, own) else read_document_rows(path, own)


def read_jsonl_rows(path: Path) -> Iterator[Row | Finding]:
    """The objects of a JSONL file. Raises BadInput for a file that cannot be read."""
    for line, text, notes in read_lines(path):
        keys: Counter[str] = Counter()
        fields = _object(text, keys)
        twice = [("duplicate_key", f"key stands twice: {shown(k)}; the last counts") for k in keys]
        row = Row(str(path), line, None, fields, (*notes, *twice))
        wrong = f"not a JSON object: {shown(text)}"
        yield row if fields is not None else row.left_out("unreadable_line", wrong)


def read_document_rows(path: Path, own: Iterable[str] = ()) -> Iterator[Row | Finding]:
    """The objects of a JSON document that holds a list, alone in an object or not, or many of them.

    Raises BadInput for a file that cannot be read, and for a broken document with its line.
    """
    document, findings = read_document(path)
    if isinstance(document, dict):
        lists = [item for item in document.values() if isinstance(item, list)]
        if not document.keys().isdisjoint(own):
            document = [document]
        elif len(lists) == 1 and not any(isinstance(item, dict) for item in document.values()):
            document = lists[0]
    if isinstance(document, list):
        pairs = [(None, item) for item in document]
    elif isinstance(document, dict):
        pairs = document.pairs if isinstance(document, Repeated) else list(document.items())
    else:
        raise BadInput(f"{path}: holds no list and no object; give the published file")
    yield from findings
    for place, (name, fields) in enumerate(pairs):
        row = Row(str(path), None, f"[{place}]" if name is None else name, fields, name=name)
        wrong = f"not an object: {shown(fields)}"
        yield row if isinstance(fields, dict) else row.left_out("unreadable_entry", wrong)


def read_lines(path: Path) -> Iterator[tuple[int, str, tuple[tuple[str, str], ...]]]:
    """Line number, text and notes of every line that is not blank; CR before LF is no text."""
    for number, raw in enumerate(read_text_bytes(path).split(b"\n"), start=1):
        raw = raw.removesuffix(b"\r")
        if raw.strip():
            notes = tuple(("not_utf8", detail) for detail in broken_lines(raw).values())
            yield number, raw.decode("utf-8", errors="replace"), notes


def read_document(path: Path) -> tuple[Any, list[Finding]]:
    """A JSON document and the findings on its bytes and keys.

    Raises BadInput for a file that cannot be read or is no JSON, with the line.
    """
    data = read_text_bytes(path)
    findings = [
        Finding("not_utf8", str(path), line, None, None, detail, action=REPLACED)
        for line, detail in broken_lines(data).items()
    ]
    keys: Counter[str] = Counter()
    try:
        document = parse(data.decode("utf-8", errors="replace"), keys)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"{path}, line {error.lineno}: not valid JSON ({error.msg}); give the published file"
        ) from None
    except RecursionError:
        raise BadInput(f"{path}: nested too deeply for JSON; give the published file") from None
    top = set(document) if isinstance(document, Repeated) else set()
    for key in keys:
        action = "every entry is read" if key in top else "the last value counts"
        detail = f"key stands twice in one object: {shown(key)}"
        findings.append(Finding("duplicate_key", str(path), None, key, None, detail, action=action))
    return document, findings


def parse(text: str, keys: Counter[str]) -> Any:
    """A JSON value; keys that stand twice in an object are added to `keys`.

    NaN and infinities are read, and whole numbers beyond all floats become infinite.
    Raises json.JSONDecodeError or RecursionError.
    """

    def read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) == len(pairs):
            return fields
        keys.update(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        return Repeated(pairs)

    def integer(digits: str) -> int | float:
        return int(digits) if len(digits) < LONGEST_INTEGER else float(digits)

    try:
        return json.loads(text, object_pairs_hook=read_object)
    except json.JSONDecodeError:
        raise
    except ValueError:  # more digits than Python converts
        return json.loads(text, object_pairs_hook=read_object, parse_int=integer)


def read_csv(path: Path, columns: Iterable[str]) -> Iterator[Row | Finding]:
    """The rows of a CSV file with a header, values as text.

    Raises BadInput with the line for a missing column and for what is no CSV.
    """
    data = read_text_bytes(path)
    broken = broken_lines(data)
    text = io.StringIO(data.decode("utf-8", errors="replace"), newline="")
    rows = csv.reader(text, strict=True)
    try:
        header = next(rows, [])
        missing = [name for name in columns if name not in header]
        if missing:
            raise BadInput(
                f"{path}, line 1: no column{'s'[: len(missing) > 1]} "
                f"{' and '.join(f'`{name}`' for name in missing)}; give the published CSV"
            )
        line = rows.line_num + 1
        for values in rows:
            notes = [("not_utf8", broken[n]) for n in range(line, rows.line_num + 1) if n in broken]
            row = Row(str(path), line, None, dict(zip(header, values, strict=False)), tuple(notes))
            line = rows.line_num + 1
            if values and len(values) != len(header):
                yield row.left_out("unreadable_line", f"{len(values)} fields, not {len(header)}")
            elif values:
                yield row
    except csv.Error as error:
        raise BadInput(f"{path}, line {rows.line_num}: not CSV ({error}); correct it") from None


def captions(row: Row, video: Any, duration: Any, numbers: Counter, joint: str = "-") -> Published:
    """One entry per pair of `timestamps` and `sentences`; ids count on in `numbers` per video."""
    times, sentences = row.fields.get("timestamps"), row.fields.get("sentences")
    if not (isinstance(times, list) and isinstance(sentences, list)):
        yield row.left_out("unreadable_entry", "no lists `timestamps` and `sentences`")
        return
    absent = object()
    for place, (window, query) in enumerate(zip_longest(times, sentences, fillvalue=absent)):
        name = f"{video}{joint}{numbers[video]}" if isinstance(video, str) else None
        key = f"{row.key}[{place}]"
        numbers[video if isinstance(video, str) else None] += 1
        entry = Entry(row.file, None, key, name, video, query, duration, [window], notes=row.notes)
        if window is absent or query is absent:
            counts = f"{len(times)} timestamps, {len(sentences)} sentences"
            yield entry.left_out("length_mismatch", f"no partner: {counts}")
        else:
            yield entry


def read_text_bytes(path: Path) -> bytes:
    """The file's bytes without a byte order mark. Raises BadInput if it cannot be read."""
    return read_bytes(path).removeprefix(codecs.BOM_UTF8)


def broken_lines(data: bytes) -> dict[int, str]:
    """Lines (from 1) that are not UTF-8, and where they break."""
    broken = {}
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        for number, line in enumerate(data.split(b"\n"), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                broken[number] = f"byte {error.start + 1} of the line is not UTF-8"
    return broken


def _is_jsonl(path: Path, own: Iterable[str]) -> bool:
    """By its first two lines, else by its name (but where `own`, keys of a record, are given)."""
    text = read_text_bytes(path).decode("utf-8", errors="replace").strip()
    first = text.split("\n", 2)[:2]
    if len(first) > 1 and any(_object(line, Counter()) for line in first):
        return first[0].strip() != "["
    if text.startswith("[") or first[0].strip() == "{":
        return False
    alone = _object(text, Counter()) if own else None
    if alone:
        return not alone.keys().isdisjoint(own)
    return bool(own) or path.suffix.lower() == ".jsonl"


def _object(text: str, keys: Counter[str]) -> dict[str, Any] | None:
    """The JSON object that `text` is, or None."""
    try:
        value = parse(text, keys)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
