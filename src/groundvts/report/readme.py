"""The README's tables, rendered from the small records kept under results/reference/."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from groundvts.data.files import whole_folder, write_text
from groundvts.errors import BadInput
from groundvts.escape import markdown as escape
from groundvts.records import read_record, write_json
from groundvts.report.benchmarks import KNOWN, MAIN, evaluated, known
from groundvts.report.output import INTERVALS, markdown, shown, with_interval
from groundvts.report.runs import listed_runs, load_runs
from groundvts.report.tables import TRIVIAL, headline, main_table, with_trivial

PICTURE = "two_queries.png"
KEPT = (
    "comparisons/*.json",
    "benchmarks/*.json",
    "ablations/*/*.json",
    "tables/claims.*",
    "tables/reducers*.*",
)
LEFT_OUT = {"Asked / scored / failed", "Seeds"}


def save_reference(results: str | Path, reference: str | Path) -> None:
    """Copy the small records of `results` to `reference`; a kind that `results` lacks stays.

    These are run list, scores on what is evaluated and tokens of its runs, comparisons (those of
    the ablations too), benchmarks, the tables of claims and of ways to reduce tokens. Of the
    per-query values only id, video and, where there is one, IoU (six decimals) stay. The folder
    changes at once, when all has been read; BadInput where it is another than such a one.
    """
    results, old = Path(results), Path(reference)
    with whole_folder(old, PICTURE) as reference:
        if old.is_dir():
            shutil.copytree(old, reference, dirs_exist_ok=True)
        _save(results, reference)


def _save(results: Path, reference: Path) -> None:
    runs = listed_runs(results / "runs.json")
    shutil.rmtree(reference / "scores", ignore_errors=True)
    for name in ("runs.json", "benchmarks.json"):
        write_json(reference / name, json.loads((results / name).read_text("utf-8")))
    asked = evaluated(results)
    for entry in runs:
        names = [name for name, variants in asked.items() if entry["variant"] in variants]
        for path in (results / "scores" / entry["run"] / f"{n}.json" for n in (*names, "tokens")):
            if path.is_file():
                write_json(reference / path.relative_to(results), _small(read_record(path)))
    for kept in KEPT:
        found = list(results.glob(kept))
        for path in reference.glob(kept) if found else []:
            path.unlink()
        for path in found:
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
        f"Percent of {counts['asked']} test queries of {videos} videos; {INTERVALS} "
        f"{sum(record['counts']['failed'] for record in scores)} answers failed and count as zero. "
        f"Made on {last['started'][:10]} with torch {last['versions']['torch']} on "
        f"{hardware['cores']} cores ({escape(hardware['cpu'])})."
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


def render_reducers(records_dir: str | Path) -> str:
    """The overview of ways to reduce tokens, as its notebook wrote it; empty where it did not."""
    path = Path(records_dir) / "tables" / "reducers_overview.md"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


# What stands between the README's markers; all but the first only where they are.
SECTIONS: dict[str, Callable[[str | Path], str]] = {
    "results": render_results,
    "benchmarks": render_benchmarks,
    "reducers": render_reducers,
}


def marks(section: str) -> tuple[str, str]:
    """The lines that a section of the README stands between."""
    begin = f"<!-- {section}: rendered from results/reference, do not edit -->"
    return begin, f"<!-- end of {section} -->"


def update(readme: str | Path, records_dir: str | Path) -> None:
    """Write the rendered results between the markers of the README."""
    text = Path(readme).read_text(encoding="utf-8")
    write_text(readme, _replaced(text, readme, records_dir))


def check(readme: str | Path, records_dir: str | Path) -> bool:
    """Whether the README says what the committed records say."""
    text = Path(readme).read_text(encoding="utf-8")
    return text == _replaced(text, readme, records_dir)


def _replaced(text: str, readme: str | Path, records_dir: str | Path) -> str:
    """The text with its sections rendered anew."""
    for section, render in SECTIONS.items():
        begin, end = marks(section)
        if section != next(iter(SECTIONS)) and begin not in text and end not in text:
            continue
        before, opened, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not opened or not closed:
            raise BadInput(f"{readme}: lacks the markers {begin!r} and {end!r}; put both back")
        text = f"{before}{begin}\n{render(records_dir)}\n{end}{after}"
    return text
