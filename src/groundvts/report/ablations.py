"""Ablations: variants beside the one they are compared with, and beside the paper's rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from groundvts.errors import BadInput
from groundvts.records import read_record
from groundvts.report.benchmarks import MAIN, known
from groundvts.report.comparisons import every_pair
from groundvts.report.output import INTERVALS, MARK, number, with_interval
from groundvts.report.published import RETRIEVAL, read_table
from groundvts.report.runs import Run, by_variant, listed_runs, load_run, locate
from groundvts.report.tables import headline, score_table

PUBLISHED = "workflow/published"
METRIC = "mIoU"
DIFFERENCE = "difference"
PAPER = "paper "  # begins the columns of the paper's numbers
PAPER_HEADING = "Paper (7B, real videos)"
LESS = "less row 1"
ABOUT = {"title", "source", "note", "benchmark", "place", "labels", "published", "claims"}
ABOUT |= {"densities"}


@dataclass(frozen=True)
class Ablation:
    """One comparison: what it asks, its table, its runs, the paper's table that it redoes.

    `table` has the columns of a main table, one row a variant, and: name (of the row), density
    (frames per second times the share of tokens kept), the paired difference of mIoU with the
    first row's in points (`difference`, with ` low`, ` high`, ` p` and ` count`), and, where the
    paper has a row, its numbers: `paper R1@0.3` to `paper mIoU` and `paper difference`.
    `pairs` are the paired differences of any two variants, either way round, in points.
    """

    name: str
    scale: str
    about: dict[str, Any]
    table: pd.DataFrame
    pairs: dict[tuple[str, str], dict[str, float]]
    runs: list[Run]
    published: pd.DataFrame | None

    @property
    def heading(self) -> str:
        return heading(self.about)

    @property
    def rows(self) -> pd.DataFrame:
        """The table by variant."""
        return self.table.set_index("variant", drop=False)

    def singles(self, variant: str) -> list[float]:
        """mIoU of each seed of a variant."""
        runs = by_variant(self.runs)[variant]
        return [run.score["metrics"][METRIC]["value"] for run in runs]


def load_ablations(results: str | Path, published: str | Path = PUBLISHED) -> list[Ablation]:
    """All compared ablations of a results folder in their order, with the tables in `published`.

    Raises BadInput without any, or if an ablation names a row that the paper's table has not.
    """
    results = Path(results)
    found = sorted(results.glob("ablations/*/comparisons.json"))
    if not found:
        raise BadInput(f"{results}: no ablation is compared yet; run `snakemake ablations` first")
    about = {path.parent: read_record(path.with_name("about.json")) for path in found}
    for folder, one in about.items():
        if lacks := ABOUT - set(one):
            raise BadInput(f"{folder}/about.json: lacks {min(lacks)}; run `snakemake ablations`")
    ordered = sorted(about, key=lambda folder: about[folder]["place"])
    return [_load(results, folder, about[folder], published) for folder in ordered]


def title(about: dict[str, Any]) -> str:
    """What an ablation asks, and of which benchmark where that is not the main one."""
    on = "" if about["benchmark"] == MAIN else f", {known(about['benchmark']).title}"
    return f"{about['title']}{on}"


def heading(about: dict[str, Any]) -> str:
    """The title, with the paper's table."""
    return f"{title(about)} ({about['source']})" if about["source"] else title(about)


def _load(results: Path, folder: Path, about: dict, published: str | Path) -> Ablation:
    comparison = read_record(folder / "comparisons.json")
    entries = listed_runs(folder / "runs.json")
    runs = [load_run(results, entry, about["benchmark"]) for entry in entries]
    pairs = every_pair(comparison)
    table = headline(score_table(runs, comparison))
    table["name"] = _names(table, about["labels"])
    table["density"] = [about["densities"].get(variant) for variant in table.variant]
    with_first = [pairs.get((name, table.variant[0]), {}) for name in table.variant]
    table[f"{DIFFERENCE} count"] = [pair.get("count") for pair in with_first]
    for end in ("", " low", " high", " p"):
        table[f"{DIFFERENCE}{end}"] = [pair.get(f"{METRIC}{end}") for pair in with_first]
    paper = None
    if about["published"]:
        whole = read_table(locate(published), about["published"]["table"])
        paper = whole[whole.benchmark == about["benchmark"]]
        place = f"config: ablations.{folder.name}.published.rows"
        table = table.join(_paper_columns(paper, about["published"], place), on="variant")
        table[f"{PAPER}{DIFFERENCE}"] = table[PAPER + METRIC] - table[PAPER + METRIC].iloc[0]
        table.loc[0, f"{PAPER}{DIFFERENCE}"] = None
    return Ablation(folder.name, results.name, about, table, pairs, runs, paper)


