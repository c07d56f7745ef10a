"""Did it reproduce: the numbers of a run beside those of the reference run, row by row."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from groundvts.records import read_record
from groundvts.report.ablations import title
from groundvts.report.benchmarks import KNOWN, MAIN, known
from groundvts.report.output import span
from groundvts.report.runs import listed_runs

SAME, AGREES, OVERLAPS = "the same", "agrees", "intervals overlap"
HIGHER, LOWER = "higher", "lower"
NO_INTERVAL = "no interval"
LEGEND = (
    f"“{AGREES}”: each value lies in the other's 95 % interval; “{SAME}”: value and interval "
    f"are equal; “{OVERLAPS}”: they do, but a value lies outside the other's; “{HIGHER}” and "
    f"“{LOWER}”: this run's interval lies wholly above or below the reference's."
)


@dataclass(frozen=True)
class Section:
    """One comparison record: a benchmark's, or an ablation's; labels by variant."""

    title: str
    dataset: str
    ablation: bool
    record: dict[str, Any]
    labels: dict[str, str]


@dataclass(frozen=True)
class Agreement:
    """The printed rows of benchmarks and of ablations, and what they say in words.

    Columns: Row, Verdict, Metric, This run, Reference, Seeds, Other metrics.
    """

    benchmarks: pd.DataFrame
    ablations: pd.DataFrame
    sentences: list[str]


def agreement(results: str | Path, reference: str | Path) -> Agreement:
    """The agreement of a results folder with a folder that `groundvts reference` wrote."""
    ours, theirs = _sections(Path(results)), _sections(Path(reference))
    if not ours or not theirs:
        lacking = reference if ours else results
        return Agreement(pd.DataFrame(), pd.DataFrame(), [f"{lacking}: nothing is compared yet."])
    rows = [
        (ours[key].ablation, row)
        for key in ours
        if key in theirs
        for row in _rows(ours[key], theirs[key])
    ]
    tables = [pd.DataFrame([row for a, row in rows if a == asked]) for asked in (False, True)]
    sentences = [
        *_made(ours, theirs),
        *_other_queries(Path(results), Path(reference), ours, theirs),
        *_counted([row for _, row in rows]),
        *_absent(ours, theirs),
    ]
    return Agreement(*tables, sentences)


def verdict(ours: dict[str, float], theirs: dict[str, float]) -> str:
    """What two values with intervals say of each other: one of the words of `LEGEND`."""
    keys = ("value", "low", "high")
    if any(one.get(key) is None for one in (ours, theirs) for key in keys):
        return NO_INTERVAL
    if all(ours[key] == theirs[key] for key in keys):
        return SAME
    if ours["low"] > theirs["high"]:
        return HIGHER
    if ours["high"] < theirs["low"]:
        return LOWER
    inside = theirs["low"] <= ours["value"] <= theirs["high"]
    return AGREES if inside and ours["low"] <= theirs["value"] <= ours["high"] else OVERLAPS


def _sections(folder: Path) -> dict[str, Section]:
    """The comparison records of a folder by their place, benchmarks before ablations."""
    found = {}
    order = [*KNOWN]
    paths = sorted(folder.glob("comparisons/*.json"), key=lambda path: path.stem)
    paths.sort(key=lambda path: order.index(path.stem) if path.stem in order else len(order))
    labels = _labels(folder / "runs.json") if paths else {}
    for path in paths:
        record = read_record(path)
        found[path.stem] = Section(known(path.stem).title, path.stem, False, record, labels)
    abouts = {p.parent: read_record(p) for p in folder.glob("ablations/*/about.json")}
    for place, about in sorted(abouts.items(), key=lambda item: item[1]["place"]):
        if (place / "comparisons.json").is_file():
            record, labels = read_record(place / "comparisons.json"), _labels(place / "runs.json")
            words = f"Ablation: {title(about)}"
            found[place.name] = Section(words, about["benchmark"], True, record, labels)
    return found


def _labels(path: Path) -> dict[str, str]:
    return {entry["variant"]: entry["label"] for entry in listed_runs(path)}


def _rows(ours: Section, theirs: Section) -> list[dict[str, str]]:
    """A row for each main metric of each variant that both have."""
    rows = []
    for variant, here in ours.record["variants"].items():
        there = theirs.record["variants"].get(variant)
        if not there:
            continue
        both = [name for name in here["metrics"] if name in there["metrics"]]
        verdicts = {name: verdict(here["metrics"][name], there["metrics"][name]) for name in both}
        for part in known(ours.dataset).parts:
            mine = {name: word for name, word in verdicts.items() if name.startswith(part.prefix)}
            if not mine:
                continue
            main = part.main if part.main in mine else next(iter(mine))
            pair = [_cell(one["metrics"][main]) for one in (here, there)]
            rows.append(
                {"Row": f"{ours.title}: {ours.labels.get(variant, variant)} ({variant})"}
                | {"Verdict": mine.pop(main), "Metric": main}
                | {"This run": pair[0], "Reference": pair[1]}
                | {"Seeds": _seeds(here["runs"], there["runs"]), "Other metrics": _others(mine)}
            )
    return rows


def _cell(metric: dict[str, float]) -> str:
    row = {"value": metric["value"], "value low": metric["low"], "value high": metric["high"]}
    return span(pd.Series(row), "value")


def _seeds(ours: list[str], theirs: list[str]) -> str:
    """How many seeds a row joins, here and, where it differs, in the reference."""
    return f"{len(ours)}" if ours == theirs else f"{len(ours)} here, {len(theirs)} there"


def _others(verdicts: dict[str, str]) -> str:
    """The other metrics in a few words: how many agree, and which do not (several: how many)."""
    by_word: dict[str, list[str]] = {}
    for name, word in verdicts.items():
        by_word.setdefault(AGREES if word == SAME else word, []).append(name)
    fine = len(by_word.pop(AGREES, []))
    named = (
        f"{word}: {', '.join(names) if len(names) < 3 else len(names)}"
        for word, names in by_word.items()
    )
    return "; ".join([f"{fine} of {len(verdicts)} agree", *named])


def _made(ours: dict[str, Section], theirs: dict[str, Section]) -> list[str]:
    """When, from what and on what both were made."""
    records = [found[min(found, key=lambda key: key != MAIN)].record for found in (ours, theirs)]
    if records[0]["started"] == records[1]["started"]:
        return ["The reference was made from this very run, which therefore says nothing new."]
    lines = []
    for words, record in zip(("This run", "The reference"), records, strict=True):
        commit, hardware = (record["commit"] or "unknown")[:12], record["hardware"]
        lines.append(
            f"{words}: {record['started'][:10]}, commit {commit}, torch "
            f"{record['versions']['torch']}, {hardware['cpu']}, {hardware['cores']} cores."
        )
    return lines


def _other_queries(
    results: Path, reference: Path, ours: dict[str, Section], theirs: dict[str, Section]
) -> list[str]:
    """The benchmarks of which the two runs answered different queries."""
    lines = []
    for dataset in dict.fromkeys(s.dataset for key, s in ours.items() if key in theirs):
        here, there = _queries(results, dataset), _queries(reference, dataset)
        if here != there:
            lines.append(
                f"{known(dataset).title}: this run answers other queries ({len(here)}) than the "
                f"reference ({len(there)}), so its rows do not say whether it reproduced."
            )
    return lines


def _queries(folder: Path, dataset: str) -> list[str]:
    """Ids of the queries of a benchmark, in the order of its first score record."""
    path = min(folder.glob(f"scores/*/{dataset}.json"), default=None)
    return read_record(path)["queries"]["id"] if path else []


def _counted(rows: list[dict[str, str]]) -> list[str]:
    """How many rows have which verdict, and by name those that do not agree."""
    counts = Counter(row["Verdict"] for row in rows)
    fine = counts[SAME] + counts[AGREES]
    lines = [
        f"{fine} of {len(rows)} rows agree with the reference within their intervals "
        f"({counts[SAME]} of them to the last digit)."
    ]
    for word in (OVERLAPS, HIGHER, LOWER, NO_INTERVAL):
        named = [f"{row['Row']}, {row['Metric']}" for row in rows if row["Verdict"] == word]
        lines += [f"{word.capitalize()}: {'; '.join(named)}."] if named else []
    return lines


def _absent(ours: dict[str, Section], theirs: dict[str, Section]) -> list[str]:
    """What one side has and the other lacks: whole records, then variants by name."""
    lines = []
    sides = (("in this run", theirs, ours), ("in the reference", ours, theirs))
    for where, full, lacking in sides:
        named = [section.title for key, section in full.items() if key not in lacking]
        named += [
            f"{variant} ({section.title})"
            for key, section in full.items()
            if key in lacking
            for variant in section.record["variants"]
            if variant not in lacking[key].record["variants"]
        ]
        lines += [f"Not {where}: {'; '.join(named)}."] if named else []
    return lines
