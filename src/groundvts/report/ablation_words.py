"""Ablations in words, each sentence computed from the comparison."""

from itertools import combinations

import pandas as pd

from groundvts.report.ablations import DIFFERENCE, METRIC, PAPER, Ablation
from groundvts.report.claims import FAILS, FEW, HOLDS, OPEN, verdict
from groundvts.report.output import span

BOTH, NEITHER = "vts-0.25", "random-0.25"
MANY = 2.0  # percent of answers without a window
CHOICE, WEIGHTS = "control-constant-weights", "control-random-choice"


def findings(ablation: Ablation) -> list[str]:
    """What the differences say: rows worse, better, not told apart; order; seeds; tokens kept."""
    first = ablation.table.iloc[0]
    return [
        f"{first['name']} scores {span(first, METRIC)} {METRIC} ({_seeds(first)}).",
        *choice_and_weights(ablation),
        *_groups(ablation.table.iloc[1:]),
        *_order(ablation),
        *_recall(ablation.table),
        *_failed(ablation.table),
        *([ablation.about["note"]] if ablation.about["note"] else []),
    ]


def _groups(rows: pd.DataFrame) -> list[str]:
    lines = []
    kinds = (FAILS, "Worse"), (HOLDS, "Better"), (OPEN, "Not told apart"), (FEW, "Too few seeds")
    ends = [f"{DIFFERENCE}{end}" for end in (" low", " high", " count")]
    for found, words in kinds:
        sides = [verdict(*row[ends]) == found for _, row in rows.iterrows()]
        ranked = rows[sides].sort_values(DIFFERENCE, ascending=found != HOLDS)
        named = [f"{row['name']}: {span(row, DIFFERENCE, '+z.1f')}" for _, row in ranked.iterrows()]
        if named:
            lines.append(f"{words}: {'; '.join(named)} points.")
    return lines


def _seeds(row: pd.Series) -> str:
    return f"{row['count']} seed{'' if row['count'] == 1 else 's'}"


def _order(ablation: Ablation) -> list[str]:
    """Whether rows stand in the paper's order."""
    if ablation.published is None:
        return []
    ranked = ablation.table.dropna(subset=PAPER + METRIC)
    found: dict[str, list[str]] = {HOLDS: [], FAILS: [], OPEN: [], FEW: []}
    for (_, one), (_, other) in combinations(ranked.iterrows(), 2):
        worse, better = sorted((one, other), key=lambda row: row[PAPER + METRIC])
        if better[PAPER + METRIC] > worse[PAPER + METRIC]:
            pair = ablation.pairs[better.variant, worse.variant]
            judged = verdict(pair[f"{METRIC} low"], pair[f"{METRIC} high"], pair["count"])
            found[judged].append(f"{worse['name']} above {better['name']}")
    total = sum(map(len, found.values()))
    opposite = f" ({'; '.join(found[FAILS])})" if found[FAILS] else ""
    return [
        f"Pairs of rows in the paper's order here: {len(found[HOLDS])} of {total}; in the opposite "
        f"order: {len(found[FAILS])}{opposite}; not told apart: {len(found[OPEN])}; too few seeds: "
        f"{len(found[FEW])}."
    ]


def _recall(table: pd.DataFrame) -> list[str]:
    """Which rows lose the queried object's tokens, where whose they are is known."""
    if "object" not in table:
        return []
    learned = table[table.object.notna() & (table.ratio < 1)]
    shares = (
        f"{row['name']}: {row.object:.0f} ({row.distractors:.0f}, {100 * row.ratio:.0f})"
        for _, row in learned.iterrows()
    )
    named = "; ".join(shares)
    return [f"Kept tokens of the queried object (of others, chance), %: {named}."] if named else []


def _failed(table: pd.DataFrame) -> list[str]:
    """Where many answers have no window; those of all other rows in one number."""
    shares = 100 * table.failed / table.asked
    if not shares.any():
        return []
    many = shares >= MANY
    rows = [f"{name}: {share:.1f}" for name, share in zip(table.name, shares, strict=True)
            if share >= MANY]  # fmt: skip
    if not many.all():
        rows.append(f"{'the others' if rows else 'all rows'} at most {shares[~many].max():.1f}")
    return [f"Answers without a usable window, which count as zero, %: {'; '.join(rows)}."]


def choice_and_weights(ablation: Ablation) -> list[str]:
    """How much of the gain over random drop the choice alone and the weights alone bring."""
    if not {BOTH, NEITHER, CHOICE, WEIGHTS} <= set(ablation.table.variant):
        return []

    def gain(ours: str, theirs: str) -> pd.Series:
        return pd.Series(ablation.pairs[ours, theirs])

    choice, weights, both = (gain(name, NEITHER) for name in (CHOICE, WEIGHTS, BOTH))
    less = gain(WEIGHTS, CHOICE)
    words = {
        HOLDS: "the weights on kept tokens bring more than the choice",
        FAILS: "the choice brings more than the weights on kept tokens",
        OPEN: "which of the two brings more cannot be told",
        FEW: "too few seeds say which brings more",
    }[verdict(less[f"{METRIC} low"], less[f"{METRIC} high"], less["count"])]
    rest = both[METRIC] - choice[METRIC] - weights[METRIC]

    def points(found: pd.Series) -> str:
        return span(found, METRIC, "+z.1f")

    return [
        f"Against random tokens with constant weights, the choice alone (VTS choice, constant "
        f"weights) gains {points(choice)} points{_share(choice, both)} and the weights alone "
        f"(random choice, VTS weights) {points(weights)}{_share(weights, both)}: {words} "
        f"(difference {points(less)}).",
        f"Together they gain {points(both)} points, {abs(rest):.1f} "
        f"{'more' if rest > 0 else 'less'} than the sum of the two. Given the weights, the choice "
        f"is worth {points(gain(BOTH, WEIGHTS))} points; given the choice, the weights are worth "
        f"{points(gain(BOTH, CHOICE))}.",
    ]


def _share(part: pd.Series, whole: pd.Series) -> str:
    """What part of a gain that is above 0 another is."""
    if not whole[f"{METRIC} low"] > 0:
        return ""
    return f" ({100 * part[METRIC] / whole[METRIC]:.0f} % of the gain of both)"
