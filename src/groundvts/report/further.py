"""Sections of the page about what lies beside it: claims, ablations, efficiency, the reference."""

from collections.abc import Iterator
from pathlib import Path

from groundvts.escape import html as escape
from groundvts.records import read_record
from groundvts.report.ablations import heading
from groundvts.report.html import folded, html_table, listed, printed_table
from groundvts.report.reproduction import LEGEND, REPRODUCES, shown_reproduction, summary

TARGET = "<p>Not made yet: <code>snakemake --cores all {0}</code> makes them.</p>"


def claims(results: Path) -> Iterator[str]:
    """What the paper claims, as this run's numbers judge it."""
    yield "<h2>Claims</h2>"
    path = results / "tables" / "claims.md"
    yield printed_table(path) if path.is_file() else TARGET.format("ablations")


def ablations(results: Path) -> Iterator[str]:
    """The ablations' tables in the order of the configuration, those that wait by name."""
    yield "<h2>Ablations</h2>"
    found = [(path.parent, read_record(path)) for path in results.glob("ablations/*/about.json")]
    found.sort(key=lambda pair: pair[1]["place"])
    if not found:
        yield TARGET.format("ablations")
    for folder, about in found:
        words, table = heading(about), results / "tables" / f"ablation_{folder.name}.md"
        if table.is_file():
            yield folded(words, [printed_table(table)])
        else:
            waits = "not drawn" if (folder / "comparisons.json").is_file() else "not trained"
            yield f"<p>{escape(words)}: {waits} yet.</p>"


def reducers(results: Path) -> Iterator[str]:
    """The tables of the comparison with other ways to reduce tokens."""
    yield "<h2>Other ways to reduce tokens</h2>"
    first, *others = (
        results / "tables" / f"reducers{end}.md" for end in ("_overview", "", "_cases", "_ratios")
    )
    if not first.is_file():
        yield TARGET.format("reducers")
        return
    yield printed_table(first)
    yield folded("With intervals and untrained rows, cases, ratios", map(printed_table, others))


def efficiency(results: Path) -> Iterator[str]:
    """The tables of the efficiency notebook."""
    yield "<h2>Efficiency</h2>"
    tables = sorted(results.glob("tables/efficiency_*.md"))
    yield folded("Times and memory", map(printed_table, tables)) if tables else ""
    yield "" if tables else TARGET.format("efficiency")


def reproduced(results: Path, reference: Path | None) -> Iterator[str]:
    """This run beside the reference, row by row; what does not agree stands out."""
    yield "<h2>Did it reproduce?</h2>"
    if not reference or not (reference / "runs.json").is_file():
        yield "<p>No reference records of this scale to compare with.</p>"
        return
    table, lines = summary(results, reference)
    yield listed(lines)
    if len(table):
        apart = (table.verdict != REPRODUCES).tolist()
        yield html_table(shown_reproduction(table), strong=apart)
        yield f"<p class=note>{escape(LEGEND)}</p>"
