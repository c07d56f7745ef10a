"""What scoring conventions move and what the protocols read differently, from its records.

They stand in protocols/<run>/<benchmark>.json of a results folder (the verb `protocols`).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd

from groundvts.answer_differences import shown_windows, window_cause
from groundvts.records import read_record
from groundvts.report.benchmarks import known
from groundvts.report.output import EMPTY

Record = dict[str, Any]

VIDEO = 100.0  # seconds that the video of the sentences below lasts
ANSWERS = (
    "from 3.0s to 7.5s",
    "3 - 7 seconds",
    "3s – 7s",
    "3s — 7s",
    "3s~7s",
    '{"start": 3, "end": 7}',
    "2 people talk from 5 to 9",
    "3 to 5 people talk between 10s and 20s",
    "holds 2 and 3 items from 10s to 20s",
    "from frame 30 to frame 90",
    "starts at 3 s and lasts 4 s",
    "from 3s to 7s and from 9s to 12s",
    "between 1:05 and 1:20",
    "00:01:05,5 to 00:01:20,5",
    "1 min 5 s to 1 min 20 s",
    "from 1 to 2 minutes",
    "from 3,5s to 7,5s",
    "1,204.5 s to 1,210 s",
    "at 12 s",
    "at 1:05",
    "the first 5 seconds",
    "after the first 5 seconds",
    "the last 5 seconds",
    "die letzten 5 Sekunden",
    "the last 130 s",
    "5.0s to end",
    "from 90s to 130s",
    "from 7.5s to 3.0s",
    "-3 to 7",
    "I cannot tell.",
)
# What is strict, and what others report under the same name.
STRICT = {
    "HD-mAP-VeryGood": ("HD-mAP-Fair",),
    "HD-Hit@1-VeryGood": ("HD-Hit@1-lenient-VeryGood", "HD-Hit@1-lenient-Fair"),
}


def load_protocols(results: str | Path) -> list[Record]:
    """Every record of the verb `protocols`, by run and benchmark; none if none is made yet."""
    return [read_record(path) for path in sorted(Path(results).glob("protocols/*/*.json"))]


def title(record: Record) -> str:
    """Benchmark and run, as a heading."""
    return f"{known(record['dataset']).title}, {record['run']}"


def sentence_table() -> pd.DataFrame:
    """What each protocol reads from `ANSWERS`, and why it differs (empty where it does not)."""
    rows = [
        {"answer": answer}
        | {name: shown_windows(answer, VIDEO, name) for name in ("fixed", "official")}
        | {"why they differ": window_cause(answer, VIDEO) or ""}
        for answer in ANSWERS
    ]
    return pd.DataFrame(rows)


def sentence_conclusion() -> str:
    """How many of the sentences are read alike."""
    table = sentence_table()
    differ = (table["why they differ"] != "").sum()
    lost = ~table.official.str.endswith(" s") & table.fixed.str.endswith(" s")
    invented = table.official.str.endswith(" s") & ~table.fixed.str.endswith(" s")
    return (
        f"{len(table) - differ} of {len(table)} sentences are read alike. Of the other {differ}, "
        f"{invented.sum()} hold a window for official alone and {lost.sum()} for fixed alone; "
        "from the rest official reads another window, or fewer."
    )


def effect_table(record: Record) -> pd.DataFrame:
    """One row for each convention: convention, why, queries changed, per main metric NAME (percent)
    and NAME difference (points to `fixed`, the first row).
    """
    names = main_metrics(record)
    rows = []
    for effect in record["effects"]:
        row = {"convention": effect["name"], "why": effect["why"], "queries": effect["queries"]}
        for name in names:
            metric = effect["metrics"].get(name, {})
            row |= {name: metric.get("value"), f"{name} difference": metric.get("difference")}
        rows.append(row)
    return pd.DataFrame(rows)


def main_metrics(record: Record) -> list[str]:
    """The benchmark's main metrics as far as the record has them; otherwise all that it has."""
    metrics = record["effects"][0]["metrics"]
    return [name for name in known(record["dataset"]).short if name in metrics] or list(metrics)


def shown_effects(table: pd.DataFrame) -> pd.DataFrame:
    """The printed form: the values of `fixed`, then what each other convention adds or takes."""
    columns = {"Convention": table.convention, "Queries that change": table.queries.astype(str)}
    names = [name for name in table.columns if f"{name} difference" in table]
    for name in names:
        fixed = f"{table[name][0]:.2f}"
        columns[name] = [fixed, *map(points, table[f"{name} difference"][1:])]
    return pd.DataFrame(columns | {"Why": table.why})


def points(difference: float | None) -> str:
    """A difference in points with its sign; 0.0 for none, a dash where no query is left."""
    if difference is None or pd.isna(difference):
        return EMPTY
    return f"{difference:+.2f}" if abs(difference) >= 0.005 else "0.0"


def difference_table(records: list[Record]) -> pd.DataFrame:
    """How many queries are read differently for each reason, with the shortest answer as example.

    Columns: benchmark, run, of, why, queries, share (percent of those asked), answer, fixed,
    official. Highlights may differ for several reasons and then count for each.
    """
    rows = []
    for record in records:
        groups = defaultdict(list)
        for found in record["differences"]:
            for why in found["why"].split("; "):
                groups[found["of"], why].append(found)
        for (of, why), members in sorted(groups.items(), key=lambda group: -len(group[1])):
            example = min(members, key=lambda found: len(found["answer"]))
            share = 100 * len(members) / record["counts"]["asked"]
            row = {"benchmark": known(record["dataset"]).title, "run": record["run"], "of": of}
            row |= {"why": why, "queries": len(members), "share": share}
            rows.append(row | {key: example[key] for key in ("answer", "fixed", "official")})
    return pd.DataFrame(rows)


def difference_conclusions(records: list[Record]) -> list[str]:
    """How many queries of each record are read differently, and what for most of all."""
    lines = []
    for record in records:
        counts, table = record["counts"], difference_table([record])
        line = f"{title(record)}: {counts['read differently']} of {counts['asked']} queries"
        most = f"; most often, {table.why[0]} ({table.queries[0]})" if len(table) else ""
        unasked = counts["asked"] - counts["put to a model"]
        left_out = f"; {unasked} never put to a model leave the official scores" if unasked else ""
        lines.append(f"{line}{most}{left_out}.")
    return lines


def trivial_table(record: Record) -> pd.DataFrame:
    """This run and predictions that look at no video, by strict and lenient conventions.

    One row each; columns: what, and the metrics of `STRICT` with their lenient forms. Empty where
    the benchmark has no highlights.
    """
    names = [name for strict, others in STRICT.items() for name in (strict, *others)]
    own = {name: metric["value"] for name, metric in record["effects"][0]["metrics"].items()}
    rows = [
        {"what": what} | {name: values[name] for name in names}
        for what, values in ({record["run"]: own} | record["trivial"]).items()
        if all(name in values for name in names)
    ]
    return pd.DataFrame(rows)
