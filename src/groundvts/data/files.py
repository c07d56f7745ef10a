"""Files of data, read whole and written whole or not at all."""

import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from groundvts.errors import BadInput, RunFailed

OURS = ".writing."  # begins the name of what is being written: process, token and machine follow
PROTECTED: list[str] = []  # what the verb of this process reads
ANEW = ("README.md", "*.html", "*.ipynb", "moments.jsonl", "validation.json")  # also where it reads
ABANDONED_S = 24 * 3600  # age of another machine's temporary file that nobody writes any more


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
    """Write one JSON object a line, whole or not at all."""
    with writing(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with writing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def protect(*paths: str | Path, only: bool = False) -> None:
    """Nothing here writes over `paths` any more, which a verb reads; of `only` them."""
    PROTECTED[:] = [*([] if only else PROTECTED), *(os.path.realpath(path) for path in paths)]


def keep(path: str | Path, whole: bool = False) -> None:
    """BadInput where writing `path`, a `whole` folder or a file, would change what is protected."""
    made = Path(os.path.realpath(path))
    for read in map(Path, PROTECTED):
        same = os.path.exists(made) and os.path.exists(read) and os.path.samefile(made, read)
        inside = made.is_relative_to(read) and os.path.isdir(read) and (whole or made.is_file())
        inside = inside and not any(made.match(name) for name in ANEW)
        if same or inside or made == read or (whole and read.is_relative_to(made)):
            raise BadInput(f"{read}: would be overwritten by what is made of it; name another "
                           f"place than {path}")  # fmt: skip


@contextmanager
def writing(path: str | Path, beside: Path | None = None) -> Iterator[Path]:
    """A file to write, which takes the place of `path` when the block has ended well.

    It lies in the folder of `path`, where what killed processes have left goes, or in `beside`, a
    folder for such files alone. An OSError names `path`. A pipe or terminal is written as it is.
    """
    path = Path(path)
    direct = path.exists() and not path.is_file() and not path.is_dir()
    keep(path)
    partial = path if direct else _own_name(*((beside, "") if beside else (path.parent, OURS)))
    with naming(path, partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
        if direct:
            yield path
            return
        if not beside:
            sweep(path.parent)
        try:
            yield partial
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def naming(path: str | Path, partial: Path | None = None) -> Iterator[None]:
    """An error of the operating system that names no file, or one of `partial`, names `path`.

    So does one that a library tells as text, such as "(os error 28)".
    """
    try:
        yield
    except (BadInput, RunFailed):
        raise
    except Exception as error:
        told = re.search(r"\(os error (\d+)\)", str(error))
        code = getattr(error, "errno", None) or (told and int(told[1]))
        file = str(getattr(error, "filename", None) or partial or path)
        if not code or not file.startswith(str(partial or path)):
            raise
        named = file.replace(str(partial), str(path)) if partial else file
        raise OSError(code, os.strerror(code), named) from error


def _own_name(folder: Path, begin: str = OURS) -> Path:
    return folder / f"{begin}{os.getpid()}.{secrets.token_hex(8)}.{socket.gethostname()}"


def sweep(folder: Path, begin: str = OURS) -> None:
    """Deletes what processes that are gone were writing in `folder`."""
    for path in folder.glob(f"{begin}[0-9]*.*.*"):
        process, _, host = path.name.removeprefix(begin).split(".", 2)
        with suppress(FileNotFoundError, PermissionError, ValueError):
            if host == socket.gethostname():
                with suppress(ProcessLookupError):
                    os.kill(int(process), 0)
                    continue
            elif time.time() - path.lstat().st_mtime < ABANDONED_S:
                continue
            remove(path)


def remove(path: Path) -> None:
    """Deletes a file, a folder with all in it, or a link alone."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def replaceable(out: Path, record: Path) -> None:
    """BadInput where `out` holds a file and no `record` is there, which what we wrote has."""
    held = out.rglob("*") if out.is_dir() else [out] if os.path.lexists(out) else []
    if any(not file.is_dir() for file in held) and not record.exists():
        raise BadInput(f"{out}: is there already, and not ours to replace (no {record}): name "
                       "another folder or delete it")  # fmt: skip


def part_of(out: Path) -> Path:
    """The folder in which `whole_folder` makes `out`."""
    return out.with_name(f".{out.name}.groundvts-part")


@contextmanager
def whole_folder(out: str | Path, record: str = "record.json") -> Iterator[Path]:
    """An empty folder to write into, which takes `out`'s place when the block has ended well.

    The block writes the file `record` there; BadInput where `out` is a folder without one. One who
    is killed leaves `part_of(out)`, which the next begins anew; one who still writes is waited for.
    """
    out = Path(out)
    keep(out, whole=True)
    partial, aside = part_of(out), _own_name(out.parent)
    with naming(out, partial):
        replaceable(out, out / record)
        lock = _locked(partial)
        try:
            sweep(out.parent)
            for path in partial.iterdir():
                remove(path)
            yield partial
            replaceable(out, out / record)
            if os.path.lexists(out):
                out.rename(aside)
            partial.rename(out)
            if os.path.lexists(aside):
                remove(aside)
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
