"""Did it reproduce: each row of a run against the prediction interval of the reference's seeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from groundvts.metrics.bootstrap import prediction_interval
from groundvts.records import read_record
from groundvts.report.benchmarks import KNOWN, MAIN, known
from groundvts.report.output import number
from groundvts.report.runs import listed_runs

REPRODUCES, APART, OPEN = "reproduces", "does not", "not judged"
LEGEND = (
    "A row reproduces where its mean lies in the 95 % prediction interval that the reference's "
    "seeds give for a run of as many seeds on the same queries. A row without seeds has to be "
    "equal; one of which the reference has a single seed is not judged, unless it is equal. A row "
    "that keeps another number of visual tokens than the reference does not reproduce it."
)

KEPT, SAME_KEPT = "tokens kept", 0.01  # relative
Rows = dict[tuple[str, str], dict[str, dict[str, float]]]


def reproduction(results: str | Path, reference: str | Path) -> pd.DataFrame:
    """One row for each variant and part of a benchmark that a results folder and a reference have.

    A variant's seeds are those of all comparisons (benchmarks and ablations) that it stands in.
    Columns: dataset, variant, label, metric, value, seeds (how many, None where none enters), of
    the reference mean, `reference seeds`, low and high (the prediction interval), off (points
    outside it), verdict, kept and `reference kept` (visual tokens of a query), and others (of
    the part's other metrics that are judged: how many reproduce, of how many).
    """
    return _compared(*_gathered(Path(results)), _gathered(Path(reference))[0])


def _compared(ours: Rows, labels: dict[str, str], theirs: Rows) -> pd.DataFrame:
    order = [*KNOWN]
    keys = [key for key in ours if key in theirs]
    keys.sort(key=lambda key: order.index(key[0]) if key[0] in order else len(order))
    return pd.DataFrame(
        row for key in keys for row in _rows(key, labels[key[1]], ours[key], theirs[key])
    )


def _absent(ours: Rows, theirs: Rows) -> dict[str, list[str]]:
    """Variants and benchmarks that one side has and the other lacks, by where they lack."""
    sides = {"in this run": (theirs, ours), "in the reference": (ours, theirs)}
    return {
        where: [f"{v} ({known(d).title})" for d, v in full if (d, v) not in lacking]
        for where, (full, lacking) in sides.items()
    }


def other_queries(results: str | Path, reference: str | Path) -> list[str]:
    """Titles of the benchmarks of which the two answered different queries."""
    names = dict.fromkeys(path.stem for path in Path(results).glob("comparisons/*.json"))
    asked = {n: [_queries(Path(folder), n) for folder in (results, reference)] for n in names}
    return [known(n).title for n, (here, there) in asked.items() if here != there and there]


def _gathered(folder: Path) -> tuple[Rows, dict[str, str]]:
    """{(dataset, variant): {run: {metric: value}}} of all comparisons, and labels by variant."""
    found: Rows = {}
    labels: dict[str, str] = {}
    for path in sorted(folder.glob("comparisons/*.json")) + sorted(
        folder.glob("ablations/*/comparisons.json")
    ):
        record = read_record(path)
        listed = path.with_name("runs.json") if path.name == "comparisons.json" else None
        for entry in listed_runs(listed or folder / "runs.json"):
            labels.setdefault(entry["variant"], entry["label"])
        for variant, one in record["variants"].items():
            row = found.setdefault((record["dataset"], variant), {})
            for run, values in one["by_seed"].items():
                row[run if one["seeds"] else ""] = values | {KEPT: one["kept"][run]}
    return found, labels


def _rows(
    key: tuple[str, str], label: str, ours: dict[str, dict], theirs: dict[str, dict]
) -> Iterator[dict[str, Any]]:
    """A row for each part of the benchmark, judged by its main metric."""
    dataset, variant = key
    kept = [_mean_kept(side) for side in (ours, theirs)]
    same_kept = None in kept or abs(kept[0] - kept[1]) < SAME_KEPT * kept[1]
    shared = [m for m in next(iter(ours.values())) if m in next(iter(theirs.values()))]
    shared.remove(KEPT)
    for part in known(dataset).parts:
        judged = {m: _judged(m, ours, theirs) for m in shared if m.startswith(part.prefix)}
        if judged:
            main = part.main if part.main in judged else next(iter(judged))
            row = {"dataset": dataset, "variant": variant, "label": label, "metric": main}
            row |= judged.pop(main) | {"kept": kept[0], "reference kept": kept[1]}
            row["verdict"] = row["verdict"] if same_kept else APART
            others = [one["verdict"] for one in judged.values() if one["verdict"] != OPEN]
            same = f"{others.count(REPRODUCES)} of {len(others)}" if others else ""
            yield row | {"others": same}


def _mean_kept(side: dict[str, dict]) -> float | None:
    """Visual tokens of a query that a side's seeds keep, where all of them tell."""
    counts = [seed[KEPT] for seed in side.values()]
    return None if None in counts else float(np.mean(counts))


def _judged(metric: str, ours: dict[str, dict], theirs: dict[str, dict]) -> dict[str, Any]:
    """A metric's mean here, the interval that the reference predicts, and the verdict."""
    here, there = ([seed[metric] for seed in side.values()] for side in (ours, theirs))
    value, drawn = float(np.mean(here)), "" not in ours
    low, high = prediction_interval(there, len(here)) if drawn else (there[0], there[0])
    if drawn == ("" in theirs):  # a seed enters on one side alone
        low = high = float("nan")
    equal = here == there
    verdict = OPEN if np.isnan(low) else REPRODUCES if low <= value <= high else APART
    return {
        "value": value,
        "seeds": len(here) if drawn else None,
        "mean": float(np.mean(there)),
        "reference seeds": len(there) if drawn else None,
        "low": low,
        "high": high,
        "off": float(np.nan_to_num(max(low - value, value - high, 0.0))),
        "verdict": REPRODUCES if equal else verdict,
    }


def _queries(folder: Path, dataset: str) -> list[str]:
    """Ids of the queries of a benchmark, in the order of its first score record."""
    path = min(folder.glob(f"scores/*/{dataset}.json"), default=None)
    return read_record(path)["queries"]["id"] if path else []


def shown_reproduction(table: pd.DataFrame) -> pd.DataFrame:
    """The printed form; percent and points."""
    rows = [row for _, row in table.iterrows()]
    titles = [f"{known(row.dataset).title}: {row.label} ({row.variant})" for row in rows]
    return pd.DataFrame(
        {
            "Row": titles,
            "Verdict": [_shown_verdict(row) for row in rows],
            "Tokens kept": [number(row.kept, ".1f") for row in rows],
            "there": [number(row["reference kept"], ".1f") for row in rows],
            "Metric": list(table.metric),
            "This run": [f"{row.value:.1f}" for row in rows],
            "Seeds": [number(row.seeds, ".0f") for row in rows],
            "Reference": [f"{row['mean']:.1f}" for row in rows],
            "Its seeds": [number(row["reference seeds"], ".0f") for row in rows],
            "Predicted": [
                "" if pd.isna(row.low) else f"{max(row.low, 0):.1f} to {min(row.high, 100):.1f}"
                for row in rows
            ],
            "Other metrics": list(table.others),
        }
    )


def _shown_verdict(row: pd.Series) -> str:
    apart = f", {row.off:.1f} off" if row.off else ", other tokens"
    return row.verdict + (apart if row.verdict == APART else "")


def summary(results: str | Path, reference: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """The rows, and what they come to: how many reproduce, which do not, what is not compared."""
    (ours, labels), (theirs, _) = _gathered(Path(results)), _gathered(Path(reference))
    table = _compared(ours, labels, theirs)
    if table.empty:
        return table, ["Nothing is compared with the reference yet."]
    judged = table[table.verdict != OPEN]
    good = (judged.verdict == REPRODUCES).sum()
    lines = [*_made(Path(results), Path(reference))]
    lines.append(f"{good} of {len(judged)} rows reproduce the reference.")
    for verdict in (APART, OPEN):
        printed = shown_reproduction(table[table.verdict == verdict])
        named = [f"{row.Row} {row.Verdict}" for row in printed.itertuples()]
        lines += [f"{verdict.capitalize()}: {'; '.join(named)}."] if named else []
    others = other_queries(results, reference)
    lines += [f"Other queries than the reference's: {', '.join(others)}."] if others else []
    for where, named in _absent(ours, theirs).items():
        lines += [f"Not {where}: {'; '.join(named)}."] if named else []
    return table, lines


def _made(results: Path, reference: Path) -> Iterator[str]:
    """When, from what and on what both were made."""
    paths = [folder / "comparisons" / f"{MAIN}.json" for folder in (results, reference)]
    found = [read_record(path) for path in paths if path.is_file()]
    if len(found) == 2:
        if found[0]["started"] == found[1]["started"]:
            yield "The reference was made from this very run, which therefore says nothing new."
        for words, record in zip(("This run", "The reference"), found, strict=True):
            commit, hardware = (record["commit"] or "unknown")[:12], record["hardware"]
            yield (
                f"{words}: {record['started'][:10]}, commit {commit}, torch "
                f"{record['versions']['torch']}, {hardware['cpu']}, {hardware['cores']} cores."
            )
