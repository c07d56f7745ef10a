"""What scoring conventions move and what the protocols read differently, from its records.

They stand in protocols/<run>/<benchmark>.json of a results folder (the verb `protocols`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from groundvts.metrics.readings import shown_windows
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
    """What each protocol reads from `ANSWERS`."""
    names = ("fixed", "official")
    rows = [(text, *(shown_windows(text, VIDEO, name)[1] for name in names)) for text in ANSWERS]
    return pd.DataFrame(rows, columns=["answer", *names])


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
    """How many queries are read differently, by who finds anything, with the shortest answer.

    Columns: benchmark, run, of, read by, queries, share (percent of those asked), answer, fixed,
    official.
    """
    rows = [
        row | {"benchmark": known(record["dataset"]).title, "run": record["run"],
               "share": 100 / record["counts"]["asked"]}
        for record in records
        for row in record["differences"]
    ]  # fmt: skip
    groups, read = ["benchmark", "run", "of", "read by"], ["answer", "fixed", "official"]
    table = pd.DataFrame(rows, columns=["id", "share", *groups, *read])
    table["read by"] = "both, otherwise"
    for one, other in (("fixed", "official"), ("official", "fixed")):
        nothing = ~table[other].str.contains("[0-9]") & (table.of != "answer")
        table.loc[nothing | (table[other] == "no option"), "read by"] = f"{one} alone"
    table = table.sort_values("answer", key=lambda answers: answers.str.len(), kind="stable")
    counted = table.groupby(groups, as_index=False).agg(
        queries=("id", "size"), share=("share", "sum"), **{name: (name, "first") for name in read}
    )
    return counted.sort_values(["run", "benchmark", "queries"], ascending=[True, True, False])


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
