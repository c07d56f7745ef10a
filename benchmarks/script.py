"""What all benchmarks share: work that takes turns, its spread, videos, and the command line."""

from __future__ import annotations

import math
import statistics
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from groundvts.data.folder import SUFFIXES
from groundvts.errors import BadInput, RunFailed


def turns(names: Sequence, repeats: int) -> Iterator:
    """Each of `names` once a repeat; every other repeat the other way round."""
    for repeat in range(repeats):
        yield from names[:: -1 if repeat % 2 else 1]


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def videos_below(folder: str, most: int) -> dict[str, Path]:
    """At most `most` videos below `folder`, spread over all, by relative path; BadInput: none."""
    files = [path for path in sorted(Path(folder).rglob("*")) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise BadInput(f"{folder}: holds no videos; name a folder of video files")
    chosen = files[:: math.ceil(len(files) / most)]
    return {path.relative_to(folder).as_posix(): path for path in chosen}


def finish(parser: ArgumentParser, run: Callable[[Namespace], None]) -> int:
    """Runs a benchmark; its exit status, with one line where it fails."""
    try:
        run(parser.parse_args())
    except (BadInput, RunFailed) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    return 0
