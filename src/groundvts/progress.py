"""Progress in the terminal: a bar where a person watches, percent lines where output is logged."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from groundvts.escape import log, plain

T = TypeVar("T")


class Progress:
    """Counts `total` steps of `label`; prints at most one line every ten seconds when logged."""

    def __init__(self, label: str, total: int, unit: str = "step", done: int = 0) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self.first = done
        self.started = self.printed = time.monotonic()
        self.bar = None
        if sys.stderr.isatty():
            self.bar = tqdm(desc=plain(label), total=total, unit=unit, initial=done)

    def update(self, steps: int = 1, note: str = "") -> None:
        """Counts `steps` more; `note` is shown behind the figures."""
        self.done += steps
        if self.bar is not None:
            self.bar.update(steps)
            self.bar.set_postfix_str(plain(note))
            return
        now = time.monotonic()
        if self.done >= self.total or now - self.printed >= 10:
            self.printed = now
            rate = (self.done - self.first) / max(now - self.started, 1e-9)
            share = 100 * self.done / max(self.total, 1)
            left = (self.total - self.done) / max(rate, 1e-9)
            text = f"{self.label}: {share:3.0f} %  {self.done}/{self.total} {self.unit}"
            log(f"{text}  {left:.0f} s left  {note}".rstrip())

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def track(items: Iterable[T], label: str, total: int, unit: str = "step") -> Iterator[T]:
    """Yields `items`, counting them."""
    progress = Progress(label, total, unit)
    for item in items:
        yield item
        progress.update()
    progress.close()
