"""Ablations: variants beside the one they are compared with, as table, picture and words."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from groundvts.errors import BadInput
from groundvts.records import read_record
from groundvts.report.figures import COLOURS, save, styled
from groundvts.report.output import MARK, shown, span, with_interval
from groundvts.report.runs import listed_runs, load_run
from groundvts.report.tables import headline, metric_names, score_table

METRIC = "mIoU"
PRINTED = ("R1@0.3", "R1@0.5", "R1@0.7")  # beside it; the csv has all
DIFFERENCE = "difference"


@dataclass(frozen=True)
class Ablation:
    """One comparison: what it asks, the paper's table it redoes, what to know of it, its table.

    `table` has the columns of a main table, one row a variant, and the paired difference of mIoU
    with the first row's in points: `difference`, with ` low`, ` high` and ` p` of it.
    """

    name: str
    title: str
    source: str | None
    note: str | None
    table: pd.DataFrame

    @property
    def heading(self) -> str:
        """The title, with the paper's table."""
        return f"{self.title} ({self.source})" if self.source else self.title


def load_ablations(results: str | Path) -> list[Ablation]:
    """All compared ablations of a results folder in their order. Raises BadInput without any."""
    found = sorted(Path(results).glob("ablations/*/comparisons.json"))
    if not found:
        raise BadInput(f"{results}: no ablation is compared yet; run `snakemake ablations` first")
    about = {path.parent: read_record(path.with_name("about.json")) for path in found}
    return [
        _load(Path(results), folder, about[folder])
        for folder in sorted(about, key=lambda folder: about[folder]["place"])
    ]


def _load(results: Path, folder: Path, about: dict) -> Ablation:
    comparison = read_record(folder / "comparisons.json")
    entries = listed_runs(folder / "runs.json")
    runs = [load_run(results, entry, about["benchmark"]) for entry in entries]
    table = headline(score_table(runs, comparison))
    pairs = {
        pair["ours"]: pair["metrics"][METRIC]
        for pair in comparison["pairs"]
        if pair["theirs"] == table.variant[0]
    }
    for key in ("value", "low", "high", "p"):
        column = DIFFERENCE if key == "value" else f"{DIFFERENCE} {key}"
        table[column] = [pairs.get(variant, {}).get(key) for variant in table.variant]
    return Ablation(folder.name, about["title"], about["source"], about["note"], table)


def shown_ablation(ablation: Ablation) -> pd.DataFrame:
    """The printed form: mIoU, its difference with the first row, and the usual other columns."""
    table = ablation.table
    others = [name for name in metric_names(table) if name not in (*PRINTED, METRIC)]
    left_out = [f"{name}{end}" for name in others for end in ("", " low", " high")]
    printed = shown(table.drop(columns=left_out))
    heading = f"{METRIC} less that of {table.variant[0]}"
    printed.insert(3, heading, with_interval(table, DIFFERENCE, "+.1f"))
    printed.insert(0, "Variant", table.variant)
    first = ["Variant", "Method", "Ratio", "Seeds", METRIC, heading]
    return printed[[*first, *(name for name in printed if name not in first)]]


def caption(ablation: Ablation) -> str:
    """What the table holds, in one sentence."""
    older = any(ablation.table.older)
    marked = f" {MARK}: partly made by other source than the present." if older else ""
    return f"{ablation.heading}, at toy scale. Percent with 95 % intervals.{marked}"


def findings(ablation: Ablation) -> list[str]:
    """What the differences say, in words: which variants are worse, better, or not told apart."""
    table, first = ablation.table, ablation.table.iloc[0]
    rows = table.iloc[1:]
    groups = {
        "Worse": rows[rows[f"{DIFFERENCE} high"] < 0],
        "Better": rows[rows[f"{DIFFERENCE} low"] > 0],
        "Not told apart": rows[
            (rows[f"{DIFFERENCE} high"] >= 0) & (rows[f"{DIFFERENCE} low"] <= 0)
        ],
    }
    lines = [f"{first.variant} scores {span(first, METRIC)} {METRIC}."]
    for words, group in groups.items():
        if len(group):
            ranked = group.sort_values(DIFFERENCE, ascending=words != "Better")
            named = (f"{row.variant} {span(row, DIFFERENCE, '+.1f')}" for _, row in
                     ranked.iterrows())  # fmt: skip
            lines.append(f"{words}: {', '.join(named)} points.")
    return [*lines, *_recall(table), *([ablation.note] if ablation.note else [])]


def _recall(table: pd.DataFrame) -> list[str]:
    """Which variants lose the queried object's tokens, where whose they are is known."""
    if "object" not in table:
        return []
    learned = table[table.object.notna() & (table.ratio < 1)]
    if learned.empty:
        return []
    shares = (
        f"{row.variant} {row.object:.0f} ({row.distractors:.0f}, {100 * row.ratio:.0f})"
        for _, row in learned.iterrows()
    )
    return [f"Kept tokens of the queried object (of others, chance), %: {', '.join(shares)}."]


@styled
def draw_ablation(ablation: Ablation, stem: str | Path) -> Path:
    """mIoU of every variant with its 95 % interval; the line is the first row's."""
    table = ablation.table.iloc[::-1].reset_index(drop=True)
    figure = Figure(figsize=(7.2, 0.3 * len(table) + 0.9), layout="constrained")
    axes = figure.subplots()
    level = ablation.table[METRIC].iloc[0]
    axes.axvline(level, color="black", linestyle="--", linewidth=1.1, zorder=1.5)
    for place, row in table.iterrows():
        shade = COLOURS["vts"] if place == len(table) - 1 else COLOURS["random"]
        bounds = [[row[METRIC] - row[f"{METRIC} low"]], [row[f"{METRIC} high"] - row[METRIC]]]
        axes.errorbar(
            row[METRIC], place, xerr=bounds, color=shade, fmt="o", ms=5, capsize=3, lw=1.6
        )
    axes.set_yticks(range(len(table)), table.variant)
    axes.set(xlim=(0, 100), ylim=(-0.6, len(table) - 0.4), title=ablation.heading)
    axes.set_xlabel(f"{METRIC} (%), 95 % interval")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.3)
    return save(figure, stem)
