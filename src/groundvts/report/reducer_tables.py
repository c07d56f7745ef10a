"""The printed tables of ways to reduce tokens, one row a variant."""

import pandas as pd

from groundvts.report.benchmarks import KNOWN, MAIN, known
from groundvts.report.output import EMPTY, INTERVALS, span
from groundvts.report.reducers import PANELS, RECALL, Reducers, case_titles

LESS = "less row 1"
INSIDE = "attention"  # chooses in the language model, so that its time is not apart


def shown_overview(found: Reducers) -> pd.DataFrame:
    """Every trained variant at the ratio it was trained with: a benchmark or a case a column.

    Beside them mIoU of the same way untrained, and the share of the queried object's tokens kept.
    """
    mean = found.at(MAIN, "mIoU", found.own)
    columns = {"Reducer": found.variants.label, "mIoU": _cells(found, mean, "value")}
    columns[LESS] = _cells(found, mean, "difference", "+z.1f")
    free = {ours: mean.value[theirs] for ours, theirs in found.pairs.items()}
    columns["untrained"] = _plain(found, pd.Series(free, dtype=float))
    others = [(known(d).title, d, m) for d, m in PANELS if d != MAIN]
    others += [(title, d, "mIoU") for d, title in case_titles(found).items() if d != MAIN]
    for title, dataset, metric in others:
        columns[f"{title}, {metric}"] = _plain(found, found.at(dataset, metric, found.own).value)
    kept = found.recall[(found.recall.share == "object") & (found.recall.ratio == found.own)]
    columns["Object tokens kept"] = _plain(found, kept.set_index("variant").value)
    trained = found.variants.trained.astype(bool)
    return pd.DataFrame(columns)[trained].reset_index(drop=True)


def overview_words(found: Reducers) -> str:
    """What the overview's numbers are."""
    trained = found.accuracy[found.accuracy.trained.astype(bool)]
    seeds = sorted(set(trained[trained.ratio == found.own]["count"]))
    return (
        f"Percent with {100 * found.own:g} % of the tokens, {' or '.join(map(str, seeds))} seeds a "
        f"row; {INTERVALS} Less row 1: paired, in points. Untrained: mIoU of the "
        "base, the same way, by cosine for learned scores. " + benchmarks_asked(found)
    )


def shown_accuracy(found: Reducers) -> pd.DataFrame:
    """Every variant at the ratio it was trained with, on every benchmark, with intervals."""
    columns = _names(found)
    for dataset, metric in PANELS:
        rows = found.at(dataset, metric, found.own)
        if len(rows):
            title = known(dataset).title
            columns[title, metric] = _cells(found, rows, "value")
            if dataset == MAIN:
                columns[title, LESS] = _cells(found, rows, "difference", "+z.1f")
    return pd.DataFrame(columns)


def shown_ratios(found: Reducers) -> pd.DataFrame:
    """Every metric at every ratio."""
    columns = _names(found)
    for dataset, metric in PANELS:
        for ratio in found.ratios:
            rows = found.at(dataset, metric, ratio)
            if len(rows):
                heading = f"{known(dataset).title}, {metric}"
                columns[heading, f"{ratio:g}"] = _plain(found, rows.value)
    return pd.DataFrame(columns)


def shown_cases(found: Reducers) -> pd.DataFrame:
    """mIoU on the clips made for what is hard, beside the ordinary test clips."""
    columns = _names(found)
    for dataset, title in case_titles(found).items():
        rows = found.at(dataset, "mIoU", found.own)
        columns[title, "mIoU"] = _cells(found, rows, "value")
        columns[title, LESS] = _plain(found, rows.difference.dropna(), "+z.1f")
    return pd.DataFrame(columns)


def shown_recall(found: Reducers) -> pd.DataFrame:
    """How much of the queried object and of the true window stays, by ratio."""
    columns = _names(found)
    for share, title in RECALL.items():
        for ratio in found.ratios:
            picked = (found.recall.share == share) & (found.recall.ratio == ratio)
            values = found.recall[picked].set_index("variant").value
            columns[f"Tokens of the {title} kept", f"{ratio:g}"] = _plain(found, values)
    return pd.DataFrame(columns)


def shown_prefill(found: Reducers) -> pd.DataFrame:
    """Prefill against all tokens, beside what its operations promise."""
    rows = [row for _, row in found.prefill.iterrows()]
    titles = {"qwen": "Qwen2.5-VL", "internvl": "InternVL3.5"}
    return pd.DataFrame(
        {
            "Backbone": [titles[row.backbone] for row in rows],
            "Sampler": [row.sampler for row in rows],
            "Tokens in the last layer": [f"{row.tokens:,.0f}" for row in rows],
            "Seconds": [f"{row.seconds:.2f}" for row in rows],
            "of them choosing": [
                EMPTY if row.sampler in ("full", INSIDE) else f"{row.choice:.3f}" for row in rows
            ],
            "Time against all tokens": [span(row, "time", ".2f") for row in rows],
            "Operations against all tokens": [f"{row.operations:.2f}" for row in rows],
            "Peak memory, GB": [f"{row.peak:.2f}" for row in rows],
        }
    )


def _names(found: Reducers) -> dict[tuple[str, str], list[str]]:
    return {("", "Reducer"): list(found.variants.label)}


def _cells(found: Reducers, rows: pd.DataFrame, name: str, digits: str = ".1f") -> list[str]:
    cells = rows.rename(columns={"low": "value low", "high": "value high"})
    return [
        span(cells.loc[variant], name, digits)
        if variant in cells.index and pd.notna(cells.loc[variant, name])
        else EMPTY
        for variant in found.variants.variant
    ]


def _plain(found: Reducers, values: pd.Series, digits: str = ".1f") -> list[str]:
    return [
        f"{values[variant]:{digits}}" if variant in values.index else EMPTY
        for variant in found.variants.variant
    ]


def benchmarks_asked(found: Reducers) -> str:
    """How many queries each benchmark has, in words; cases after the others."""
    cases = {name: title for name, title in case_titles(found).items() if name != MAIN}
    order = [name for name in (*KNOWN, *found.queries) if name in found.queries.keys() - cases]
    titles = {name: known(name).title for name in order} | cases
    return f"Queries: {', '.join(f'{title} {found.queries[n]}' for n, title in titles.items())}."
