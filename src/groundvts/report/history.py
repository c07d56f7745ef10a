"""What ran, when, on what, how long, and what failed, from every record of a results folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from groundvts.escape import html as escape
from groundvts.records import read_record, source_hash
from groundvts.report.audit import unreadable
from groundvts.report.benchmarks import evaluated, known
from groundvts.report.html import html_table, listed
from groundvts.report.output import EMPTY
from groundvts.report.runs import Run, failures_by_reason, load_runs

PLACES = (
    *("*/record.json", "*/*/record.json", "*/*/*/record.json", "*/*/*.record.json"),
    *("scores/*/*.json", "scores_*/*/*.json", "protocols/*/*.json", "comparisons/*.json"),
    *("ablations/*/comparisons.json", "reducers/*/*.json", "benchmarks/*.json"),
)


def read_records(results: Path) -> Iterator[dict[str, Any]]:
    """Every record of the results folder, whatever rule wrote it."""
    for path in sorted({path for place in PLACES for path in results.glob(place)}):
        record = read_record(path)
        if {"verb", "started", "seconds"} <= set(record):
            yield record


def facts(records: list[dict[str, Any]], runs: list[Run]) -> str:
    """What, when, on what, how long, as a short definition list."""
    if not records:
        return ""
    last = max(records, key=lambda record: record["started"])
    first = min(record["started"] for record in records)
    hardware, versions = last["hardware"], last["versions"]
    older = sum(record["source"] != source_hash() for record in records)
    names = ("python", "torch", "transformers", "peft", "snakemake")
    trained = {run.places[stage] for run in runs for stage in run.stages}
    facts = {
        "Ran": f"{len(runs)} runs of {len({run.variant for run in runs})} variants on "
        f"{len({record['dataset'] for record in records if record['verb'] == 'score'})} "
        f"benchmark(s); {len(trained)} stages trained",
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


def failed(results: Path) -> Iterator[str]:
    """Runs without a score, videos that cannot be read, queries without an answer by reason."""
    lines, rows = [], []
    for dataset, variants in evaluated(results).items():
        title = known(dataset).title
        for run in load_runs(results, dataset):
            if run.score is None:
                missing = [f"{run.name}: no score record on {title}"]
                lines += missing if run.variant in variants else []
            elif run.score["counts"]["failed"]:
                counts, reasons = run.score["counts"], failures_by_reason(run.score)
                words = (f"{count} {name.replace('_', ' ')}" for name, count in reasons.items())
                rows.append(
                    {"Benchmark": title, "Run": run.name, "Asked": counts["asked"]}
                    | {"Failed": counts["failed"], "Reasons": ", ".join(words)}
                )
    yield listed([*lines, *(f"video {line}" for line in unreadable(results))])
    if rows:
        yield "<p>Queries without a usable answer; each counts as zero.</p>"
        yield html_table(pd.DataFrame(rows))
    else:
        yield "<p>Every query of every scored run has an answer.</p>"


def times(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Jobs, seconds and memory of each verb, those that took longest first."""
    frame = pd.DataFrame(records)[["verb", "seconds", "peak_memory_mb"]]
    grouped = frame.groupby("verb").agg(
        jobs=("seconds", "size"),
        seconds=("seconds", "sum"),
        longest=("seconds", "max"),
        memory=("peak_memory_mb", "max"),
    )
    grouped = grouped.sort_values("seconds", ascending=False)
    numbers = ("seconds", "longest", "memory")
    return pd.DataFrame(
        {"Step": grouped.index, "Jobs": grouped.jobs.tolist()}
        | {name: [f"{value:,.0f}" for value in grouped[name]] for name in numbers}
    ).rename(
        columns={
            "seconds": "Seconds in all",
            "longest": "Longest (s)",
            "memory": "Peak memory (MB)",
        }
    )
