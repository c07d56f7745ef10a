"""A content-addressed store of arrays: one file for each key, written once, read memory-mapped.

Notable: it does not know what it stores. Many processes may write at once: a key names one
content, and an array appears under it whole or not at all. A checksum stands behind each array and
is compared when it is first read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from groundvts.data.files import sweep, writing
from groundvts.errors import BadInput, RunFailed
from groundvts.records import hash_path, write_json

WRITING = ".writing"  # folder of temporary files
GB = 1e9
DIGEST = hashlib.sha256().digest_size  # bytes behind an array


class Store:
    """Arrays below `folder`, each with a few facts about it; the folder need not exist yet.

    Keys are hexadecimal digests.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.checked: set[str] = set()

    def _path(self, key: str, suffix: str = ".npy") -> Path:
        return self.folder / key[:2] / f"{key}{suffix}"

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file() and self._path(key, ".json").is_file()

    def prepare(self) -> None:
        """Makes the folder and deletes the temporary files of processes that are gone."""
        try:
            (self.folder / WRITING).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise BadInput(f"{self.folder}: cannot be made ({reason}); name another") from None
        sweep(self.folder / WRITING, "")

    def put(self, key: str, array: np.ndarray, facts: dict[str, Any]) -> int:
        """Writes `array` (not empty) and `facts` (JSON) under `key`; returns the bytes written.

        Raises RunFailed where the folder cannot be written.
        """
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = self.folder / WRITING
            with writing(self._path(key, ".json"), beside) as partial:
                partial.write_text(json.dumps(facts) + "\n")
            with writing(path, beside) as partial, open(partial, "w+b") as file:  # last
                np.save(file, array, allow_pickle=False)
                file.seek(0)
                file.write(_digest(key, facts, file.read()))
        except OSError as error:
            reason = error.strerror or error
            raise RunFailed(f"{self.folder}: cannot be written ({reason}); make room") from error
        return path.stat().st_size

    def get(self, key: str) -> np.ndarray:
        """The array, memory-mapped copy-on-write: who changes it changes their own view only."""
        if key not in self.checked:
            self.check(key)
            self.checked.add(key)
        return self._read(key, ".npy", lambda path: np.load(path, mmap_mode="c"))

    def check(self, key: str) -> None:
        """BadInput where the array of `key` or its facts are gone or not as they were written."""
        content = self._read(key, ".npy", lambda path: np.memmap(path, mode="r"))
        if _digest(key, self.facts(key), content[:-DIGEST]) != content[-DIGEST:].tobytes():
            raise _damaged(self._path(key), "its checksum differs")

    def facts(self, key: str) -> dict[str, Any]:
        """What was said about the array of `key`."""
        return self._read(key, ".json", lambda path: json.loads(path.read_text(encoding="utf-8")))

    def _read(self, key: str, suffix: str, read) -> Any:
        path = self._path(key, suffix)
        try:
            return read(path)
        except FileNotFoundError:
            raise BadInput(f"{path}: gone from the store; build it again") from None
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(path, error) from None

    @property
    def bytes(self) -> int:
        """Size of all files."""
        files = (Path(root, name) for root, _, names in os.walk(self.folder) for name in names)
        return sum(_size(file) for file in files)


class Room:
    """How much a store may still take: up to `limit_gb` GB in all, and what the disk has free.

    `remedy` tells the user what to do where that is not enough.
    """

    def __init__(self, store: Store, limit_gb: float | None, remedy: str) -> None:
        self.folder, self.limit_gb, self.remedy = store.folder, limit_gb, remedy
        self.used, self.free = store.bytes, shutil.disk_usage(store.folder).free

    def check(self, need: float) -> None:
        """BadInput where `need` more bytes do not fit."""
        total = (self.used + need) / GB
        if self.limit_gb is not None and total > self.limit_gb:
            lack = f"would hold {total:.3g} GB, more than the limit of {self.limit_gb:g} GB"
        elif need > self.free:
            lack = f"{need / GB:.3g} GB more are needed, and {self.free / GB:.3g} GB are free"
        else:
            return
        raise BadInput(f"{self.folder}: {lack}; {self.remedy}")


class FileHashes:
    """sha256 of files, remembered in the JSON file `memo` by path, size and time of change.

    A memo that is lost or damaged only costs time.
    """

    def __init__(self, memo: Path) -> None:
        self.memo = memo
        self.known, self.new = self._load(), {}

    def _load(self) -> dict[str, list]:
        try:
            known = json.loads(self.memo.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def of(self, path: Path) -> str:
        """sha256 of a regular file; raises OSError where it cannot be read."""
        name, about = str(path.absolute()), path.stat()
        stamp = [about.st_size, about.st_mtime_ns]
        match self.known.get(name):
            case [size, changed, str(found)] if [size, changed] == stamp:
                return found
        found = hash_path(path)
        self.new[name] = [*stamp, found]
        return found

    def save(self) -> None:
        if self.new:
            with contextlib.suppress(OSError):
                write_json(self.memo, self._load() | self.new)


def read_index(index: Path, needed: tuple[str, ...], facts: tuple[str, ...]) -> tuple[dict, Store]:
    """An index of stored arrays, and their store, which it names relative to its own folder.

    Beside what is `needed` it has `videos`, a key and the `facts` for each id, and `failed`, the
    reason for others. Raises BadInput where it is broken or the store lacks a key.
    """
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        store = Store(os.path.normpath(index.parent.resolve() / content["store"]))
        videos, _ = content["videos"].items(), content["failed"].items()
        _ = [content[name] for name in needed]
        lacking = {name: [f for f in ("key", *facts) if f not in entry] for name, entry in videos}
        gone = [name for name, entry in videos if lacking[name] or entry["key"] not in store]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__} {error}"
        raise BadInput(f"{index}: not a whole index ({reason}); build it again") from None
    if gone:
        name = gone[0]
        why = f"lacks {lacking[name][0]}" if lacking[name] else f"is gone from {store.folder}"
        raise BadInput(f"{index}: video {name} {why}; delete {index} and build it again")
    return content, store


def _digest(key: str, facts: dict[str, Any], content: bytes | np.ndarray) -> bytes:
    """What stands behind an array: of its key, its facts and its bytes."""
    named = json.dumps([key, facts], sort_keys=True).encode()
    return hashlib.sha256(named + hashlib.sha256(content).digest()).digest()


def _damaged(path: Path, why: object) -> BadInput:
    return BadInput(f"{path}: damaged ({why}); delete it and the index, and build them again")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # a temporary file that another process has just renamed
        return 0
