"""Variants against each other: joined seeds and paired differences of one benchmark's scores."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from groundvts.errors import BadInput
from groundvts.metrics.bootstrap import Resampled, resampled
from groundvts.metrics.moments import columns

Record = dict[str, Any]
Numbers = dict[str, dict[str, float]]


def compare_runs(
    records: Mapping[str, Sequence[Record]],
    resamples: int = 10_000,
    seed: int = 0,
    seeds: Mapping[str, int | None] | None = None,
) -> dict[str, Any]:
    """Score records by variant (one a seed): the variants' intervals and every pair's difference.

    {"variants": {name: {"runs", "seeds", "metrics": {metric: {value, low, high}}, "by_seed": {run:
    {metric: value}}, "kept": {run: visual tokens of a query, or None}}}, "pairs": [{"ours",
    "theirs", "seeds", "metrics": {metric: {value, low,
    high, p}}}]}, in percent and points; the later variant of a pair is ours. `seeds` are those of
    the runs (None where none enters); a record's "seeds" says how many its intervals cover. A
    variant has the metrics that count for a query in each of its records, a pair those of both.
    All variants see the same drawn videos, and what both of a pair did with one seed is paired;
    see `metrics.bootstrap`. Raises BadInput unless all hold the scores of the same queries.
    """
    names, found = _resampled(records, resamples, seed, seeds)
    variants = {
        name: {
            "runs": [record["run"] for record in records[name]],
            "seeds": _count(of),
            "metrics": _numbers(names, np.clip(of.interval()[:3], 0, 100)),
            "by_seed": {
                record["run"]: {n: float(v) for n, v in zip(names, row, strict=True) if v == v}
                for record, row in zip(records[name], of.value_SM, strict=True)
            },
            "kept": {record["run"]: record.get("kept") for record in records[name]},
        }
        for name, of in found.items()
    }
    pairs = []
    for theirs, ours in combinations(found, 2):
        less = found[ours].less(found[theirs])
        pairs.append(
            {"ours": ours, "theirs": theirs, "seeds": _count(less)} | _difference(names, less)
        )
    return {"variants": variants, "pairs": pairs}


def compare(ours: Record, theirs: Record, resamples: int = 10_000, seed: int = 0) -> Numbers:
    """{metric: {value, low, high, p}}: paired differences (points) of two score records.

    Raises BadInput unless both hold the scores of the same queries.
    """
    names, found = _resampled({"ours": [ours], "theirs": [theirs]}, resamples, seed)
    metrics = _difference(names, found["ours"].less(found["theirs"]))["metrics"]
    if not metrics:
        raise BadInput("the records share no metric; score both with the same benchmark")
    return metrics


def _count(found: Resampled) -> int:
    """How many seeds an interval covers; 0 where none enters."""
    return 0 if found.seeds == (None,) else len(found.seeds)


def _difference(names: Sequence[str], less: Resampled) -> dict[str, Numbers]:
    value, low, high, p = less.interval()
    return {"metrics": _numbers(names, (value, *np.clip((low, high), -100, 100), p))}


def _resampled(
    records: Mapping[str, Sequence[Record]],
    resamples: int,
    seed: int,
    seeds: Mapping[str, int | None] | None = None,
) -> tuple[list[str], dict[str, Resampled]]:
    """All metrics, and each variant's resampled values of them, NaN where it lacks one."""
    every = [(name, record) for name, group in records.items() for record in group]
    first_name, first = every[0]
    for name, record in every:
        if record["dataset"] != first["dataset"]:
            both = f"{first['dataset']} and {record['dataset']}"
            raise BadInput(f"{first_name} and {name} are of {both}; compare one benchmark")
    names = list(dict.fromkeys(metric for _, record in every for metric in record["scores"]))
    keys = _keys(first)
    runs = []
    for name, group in records.items():
        rows = [_rows(record, keys, f"{first_name} and {name}") for record in group]
        scored = [
            columns(_aligned(record, names, order))
            for record, order in zip(group, rows, strict=True)
        ]
        runs.append(tuple(np.stack(part_SNM) for part_SNM in zip(*scored, strict=True)))
    videos = first["queries"]["video"]
    known = seeds and [[seeds[record["run"]] for record in group] for group in records.values()]
    found = resampled(runs, videos, resamples, seed, known)
    return names, dict(zip(records, found, strict=True))


def _keys(record: Record) -> list[tuple]:
    """What identifies each query: its video, its words, and the how manieth of these it is.

    Ids do not: in lists of self-contained records they are places in the file. A record without
    the words is identified by its ids.
    """
    queries, times = record["queries"], Counter()
    keys = []
    for pair in zip(queries["video"], queries.get("query", queries["id"]), strict=True):
        keys.append((*pair, times[pair]))
        times[pair] += 1
    return keys


def _rows(record: Record, keys: Sequence[tuple], names: str) -> list[int]:
    """Where each query of `keys` stands in a record."""
    place = {key: row for row, key in enumerate(_keys(record))}
    if odd := sorted(set(keys) ^ set(place)):
        shown = ", ".join(f"{query!r:.60} of {video}" for video, query, _ in odd[:5])
        raise BadInput(f"{names} hold different queries, such as {shown}; score the same queries")
    return [place[key] for key in keys]


def _aligned(record: Record, names: Sequence[str], rows: Sequence[int]) -> dict[str, np.ndarray]:
    """Each metric's score_N in another order; NaN where the query does not count."""
    lacking = [None] * len(rows)
    return {name: np.array(record["scores"].get(name, lacking), float)[rows] for name in names}


def _numbers(names: Sequence[str], found: Sequence[np.ndarray]) -> Numbers:
    """{metric: {value, low, high and, of a difference, p}} of the metrics that have a value."""
    keys = ("value", "low", "high", "p")
    return {
        name: dict(zip(keys, map(float, row), strict=False))
        for name, *row in zip(names, *found, strict=True)
        if not np.isnan(row[0])
    }
