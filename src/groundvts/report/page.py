"""The one page to open: what ran, the headline numbers, figures, and links to all the rest."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from groundvts.records import read_record, source_hash
from groundvts.report.audit import unreadable
from groundvts.report.benchmarks import MAIN, Part, evaluated, known
from groundvts.report.comparisons import differences
from groundvts.report.findings import conclusions, supervision
from groundvts.report.html import bullets, details, html_table
from groundvts.report.output import EMPTY, MARK, joining, shown, shown_differences, split_parts
from groundvts.report.runs import Run, by_variant, failures_by_reason, load_runs
from groundvts.report.style import STYLE
from groundvts.report.tables import headline, main_table, with_trivial

CAPTIONS = {
    "miou": "mIoU of every variant with 95 % intervals; dots are single seeds, the dashed line is "
    "the constant span, which never looks at a video.",
    "token_recall": "Share of tokens that the learned choice keeps after each training stage.",
    "loss": "Training loss by stage and run; dashed lines keep half of the tokens.",
    "two_queries": "Two queries on one video, one above the other: the kept tokens of each.",
    "tokens_1": "A clip answered well: kept tokens are framed, dropped ones faded.",
    "tokens_2": "A clip of middling score.",
    "tokens_3": "A clip answered badly.",
    "prefill": "Prefill time against the share of tokens kept; the line is the ratio of operations "
    "with a band of 10 %.",
    "stages": "A query's time by stage with all, hidden and dropped tokens.",
    "data": "How long videos and true windows are, and where windows start, by benchmark.",
}
NOTEBOOKS = {
    "data": "Data audit",
    "training": "Training curves",
    "results": "Main results",
    "tokens": "Kept tokens",
    "benchmarks": "The other benchmarks",
    "protocols": "Protocols explained",
    "ablations": "Ablations",
    "efficiency": "Efficiency",
}


def write_page(results: str | Path) -> Path:
    """Write `results`/index.html from the records, tables, figures and notebooks found there.

    The page holds its own style, links only to files beside it and fetches nothing from outside.
    """
    results = Path(results)
    runs = load_runs(results)
    every = with_trivial(main_table(results), results)
    records = list(_records(results))
    body = [
        f"<h1>GroundVTS: a run at {escape(results.resolve().name)} scale</h1>",
        _facts(records),
        *_headline(results, MAIN, "Headline"),
        bullets("What the numbers say", conclusions(results)),
        *_benchmarks(results),
        "<h2>Figures</h2>",
        *_figures(results),
        "<h2>Single seeds and paired differences</h2>",
        details("Every run", shown(every)),
        details("Paired differences (points, p of mIoU)", shown_differences(differences(results))),
        bullets("What the base was taught before", supervision(results)),
        "<h2>What failed</h2>",
        *_failed(results),
        "<h2>Time and memory</h2>",
        html_table(_times(records)),
        "<h2>Notebooks, tables and records</h2>",
        *_links(results, runs),
    ]
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>GroundVTS results</title><link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head>"
    )
    page = results / "index.html"
    content = "\n".join(part for part in body if part)
    page.write_text(f"{head}<body><main>\n{content}\n</main></body></html>\n", encoding="utf-8")
    return page


def _first(printed: pd.DataFrame, part: Part) -> pd.DataFrame:
    """The main metric before the others, so that a phone shows it without scrolling."""
    metrics = [name for name in part.first if name in printed] or [part.main]
    first = ["Method", "Ratio", *metrics]
    return printed[[*first, *(name for name in printed.columns if name not in first)]]


def _records(results: Path) -> Iterator[dict[str, Any]]:
    """Every record of the results folder, whatever rule wrote it."""
    places = ("*/record.json", "*/*/record.json", "*/*/*/record.json", "*/*/*.record.json")
    found = {path for place in places for path in results.glob(place)}
    found |= {*results.glob("scores/*/*.json"), *results.glob("comparisons/*.json")}
    for path in sorted(found):
        record = read_record(path)
        if {"verb", "started", "seconds"} <= set(record):
            yield record


def _facts(records: list[dict[str, Any]]) -> str:
    """What, when, on what, how long, as a short definition list."""
    if not records:
        return ""
    last = max(records, key=lambda record: record["started"])
    first = min(record["started"] for record in records)
    hardware, versions = last["hardware"], last["versions"]
    older = sum(record["source"] != source_hash() for record in records)
    names = ("python", "torch", "transformers", "peft", "snakemake")
    facts = {
        "Made": f"{first[:16].replace('T', ' ')} to {last['started'][:16].replace('T', ' ')} UTC",
        "Computing time": f"{_minutes(sum(record['seconds'] for record in records))} in "
        f"{len(records)} recorded steps",
        "Machine": f"{hardware['cpu']}, {hardware['cores']} cores, "
        f"{hardware['memory_gb']:.0f} GB memory, GPU: {hardware['gpu'] or 'none'}",
        "Protocol": ", ".join(sorted({record["protocol"] for record in records})),
        "Versions": ", ".join(f"{name} {versions.get(name) or EMPTY}" for name in names),
        "Source": f"commit {(last['commit'] or 'unknown')[:12]}, package {source_hash()[:12]}; "
        f"{older or 'no'} step(s) made by other source than the present",
    }
    lines = (f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f"<dl>{''.join(lines)}</dl>"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _note(table: pd.DataFrame) -> str:
    note = (
        f"Percent with 95 % intervals over {table.asked[~table.joined].max()} test queries, "
        f"resampled by video; rows of several seeds show {joining(table)}. The constant window and "
        "the trivial rows look at no video."
    )
    if table.older.any():
        note += f" {MARK} partly made by other source than the present."
    return note


def _figures(results: Path) -> Iterator[str]:
    found = {path.stem: path for path in sorted(results.glob("figures/*.png"))}
    for name in [*CAPTIONS, *sorted(set(found) - set(CAPTIONS))]:
        if name not in found:
            continue
        caption = escape(CAPTIONS.get(name, name.replace("_", " ")))
        pdf = (
            f' <a href="figures/{name}.pdf">pdf</a>' if _has(results, f"figures/{name}.pdf") else ""
        )
        yield (
            f'<figure><img src="figures/{name}.png" alt="{caption}">'
            f"<figcaption>{caption}{pdf}</figcaption></figure>"
        )


def _benchmarks(results: Path) -> Iterator[str]:
    """The headline of each evaluated benchmark other than that of the main comparison."""
    for dataset in evaluated(results):
        if dataset != MAIN and by_variant(load_runs(results, dataset)):
            yield from _headline(results, dataset, known(dataset).title)


def _headline(results: Path, dataset: str, title: str) -> Iterator[str]:
    """A benchmark's tables, one row a variant, with the trivial rows."""
    rows = with_trivial(headline(main_table(results, dataset)), results, dataset)
    yield f"<h2>{escape(title)}</h2>"
    for part, tidy in split_parts(rows, dataset):
        if tidy.empty:
            continue
        yield f"<h3>{escape(part.name.capitalize())}</h3>" if part.name else ""
        yield html_table(_first(shown(tidy), part), strong=tidy.sampler.eq("vts").tolist())
    yield f"<p class=note>{_note(rows)}</p>"


