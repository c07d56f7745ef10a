"""Answers kept as they come, so that a run that is killed and started again repeats none.

Notable: a line of a file is a batch, written and synced at once: a batch counts whole or not at
all, and the batches of the run that goes on are those of an uninterrupted one. Each process writes
a file of its own and takes over what lies in all of them, so that work may be shared out anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from groundvts.data.files import naming
from groundvts.escape import log
from groundvts.inference.batches import Batch, Shard

OURS = re.compile(r"[0-9a-f]{64}\.\d+-of-\d+\.jsonl")  # <fingerprint>.<shard>.jsonl


class Journal:
    """The lines of answered moments by id, and the seconds their batches took by stage.

    Without `file` nothing is kept beyond the process.
    """

    def __init__(self, file: BinaryIO | None = None, known: list[dict] | None = None) -> None:
        self._file, self._known = file, known or []
        self.lines: dict[str, dict] = {}
        self.taken_over = 0
        self.seconds: dict[str, float] = {}

    def take_over(self, batches: list[Batch]) -> list[Batch]:
        """Takes what is known of `batches`; returns those that are still to be asked."""
        wanted = {tuple(moment.id for moment in batch) for batch in batches}
        for entry in self._known:
            ids = tuple(line["id"] for line in entry["lines"])
            if ids in wanted and ids[0] not in self.lines:
                self._count(entry)
        self._known, self.taken_over = [], len(self.lines)
        return [batch for batch in batches if batch[0].id not in self.lines]

    def add(self, lines: list[dict], seconds: dict[str, float]) -> None:
        """Counts an answered batch; with a file it is on the disk when this returns."""
        entry = {"lines": lines, "seconds": seconds}
        if self._file is not None:
            text = json.dumps(entry, ensure_ascii=False, allow_nan=False)
            with naming(self._file.name):
                self._file.write(text.encode() + b"\n")
                self._file.flush()
                os.fsync(self._file.fileno())
        self._count(entry)

    def _count(self, entry: dict) -> None:
        self.lines |= {line["id"]: line for line in entry["lines"]}
        for stage, spent in entry["seconds"].items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

    def speed(self) -> dict:
        """Queries asked, how many were taken over, and what all of them took, for the record."""
        spent, asked = sum(self.seconds.values()), len(self.lines)
        return {
            "queries": asked,
            "taken_over": self.taken_over,
            "queries_per_second": asked / spent if spent else None,
            "stage_seconds": self.seconds,
        }


@contextmanager
def open_journal(folder: Path, fingerprint: str, shard: Shard) -> Iterator[Journal]:
    """The journal of one process in `folder`, locked; it knows what others of its kind wrote.

    Files of another `fingerprint` (other settings, inputs, code, libraries or device) are left
    alone. A process that still writes the same file is waited for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f"{fingerprint}.{shard}.jsonl"
    with open(own, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(f"{own}: another process still answers here: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        known, whole = read_batches(own)
        if whole < own.stat().st_size:
            log(f"{own}: the last batch was not written whole: asked again")
            file.truncate(whole)
        for other in sorted(folder.glob(f"{fingerprint}.*.jsonl")):
            known += read_batches(other)[0] if other != own else []
        yield Journal(file, known)


def read_batches(path: Path) -> tuple[list[dict], int]:
    """The whole batches at the start of a journal's file, and the bytes that they take."""
    found, whole = [], 0
    with open(path, "rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
                good = line.endswith(b"\n") and all(row["id"] for row in entry["lines"])
            except (ValueError, LookupError, TypeError):
                good = False
            if not good:
                break
            found.append(entry)
            whole += len(line)
    return found, whole


def forget_others(folder: Path, fingerprint: str) -> None:
    """Deletes what was answered under other fingerprints, and no other file."""
    for path in folder.glob("*.jsonl"):
        if OURS.fullmatch(path.name) and not path.name.startswith(fingerprint):
            path.unlink()
