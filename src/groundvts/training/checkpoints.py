"""The folder of a stage's checkpoints: one training at a time; only whole ones are continued."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

from groundvts.errors import BadInput

STARTED_BY = "processes.json"  # in each checkpoint: who can continue it


def last_checkpoint(folder: Path, started_by: dict) -> Path | None:
    """The newest checkpoint that was written whole and leaves a step to do, or None.

    Its trainer state is written last, when every process has written its part. (From a finished
    checkpoint transformers' Trainer would do one step too many.) BadInput where the states in it
    are those of other processes than `started_by`.
    """
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for path in reversed(found):
        try:
            state = json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            left = state["global_step"] < state["max_steps"]
        except (OSError, ValueError):
            shutil.rmtree(path)
            continue
        if left:
            _check_processes(path, started_by)
            return path
    return None


def _check_processes(checkpoint: Path, started_by: dict) -> None:
    written_by = json.loads((checkpoint / STARTED_BY).read_text(encoding="utf-8"))
    if written_by != started_by:
        words = ", ".join(f"{key} {value}" for key, value in written_by.items())
        raise BadInput(
            f"{checkpoint}: written with {words}: continue with the same launcher, or remove the "
            "folder to start the stage anew"
        )


@contextmanager
def checkpoint_folder(folder: Path, fingerprint: str):
    """Holds the operating system's lock on `folder` while a stage trains there.

    A process that still trains the stage is waited for. Checkpoints of other settings or inputs
    (another `fingerprint`) are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            print(f"{folder}: process {lock.read().strip()} still trains here: waiting for it",
                  file=sys.stderr, flush=True)  # fmt: skip
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        marker = folder / "fingerprint"
        if not marker.exists() or marker.read_text(encoding="utf-8") != fingerprint:
            for path in folder.glob("checkpoint-*"):
                shutil.rmtree(path)
            marker.write_text(fingerprint, encoding="utf-8")
        yield folder
