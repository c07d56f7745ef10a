"""The folder of a stage's checkpoints: one training at a time; only whole ones are continued.

A checkpoint is sealed when every process has written its part: a file written last holds what is
told of it and the hash of each file. Of a stage that has come to its end, the adapter is kept there
instead of the checkpoints, sealed too: where its output is lost, it is taken over.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path

from groundvts.data.files import remove, whole_folder
from groundvts.errors import BadInput
from groundvts.escape import log
from groundvts.records import fingerprint, hash_path, read_record, write_json

SEAL = "whole.json"
FINISHED, ASIDE = "finished", "set-aside"


def checkpoints(folder: Path) -> list[Path]:
    """All checkpoints, the newest last, whole or not."""
    found = (path for path in folder.glob("checkpoint-*") if path.name[11:].isdecimal())
    return sorted(found, key=lambda path: int(path.name[11:]))


def seal(folder: Path, told: dict) -> None:
    """Writes what is told of a folder and the hashes of all that lies there."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != SEAL)
    told = {**told, "files": {str(path.relative_to(folder)): hash_path(path) for path in files}}
    write_json(folder / SEAL, {**told, "sha256": fingerprint(told, {})})


def sealed(folder: Path) -> dict:
    """What is told of a whole folder; BadInput names the file that is not as it was written."""
    if not (folder / SEAL).exists():
        raise BadInput(f"{folder}: was not written to its end")
    try:
        told = read_record(folder / SEAL)
    except BadInput:
        told = {}
    if told.pop("sha256", None) != fingerprint(told, {}):
        raise BadInput(f"{folder / SEAL}: is not as it was written")
    for name, digest in told.pop("files").items():
        if hash_path(folder / name) != digest:
            raise BadInput(f"{folder / name}: is not as it was written")
    return told


def discard(folder: Path) -> None:
    """Deletes a checkpoint or a finished adapter; half deleted, it is none."""
    with suppress(OSError):
        (folder / SEAL).unlink()
    remove(folder)


def finish(folder: Path, adapter: Path, measured: dict) -> None:
    """Keeps a copy of the adapter of a stage that was trained to its end, and what was measured."""
    with whole_folder(folder / FINISHED, SEAL) as kept:
        shutil.copytree(adapter, kept, dirs_exist_ok=True)
        seal(kept, measured)


def take_over(folder: Path, adapter: Path) -> dict | None:
    """Copies a kept adapter to `adapter`; what was measured, or None where none is whole."""
    kept = folder / FINISHED
    measured = _whole(kept) if kept.exists() else None
    if measured is not None:
        shutil.copytree(kept, adapter, ignore=shutil.ignore_patterns(SEAL), dirs_exist_ok=True)
    return measured


def last_checkpoint(folder: Path, started_by: dict) -> Path | None:
    """The newest checkpoint that is whole and leaves a step to do, or None.

    (From a finished checkpoint transformers' Trainer would do one step too many.) BadInput where
    the states in it are those of other processes than `started_by`.
    """
    for path in reversed(checkpoints(folder)):
        told = _whole(path)
        if told and told["left"] > 0:
            written_by = {key: told[key] for key in started_by}
            if written_by != started_by:
                words = ", ".join(f"{key} {value}" for key, value in written_by.items())
                raise BadInput(f"{path}: written with {words}: continue with the same launcher, or "
                               "move the folder away to start the stage anew")  # fmt: skip
            return path
    return None


def _whole(folder: Path) -> dict | None:
    """What is told of a whole folder; one that is not is discarded, with a note."""
    try:
        return sealed(folder)
    except (BadInput, OSError) as error:
        log(f"{error}: {folder.name} is of no use: going on without it")
        discard(folder)
        return None


@contextmanager
def checkpoint_folder(folder: Path, identity: dict[str, str]):
    """Holds the operating system's lock on `folder` while a stage trains there.

    A process that still trains the stage is waited for. What another training left (one of another
    `identity`: hashes by what they are of) is set aside, and taken back when that is asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            log(f"{folder}: process {lock.read().strip()} still trains here: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        _set_aside(folder, identity)
        yield folder


def _set_aside(folder: Path, identity: dict[str, str]) -> None:
    """Moves what is of another training out of the way, and what is of this one back."""
    marker, left = folder / "identity.json", _work(folder)
    before = read_record(marker) if marker.exists() else {}
    if left and before != identity:
        changed = ", ".join(name for name in identity if before.get(name) != identity[name])
        away = folder / ASIDE / fingerprint(before, {})[:8]
        while away.exists():
            away = away.with_name(f"{away.name}-again")
        log(f"{folder}: another {changed} than before: {_move(left, away)} set aside in {away}: "
             "taken back when all is as before; delete that folder to free its space")  # fmt: skip
    write_json(marker, identity)
    kept = folder / ASIDE / fingerprint(identity, {})[:8]
    if back := _work(kept):
        log(f"{folder}: {_move(back, folder)} taken back from {kept}")


def _work(folder: Path) -> list[Path]:
    return [path for path in (*checkpoints(folder), folder / FINISHED) if path.exists()]


def _move(paths: list[Path], folder: Path) -> str:
    """Moves folders into another; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    return ", ".join(path.rename(folder / path.name).name for path in paths)
