"""Variants against each other: joined seeds and paired differences of one benchmark's scores."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from groundvts.errors import BadInput
from groundvts.metrics.bootstrap import Drawn, difference, interval, resampled
from groundvts.metrics.moments import columns

Record = dict[str, Any]
Numbers = dict[str, dict[str, float]]


def compare_runs(
    records: Mapping[str, Sequence[Record]], resamples: int = 10_000, seed: int = 0
) -> dict[str, Any]:
    """Score records by variant (one a seed): the variants' intervals and every pair's difference.

    {"variants": {name: {"runs", "metrics": {metric: {value, low, high}}}}, "pairs": [{"ours",
    "theirs", "metrics": {metric: {value, low, high, p}}}]}, in percent and points; the later
    variant of a pair is ours. Metrics are those that all records share and that count for a query
    in each. All variants see the same drawn videos; see `metrics.bootstrap`.
    Raises BadInput unless all hold the scores of the same queries.
    """
    names, drawn = _resampled(records, resamples, seed)
    variants = {
        name: {
            "runs": [record["run"] for record in records[name]],
            "metrics": _numbers(names, interval(values)),
        }
        for name, values in drawn.items()
    }
    pairs = [
        {"ours": ours, "theirs": theirs}
        | {"metrics": _numbers(names, difference(drawn[ours], drawn[theirs]))}
        for theirs, ours in combinations(drawn, 2)
    ]
    return {"variants": variants, "pairs": pairs}


def compare(ours: Record, theirs: Record, resamples: int = 10_000, seed: int = 0) -> Numbers:
    """{metric: {value, low, high, p}}: paired differences (points) of two score records.

    Raises BadInput unless both hold the scores of the same queries.
    """
    names, drawn = _resampled({"ours": [ours], "theirs": [theirs]}, resamples, seed)
    return _numbers(names, difference(drawn["ours"], drawn["theirs"]))


def _resampled(
    records: Mapping[str, Sequence[Record]], resamples: int, seed: int
) -> tuple[list[str], dict[str, Drawn]]:
    """The shared metrics, and each variant's resampled values of them."""
    every = [(name, record) for name, group in records.items() for record in group]
    first = every[0][1]["queries"]
    for name, record in every:
        if odd := sorted(set(first["id"]) ^ set(record["queries"]["id"])):
            raise BadInput(
                f"{every[0][0]} and {name} hold different queries, such as {', '.join(odd[:5])}; "
                "score the same queries"
            )
    names = [
        metric
        for metric in every[0][1]["scores"]
        if all(any(v is not None for v in r["scores"].get(metric, ())) for _, r in every)
    ]
    if not names:
        raise BadInput("the records share no metric; score all of them with the same benchmark")
    runs = []
    for group in records.values():
        seeds = [columns(_aligned(record, names, first["id"])) for record in group]
        runs.append(tuple(np.stack(part_SNM) for part_SNM in zip(*seeds, strict=True)))
    return names, dict(zip(records, resampled(runs, first["video"], resamples, seed), strict=True))


def _aligned(record: Record, names: Sequence[str], ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Each metric's score_N in the order of `ids`; NaN where the query does not count."""
    place = {name: row for row, name in enumerate(record["queries"]["id"])}
    rows = [place[name] for name in ids]
    return {name: np.array(record["scores"][name], dtype=float)[rows] for name in names}


def _numbers(names: Sequence[str], found: Sequence[np.ndarray]) -> Numbers:
    """{metric: {value, low, high and, of a difference, p}}."""
    keys = ("value", "low", "high", "p")
    return {
        name: dict(zip(keys, map(float, row), strict=False))
        for name, *row in zip(names, *found, strict=True)
    }
