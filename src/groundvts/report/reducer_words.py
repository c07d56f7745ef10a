"""What the comparison of token reducers says, each sentence computed from its records."""

from collections.abc import Callable

import pandas as pd

from groundvts.report.benchmarks import MAIN, known
from groundvts.report.claims import FAILS, FEW, HOLDS, OPEN, verdict
from groundvts.report.output import span
from groundvts.report.reducers import PANELS, RECALL, Reducers, case_titles

SLOWER = 1.1  # times what the operations promise


def conclusions(found: Reducers) -> list[str]:
    """Best and worst by benchmark; trained against untrained; what each ratio costs."""
    return [
        *(line for panel in PANELS for line in _ranking(found, *panel)),
        *_untrained(found),
        *_ratios(found),
    ]


def _ranking(found: Reducers, dataset: str, metric: str) -> list[str]:
    """The first row against the other trained ones."""
    rows = found.at(dataset, metric, found.own)
    trained = rows[rows.trained.astype(bool)] if len(rows) else rows
    if len(trained) < 2:
        return []
    told = _against_first(trained, lambda row: f"{row.label} {span(row, 'difference', '+z.1f')}")
    return [
        f"{known(dataset).title}, {metric}, {100 * found.own:g} % of the tokens: {told} points."
    ]


def _against_first(rows: pd.DataFrame, name: Callable[[pd.Series], str]) -> str:
    """Which rows the first is above, not told apart from, and below, best first."""
    first, others = rows.iloc[0], rows.iloc[1:]

    def bounds(row: pd.Series) -> tuple[float, float, int]:
        return -row["difference high"], -row["difference low"], row["difference count"]

    groups: dict[str, list[str]] = {HOLDS: [], OPEN: [], FAILS: [], FEW: []}
    for _, row in others.sort_values("value", ascending=False).iterrows():
        groups[verdict(*bounds(row))].append(name(row))
    words = {HOLDS: "above", OPEN: "not told apart from", FAILS: "below"}
    words[FEW] = "too few seeds against"
    told = "; ".join(f"{words[key]} {', '.join(names)}" for key, names in groups.items() if names)
    value = span(first.rename({"low": "value low", "high": "value high"}), "value")
    return f"{first.label} ({value}) is {told}"


def _untrained(found: Reducers) -> list[str]:
    """How the untrained ones stand to the base that reads all tokens, on the main benchmark."""
    rows = found.at(MAIN, "mIoU", found.own)
    base = rows[rows.sampler.isna()]
    free = rows[~rows.trained.astype(bool) & rows.sampler.notna()]
    if base.empty or free.empty:
        return []
    level = base.iloc[0]
    values = ", ".join(f"{row.label} {row.value:.1f}" for row in free.itertuples())
    failed = ", ".join(f"{row.label} {row.failed:.0f}" for row in free.itertuples())
    lines = [
        f"Untrained, with all tokens the base scores {level.value:.1f} mIoU; with "
        f"{100 * found.own:g} % of them: {values}.",
        f"Of {level.asked:.0f} queries {level.failed:.0f} have no usable answer of the base with "
        f"all tokens; with {100 * found.own:g} % of them: {failed}.",
    ]
    gains = [
        f"{rows.label[ours]} {rows.value[ours] - rows.value[theirs]:+.1f}"
        for ours, theirs in found.pairs.items()
    ]
    if gains:
        lines.append(
            "What the three stages add to each, points of mIoU (untrained, cosine stands for "
            f"learned scores): {', '.join(gains)}."
        )
    return lines


def _ratios(found: Reducers) -> list[str]:
    """Which trained ones lose least when fewer tokens are kept than in training."""
    if len(found.ratios) < 2 or found.ratios[0] == found.own:
        return []
    few, own = (found.at(MAIN, "mIoU", ratio) for ratio in (found.ratios[0], found.own))
    both = [v for v in few.index if v in own.index and own.trained[v]]
    lost = pd.Series({own.label[v]: few.value[v] - own.value[v] for v in both}).sort_values()
    told = ", ".join(f"{label} {points:+.1f}" for label, points in lost.iloc[::-1].items())
    return [
        f"Asked with {100 * found.ratios[0]:g} % of the tokens after training with "
        f"{100 * found.own:g} %, points of mIoU: {told}."
    ]


def case_words(found: Reducers) -> list[str]:
    """For each case the first row against the other trained ones; all against ordinary clips."""
    ordinary = found.at(MAIN, "mIoU", found.own)
    lines = []
    for dataset, title in case_titles(found).items():
        rows = found.at(dataset, "mIoU", found.own)
        rows = rows[rows.trained.astype(bool)]
        if dataset == MAIN or len(rows) < 2:
            continue
        moved = (rows.value - ordinary.value[rows.index]).sort_values()
        told = ", ".join(f"{rows.label[v]} {moved[v]:+.1f}" for v in moved.index[::-1])
        lines.append(
            f"{title}: {_against_first(rows, lambda row: f'{row.label} {row.difference:+z.1f}')} "
            f"points. Against ordinary clips, points of mIoU: {told}."
        )
    return lines


def recall_words(found: Reducers) -> list[str]:
    """Whose choice holds the queried object, and whether that is what decides accuracy."""
    rows, lines = found.recall[found.recall.ratio == found.own], []
    labels = found.variants.set_index("variant").label
    for share, title in RECALL.items():
        values = rows[rows.share == share].set_index("variant").value.sort_values(ascending=False)
        if len(values):
            told = ", ".join(f"{labels[v]} {value:.0f} %" for v, value in values.items())
            lines.append(f"Tokens of the {title} kept at {100 * found.own:g} %: {told}.")
    accuracy = found.at(MAIN, "mIoU", found.own)
    objects = rows[rows.share == "object"].set_index("variant").value
    both = [v for v in objects.index if v in accuracy.index and accuracy.trained[v]]
    if len(both) > 2:
        rank = accuracy.value[both].rank().corr(objects[both].rank())
        lines.append(
            f"Over the {len(both)} trained rows, mIoU and the share of the queried object's tokens "
            f"rank alike with Spearman's {rank:+.2f}."
        )
    return lines


def prefill_words(found: Reducers) -> list[str]:
    """Who reaches what the operations promise, and who does not."""
    lines = []
    for backbone, rows in found.prefill.groupby("backbone", sort=False):
        reduced = rows[rows.operations < 1]
        if reduced.empty:
            continue
        slow = reduced[reduced.time > SLOWER * reduced.operations]
        told = ", ".join(f"{r.sampler} {r.time / r.operations:.2f}" for r in slow.itertuples())
        quick = reduced.loc[reduced.time.idxmin()]
        lines.append(
            f"{backbone}: shortest prefill {quick.sampler} ({quick.time:.2f} of all tokens' time, "
            f"operations {quick.operations:.2f}); more than {SLOWER:g} times what the operations "
            f"promise: {told or 'none'}."
        )
    return lines