def _failed(results: Path) -> Iterator[str]:
    """Runs without a score, queries without an answer by reason, videos that cannot be read."""
    lines = []
    for dataset, variants in evaluated(results).items():
        title = known(dataset).title
        for run in load_runs(results, dataset):
            if run.score is None:
                missing = [f"{run.name}: no score record on {title}"]
                lines += missing if run.variant in variants else []
                continue
            asked = run.score["counts"]["asked"]
            lines += [
                f"{run.name} on {title}: {count} of {asked} queries, {reason}"
                for reason, count in failures_by_reason(run.score).items()
            ]
    lines += [f"video {line}" for line in unreadable(results)]
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    yield f"<ul>{items}</ul>" if lines else "<p>Nothing: every query of every run was scored.</p>"


def _times(records: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(records)[["verb", "seconds", "peak_memory_mb"]]
    grouped = frame.groupby("verb", sort=False)
    return pd.DataFrame(
        {
            "Step": list(grouped.groups),
            "Times": grouped.size().tolist(),
            "Seconds in all": [f"{value:.0f}" for value in grouped.seconds.sum()],
            "Longest (s)": [f"{value:.0f}" for value in grouped.seconds.max()],
            "Peak memory (MB)": [f"{value:.0f}" for value in grouped.peak_memory_mb.max()],
        }
    )


def _has(results: Path, path: str) -> bool:
    return (results / path).is_file()


def _links(results: Path, runs: list[Run]) -> Iterator[str]:
    """Links to what exists: notebooks, tables, and the records run by run."""
    stems = sorted({path.stem for path in results.glob("notebooks/*.ipynb")})
    for stem in [*NOTEBOOKS, *(stem for stem in stems if stem not in NOTEBOOKS)]:
        paths = {kind: f"notebooks/{stem}.{kind}" for kind in ("html", "ipynb")}
        yield _line(results, NOTEBOOKS.get(stem, stem), paths)
    for stem in sorted({path.stem for path in results.glob("tables/*.csv")}):
        paths = {kind: f"tables/{stem}.{kind}" for kind in ("csv", "md", "tex")}
        yield _line(results, f"Table {stem.replace('_', ' ')}", paths)
    yield _line(results, "Run list", {"json": "runs.json"})
    kept = {path.stem: f"comparisons/{path.name}" for path in results.glob("comparisons/*.json")}
    yield _line(results, "Comparisons", dict(sorted(kept.items())))
    benchmarks = {path.stem: f"benchmarks/{path.name}" for path in results.glob("benchmarks/*")}
    yield _line(results, "Benchmarks", benchmarks) if benchmarks else ""
    lines = []
    for run in runs:
        paths = dict(run.places)
        paths["merge"] = f"merged/{run.name}/record.json"
        for kind in sorted((results / "scores" / run.name).glob("*.json")):
            paths[f"score {kind.stem}"] = f"scores/{run.name}/{kind.name}"
        for kind in sorted((results / "predictions" / run.name).glob("*.json*")):
            paths[kind.name] = f"predictions/{run.name}/{kind.name}"
        lines.append(_line(results, run.name, paths))
    yield f"<details><summary>Records of each run</summary>{''.join(lines)}</details>"


def _line(results: Path, title: str, paths: dict[str, str]) -> str:
    links = [f'<a href="{path}">{name}</a>' for name, path in paths.items() if _has(results, path)]
    return f"<p class=links><b>{escape(title)}</b> {' · '.join(links)}</p>" if links else ""
