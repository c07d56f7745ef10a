"""Files of data, read whole and written whole or not at all."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from groundvts.errors import BadInput


def read_jsonl(path: str | Path) -> list[tuple[int, dict[str, Any]]]:
    """All objects of a JSONL file with their lines (from 1); blank lines are passed over.

    Raises BadInput with file and line for a line that is no JSON object, or if there is none.
    """
    rows = []
    for line, text in enumerate(read_bytes(path).split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise BadInput(f"{path}, line {line}: not a JSON object; correct or remove the line")
        rows.append((line, fields))
    if not rows:
        raise BadInput(f"{path}: holds no record; check that it is the right file")
    return rows


def write_jsonl(path: str | Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, whole or not at all (temporary file beside, then renamed)."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def replaceable(out: Path, record: Path) -> None:
    """BadInput where `out` is there with no `record`, which what we have written has."""
    empty = out.is_dir() and not any(out.iterdir())
    if os.path.lexists(out) and not empty and not record.is_file():
        raise BadInput(f"{out}: is there already, and not ours to replace (no {record}): name "
                       "another folder or delete it")  # fmt: skip


@contextmanager
def whole_folder(out: str | Path) -> Iterator[Path]:
    """An empty folder to write into, which takes `out`'s place when the block has ended well.

    The block writes `record.json` there; BadInput where `out` is a folder without one. One who is
    killed leaves `out.part`, which the next begins anew; one who still writes is waited for.
    """
    out = Path(out)
    replaceable(out, out / "record.json")
    partial = out.with_name(f"{out.name}.part")
    lock = _locked(partial)
    try:
        for path in partial.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield partial
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def _locked(folder: Path) -> int:
    """A lock (an open file) on `folder`, which is made; it goes with the process."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), folder.stat()):  # else it has been renamed
                    return lock
            os.close(lock)


def read_bytes(path: str | Path) -> bytes:
    """The whole file. Raises BadInput if it cannot be read."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise BadInput(f"{path}: not a regular file; give the file itself")
        return Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}; check the path") from None