def _names(table: pd.DataFrame, labels: dict[str, str]) -> list[str]:
    """Names of rows: labels, with the ratio where several rows have the same."""
    own = [labels.get(row.variant, row.label) for row in table.itertuples()]
    return [
        f"{name}, ratio {ratio:g}" if own.count(name) > 1 and pd.notna(ratio) else name
        for name, ratio in zip(own, table.ratio, strict=True)
    ]


def _paper_columns(paper: pd.DataFrame, published: dict, place: str) -> pd.DataFrame:
    """The paper's numbers by variant. Raises BadInput unless each variant names one row."""
    rows = {}
    for variant, cells in published["rows"].items():
        found = paper
        for column, cell in cells.items():
            if column not in paper:
                known = ", ".join(paper.columns)
                raise BadInput(
                    f"{place}.{variant}: {published['table']}.csv has no column {column!r}; "
                    f"it has {known}"
                )
            found = found[found[column] == cell]
        if len(found) != 1:
            raise BadInput(
                f"{place}.{variant}: {len(found)} rows of {published['table']}.csv are such; "
                "name the cells of one"
            )
        rows[variant] = found.iloc[0][list(RETRIEVAL)]
    return pd.DataFrame(rows).T.astype(float).add_prefix(PAPER)


def shown_ablation(ablation: Ablation) -> pd.DataFrame:
    """The printed form in the paper's columns, ours beside the paper's; headings of two levels."""
    table = ablation.table
    ours = f"Here ({ablation.scale} scale)"
    marks = [f"\N{NO-BREAK SPACE}{MARK}" if older else "" for older in table.older]
    names = [name + mark for name, mark in zip(table.name, marks, strict=True)]
    columns = {("", "Row"): names}
    if table.density.nunique() > 1:
        columns["", "Density"] = _cells(table.density, "g")
    columns["", "Seeds"] = [str(count) for count in table["count"]]
    for name in RETRIEVAL[:-1]:
        columns[ours, name] = _cells(table[name], ".1f")
    columns[ours, METRIC] = with_interval(table, METRIC)
    columns[ours, LESS] = with_interval(table, DIFFERENCE, "+z.1f")
    if ablation.published is not None:
        for name in RETRIEVAL:
            columns[PAPER_HEADING, name] = _cells(table[PAPER + name], ".1f")
        columns[PAPER_HEADING, LESS] = _cells(table[PAPER + DIFFERENCE], "+z.1f")
    return pd.DataFrame(columns)


def _cells(column: pd.Series, digits: str) -> list[str]:
    return [number(value, digits) for value in column]


def caption(ablation: Ablation) -> str:
    """What the table holds, in a few sentences."""
    score = next(run.score for run in ablation.runs if run.score)
    queries, videos = score["counts"]["asked"], len(set(score["queries"]["video"]))
    words = [
        f"{ablation.heading}. Ours: {ablation.scale} scale, {queries} test queries of {videos} "
        f"videos, percent; {INTERVALS} “{LESS}”: paired by query and seed, "
        f"difference in {METRIC} with the first row, in points."
    ]
    if ablation.published is not None:
        words.append("The paper's numbers are another thing: only orders and differences compare.")
    if ablation.table.density.nunique() > 1:
        words.append("Density: frames per second times the share of tokens kept.")
    if any(ablation.table.older):
        words.append(f"{MARK}: partly made by other source than the present.")
    return " ".join(words)
