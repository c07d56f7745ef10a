"""The folder of a stage's checkpoints: one training at a time; only whole ones are continued.

Of a stage that has come to its end, the adapter is kept there instead of the checkpoints: where its
output is lost, it is taken over.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from groundvts.errors import BadInput
from groundvts.escape import log
from groundvts.records import write_json

STARTED_BY = "processes.json"  # in each checkpoint: who can continue it, and how long it took
STATE = "trainer_state.json"  # in each checkpoint, written last: it is whole
FINISHED, MEASURED = "finished", "measured.json"  # the folder of an adapter; written last there


def checkpoints(folder: Path) -> list[Path]:
    """All checkpoints, the newest last, whole or not."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def discard(folder: Path) -> None:
    """Deletes a checkpoint or a finished adapter; half deleted, it is none."""
    for name in (STATE, MEASURED):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder)


def finish(folder: Path, adapter: Path, measured: dict) -> None:
    """Keeps a copy of the adapter of a stage that was trained to its end, and what was measured."""
    kept = folder / FINISHED
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(adapter, kept)
    write_json(kept / MEASURED, measured)


def take_over(folder: Path, adapter: Path) -> dict | None:
    """Copies a kept adapter to `adapter`; what was measured, or None where there is none."""
    kept = folder / FINISHED
    if not (kept / MEASURED).exists():
        return None
    shutil.copytree(kept, adapter, ignore=shutil.ignore_patterns(MEASURED))
    return json.loads((kept / MEASURED).read_text(encoding="utf-8"))


def last_checkpoint(folder: Path, started_by: dict) -> Path | None:
    """The newest checkpoint that was written whole and leaves a step to do, or None.

    Its trainer state is written last, when every process has written its part. (From a finished
    checkpoint transformers' Trainer would do one step too many.) BadInput where the states in it
    are those of other processes than `started_by`.
    """
    for path in reversed(checkpoints(folder)):
        try:
            state = json.loads((path / STATE).read_text(encoding="utf-8"))
            left = state["global_step"] < state["max_steps"]
        except (OSError, ValueError):
            discard(path)
            continue
        if left:
            _check_processes(path, started_by)
            return path
    return None


def _check_processes(checkpoint: Path, started_by: dict) -> None:
    written_by = json.loads((checkpoint / STARTED_BY).read_text(encoding="utf-8"))
    written_by = {key: written_by[key] for key in started_by}
    if written_by != started_by:
        words = ", ".join(f"{key} {value}" for key, value in written_by.items())
        raise BadInput(
            f"{checkpoint}: written with {words}: continue with the same launcher, or remove the "
            "folder to start the stage anew"
        )


@contextmanager
def checkpoint_folder(folder: Path, fingerprint: str):
    """Holds the operating system's lock on `folder` while a stage trains there.

    A process that still trains the stage is waited for. What is left of other settings, inputs or
    code (another `fingerprint`) is discarded.
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
        marker = folder / "fingerprint"
        if not marker.exists() or marker.read_text(encoding="utf-8") != fingerprint:
            left = [path for path in (*checkpoints(folder), folder / FINISHED) if path.exists()]
            if left:
                names = ", ".join(path.name for path in left)
                log(f"{folder}: settings, data or code have changed since: discarding {names}")
            for path in left:
                discard(path)
            marker.write_text(fingerprint, encoding="utf-8")
        yield folder
