"""The one page to open: what ran, the headline numbers, figures, and links to all the rest."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from groundvts.data.files import write_text
from groundvts.escape import html as escape
from groundvts.report.benchmarks import MAIN, Part, evaluated, known
from groundvts.report.captions import CAPTIONS, titled
from groundvts.report.comparisons import differences
from groundvts.report.findings import conclusions, supervision
from groundvts.report.further import ablations, claims, efficiency, reducers, reproduced
from groundvts.report.history import facts, failed, read_records, times
from groundvts.report.html import POLICY, bullets, folded, html_table, with_contents
from groundvts.report.links import links, logs
from groundvts.report.output import INTERVALS, MARK, shown, shown_differences, split_parts
from groundvts.report.runs import by_variant, load_runs
from groundvts.report.style import STYLE
from groundvts.report.tables import headline, main_table, with_trivial
from groundvts.verify import verify

VERIFIED = 20_000_000
VERIFY = ": see groundvts verify, which looks at weights and caches too"


def write_page(results: str | Path, reference: str | Path | None = None) -> Path:
    """Write `results`/index.html from the records, tables, figures and notebooks found there.

    reference: folder of records that `groundvts reference` kept of a run of the same scale.
    The page holds its own style, links only to files beside it and fetches nothing from outside.
    It lists what records name and is no longer as it was, of files and folders up to `VERIFIED`
    bytes: hashing all weights takes long.
    """
    results = Path(results)
    records, runs = list(read_records(results)), load_runs(results)
    broken, _ = verify(results, VERIFIED)
    body = [
        f"<h1>GroundVTS: a run at {escape(results.resolve().name)} scale</h1>",
        facts(records, runs),
        bullets(f"{len(broken)} files are not what records say{VERIFY}", broken[:20]),
        *_headline(results, MAIN, "Headline"),
        bullets("What the numbers say", conclusions(results)),
        *claims(results),
        *reproduced(results, Path(reference) if reference else None),
        *_benchmarks(results),
        "<h2>Figures</h2>",
        *_figures(results),
        *_every_run(results),
        *ablations(results),
        *reducers(results),
        *efficiency(results),
        bullets("What the base was taught before", supervision(results)),
        "<h2>What failed</h2>",
        *failed(results),
        *logs(results),
        "<h2>Time and memory</h2>",
        html_table(times(records)),
        "<p class=note>Of every step that keeps a record; conversion, frames, features and "
        "notebooks keep none. Snakemake's report has the times of all jobs.</p>",
        "<h2>Notebooks, tables and records</h2>",
        *links(results),
    ]
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"{POLICY}"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>GroundVTS results</title><link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head>"
    )
    page = results / "index.html"
    content = with_contents("\n".join(part for part in body if part))
    write_text(page, f"{head}<body><main>\n{content}\n</main></body></html>\n")
    return page


def _every_run(results: Path) -> Iterator[str]:
    """Single seeds and paired differences, folded."""
    every = with_trivial(main_table(results), results)
    yield "<h2>Single seeds and paired differences</h2>"
    yield folded("Every run", [html_table(shown(every))])
    paired = html_table(shown_differences(differences(results)))
    yield folded("Paired differences (points, p of mIoU)", [paired])


def _first(printed: pd.DataFrame, part: Part) -> pd.DataFrame:
    """The main metric before the others, so that a phone shows it without scrolling."""
    metrics = [name for name in part.first if name in printed] or [part.main]
    first = ["Method", "Ratio", *metrics]
    return printed[[*first, *(name for name in printed.columns if name not in first)]]


def _note(table: pd.DataFrame) -> str:
    note = (
        f"Percent of {table.asked[~table.joined].max()} test queries; {INTERVALS} The constant "
        "window and the trivial rows look at no video."
    )
    if table.older.any():
        note += f" {MARK} partly made by other source than the present."
    return note


def _figures(results: Path) -> Iterator[str]:
    """Every figure with its caption; those that the captions do not know come last."""
    found = sorted(path.stem for path in results.glob("figures/*.png"))
    known_first = [name for name in CAPTIONS if name in found]
    for name in [*known_first, *(name for name in found if name not in CAPTIONS)]:
        caption = escape(CAPTIONS.get(name, titled(name)))
        vector, place = f"figures/{name}.pdf", f"figures/{quote(name)}"
        pdf = f' <a href="{place}.pdf">pdf</a>' if (results / vector).is_file() else ""
        yield (
            f'<figure><img src="{place}.png" alt="{caption}">'
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
