"""The README's tables, rendered from the small records kept under results/reference/."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from groundvts.errors import BadInput
from groundvts.records import read_record, write_json
from groundvts.report.benchmarks import KNOWN, MAIN, known
from groundvts.report.output import joining, markdown, shown, with_interval
from groundvts.report.runs import listed_runs, load_runs
from groundvts.report.tables import TRIVIAL, headline, main_table, with_trivial

BEGIN = "<!-- results: rendered from results/reference, do not edit -->"
END = "<!-- end of results -->"
BEGIN_BENCHMARKS = "<!-- benchmarks: rendered from results/reference, do not edit -->"
END_BENCHMARKS = "<!-- end of benchmarks -->"
PICTURE = "two_queries.png"
KEPT = {
    "comparisons": "comparisons/*.json",
    "benchmarks": "benchmarks/*.json",
    "ablations": "ablations/*/*.json",
    "tables": "tables/claims.*",
}
LEFT_OUT = {"Asked / scored / failed", "Seeds"}


def save_reference(results: str | Path, reference: str | Path) -> None:
    """Copy the small records of `results` to `reference`, anew.

    These are run list, scores and tokens of its runs, comparisons (those of the ablations too),
    benchmarks and the table of claims. Of the per-query values only id, video and, where there is
    one, IoU (six decimals) stay.
    """
    results, reference = Path(results), Path(reference)
    for folder in ("scores", *KEPT):
        shutil.rmtree(reference / folder, ignore_errors=True)
    for name in ("runs.json", "benchmarks.json"):
        write_json(reference / name, json.loads((results / name).read_text("utf-8")))
    runs = [entry["run"] for entry in listed_runs(results / "runs.json")]
    for path in sorted(path for run in runs for path in results.glob(f"scores/{run}/*.json")):
        write_json(reference / path.relative_to(results), _small(read_record(path)))
    for path in [path for kept in KEPT.values() for path in results.glob(kept)]:
        target = reference / path.relative_to(results)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    shutil.copyfile(results / "figures" / PICTURE, reference / PICTURE)


def _small(record: dict[str, Any]) -> dict[str, Any]:
    """A score record without what each query scored."""
    record.pop("scores", None)
    if "queries" in record:
        queries = record["queries"]
        record["queries"] = {"id": queries["id"], "video": queries["video"]}
        if "IoU" in queries:
            record["queries"]["IoU"] = [round(value, 6) for value in queries["IoU"]]
    return record


def render_results(records_dir: str | Path) -> str:
    """The results in Markdown: table, and what it was measured on. Same records, same text."""
    records_dir = Path(records_dir)
    table = with_trivial(headline(main_table(records_dir)), records_dir).assign(older="")
    printed = shown(table)
    printed["Method"] = _methods(table)
    printed = printed[[name for name in printed.columns if name not in LEFT_OUT]]
    scores = [run.score for run in load_runs(records_dir) if run.score]
    last = max(scores, key=lambda record: record["started"])
    counts, hardware = last["counts"], last["hardware"]
    videos = len(set(last["queries"]["video"]))
    note = (
        f"Percent with 95 % intervals over {counts['asked']} test queries of {videos} videos "
        f"(rows of several seeds: {joining(table)}); "
        f"{sum(record['counts']['failed'] for record in scores)} answers failed and count as zero. "
        f"Made on {last['started'][:10]} with torch {last['versions']['torch']} on "
        f"{hardware['cores']} cores ({hardware['cpu']})."
    )
    return f"{markdown(printed)}\n\n{note}"


def render_benchmarks(records_dir: str | Path) -> str:
    """The other benchmarks in one Markdown table, three or four metrics a row; may be empty.

    A cell holds a metric's name, value and interval, and the best value of what sees no video.
    """
    found = {path.stem for path in Path(records_dir).glob("scores/*/*.json")} - {MAIN, "tokens"}
    rows = []
    for dataset in sorted(found, key=lambda name: ([*KNOWN, name].index(name), name)):
        full = with_trivial(headline(main_table(records_dir, dataset)), records_dir, dataset)
        blind = full.variant.isin((TRIVIAL, "constant"))
        table, trivial = full[~blind], full[blind]
        cells = [_cells(table, trivial, name) for name in known(dataset).short if name in table] + [
            [""] * len(table)
        ] * 4
        titles = [known(dataset).title] * len(table)
        rows += zip(titles, _methods(table), *cells[:4], strict=True)
    heading = ["Benchmark", "Method", "Scores (best trivial prediction)", "", "", ""]
    return markdown(pd.DataFrame(rows, columns=heading)) if rows else ""


def _cells(table: pd.DataFrame, trivial: pd.DataFrame, name: str) -> list[str]:
    """A metric's cells such as `MR-mAP 41.2 [40.0, 43.0] (20.1)`."""
    bar = trivial[name].max()
    end = "" if pd.isna(bar) else f" ({bar:.1f})"
    return [f"{name} {cell}{end}" for cell in with_interval(table, name)]


def _methods(table: pd.DataFrame) -> list[str]:
    """Label of each row, with the number of seeds of a joined one."""
    rows = zip(table.label, table.seeds, table.joined, strict=True)
    return [
        f"{label} ({seeds.count(',') + 1} seeds)" if joined else label
        for label, seeds, joined in rows
    ]


def update(readme: str | Path, records_dir: str | Path) -> None:
    """Write the rendered results between the two markers of the README."""
    text = Path(readme).read_text(encoding="utf-8")
    Path(readme).write_text(_replaced(text, readme, records_dir), encoding="utf-8")


def check(readme: str | Path, records_dir: str | Path) -> bool:
    """Whether the README says what the committed records say."""
    text = Path(readme).read_text(encoding="utf-8")
    return text == _replaced(text, readme, records_dir)


def _replaced(text: str, readme: str | Path, records_dir: str | Path) -> str:
    """The text with both tables rendered anew; that of the benchmarks only where it is marked."""
    text = _between(text, readme, (BEGIN, END), render_results(records_dir))
    if BEGIN_BENCHMARKS in text or END_BENCHMARKS in text:
        marks = (BEGIN_BENCHMARKS, END_BENCHMARKS)
        text = _between(text, readme, marks, render_benchmarks(records_dir))
    return text


def _between(text: str, readme: str | Path, marks: tuple[str, str], content: str) -> str:
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise BadInput(f"{readme}: lacks the markers {marks[0]!r} and {marks[1]!r}; put both back")
    return f"{before}{begin}\n{content}\n{end}{after}"
