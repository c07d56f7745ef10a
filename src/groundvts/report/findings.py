"""Conclusions in words, each computed from the records of the runs at hand."""

from pathlib import Path

import pandas as pd

from groundvts.records import read_record
from groundvts.report.benchmarks import MAIN
from groundvts.report.claims import ENOUGH
from groundvts.report.comparisons import best_of, differences
from groundvts.report.output import span, split_parts
from groundvts.report.runs import Run, by_variant, failures_by_reason, listed_runs, load_runs
from groundvts.report.tables import SHARES, TRIVIAL, headline, main_table, with_trivial

EXPECTED_OVER_BEST = 20.0  # points of mIoU that VTS at 0.25 should gain
EXPECTED_OVER_BASE = 30.0


def conclusions(results: str | Path, dataset: str = MAIN) -> list[str]:
    """What the main comparison says, sentence by sentence; silent where a run is absent."""
    table = headline(main_table(results, dataset)).set_index("variant", drop=False)
    paired = differences(results, dataset)
    best = best_of(by_variant(load_runs(results, dataset)), "best-0.25")
    return [
        *_against(table, paired, best, EXPECTED_OVER_BEST, "the better of random and uniform"),
        *_against(table, paired, "base", EXPECTED_OVER_BASE, "the model before fine-tuning"),
        *_constant(table),
        *_bars(with_trivial(table, results, dataset), dataset),
        *_second_backbone(table, paired),
        *_recall(table),
        *_failures(table),
    ]


def benchmark_conclusions(results: str | Path, dataset: str) -> list[str]:
    """Rows that are not clearly above what looks at no video, and failures by reason."""
    table = headline(main_table(results, dataset))
    bars = _bars(with_trivial(table, results, dataset), dataset)
    lost = [
        f"{run.name} {', '.join(f'{count} {why}' for why, count in reasons.items())}"
        for run in load_runs(results, dataset)
        if run.score and (reasons := failures_by_reason(run.score))
    ]
    if not lost:
        return [*bars, "No query failed in any run."]
    asked = table.loc[~table.joined, "asked"].max()
    return [*bars, f"Failures, of {asked} queries each: {'; '.join(lost)}."]


def _bars(table: pd.DataFrame, dataset: str) -> list[str]:
    """For each main metric the best row that looks at no video, and what is not above it."""
    sentences = []
    for part, rows in split_parts(table, dataset):
        blind = rows.variant.isin((TRIVIAL, "constant"))
        if len(rows) and rows.loc[blind, part.main].notna().any():
            best = rows.loc[rows.loc[blind, part.main].idxmax()]
            below = rows[~blind & ~(rows[f"{part.main} low"] > best[part.main])]
            sentences.append(
                f"{part.main}: the best prediction that looks at no video ({best.label}) scores "
                f"{best[part.main]:.1f}; rows whose interval is not above it: "
                f"{', '.join(below.variant) or 'none'}."
            )
    return sentences


def supervision(results: str | Path) -> list[str]:
    """What the base was taught, as its own record says it."""
    root = Path(results).resolve().parents[1]
    bases = {one["base"]: root / one["base"] for one in listed_runs(Path(results) / "runs.json")
             if one.get("base")}  # fmt: skip
    made = [path / "record.json" for path in bases.values()]
    told = [read_record(path).get("supervision", []) for path in made if path.is_file()]
    return list(dict.fromkeys(line for lines in told for line in lines))


def stage_conclusions(runs: list[Run]) -> list[str]:
    """What training did to loss and choice, per run whose choice is learned."""
    sentences = []
    for run in runs:
        if run.sampler != "vts" or not run.tokens or "warmup" not in run.tokens["after"]:
            continue
        after = run.tokens["after"]
        first, last = after["warmup"], after[list(after)[-1]]
        if not all(shares[name] for shares in (first, last) for name in SHARES):
            continue
        told = "follows the query" if _apart(first) else "does not yet follow the query"
        sentences.append(
            f"{run.name}: after stage 1 it keeps {_share(first, 'object')} of the queried object's "
            f"tokens and {_share(first, 'distractors')} of the other objects', so the choice "
            f"{told}; after the last stage {_share(last, 'object')} and "
            f"{_share(last, 'distractors')}."
        )
    return sentences


def _apart(shares: dict) -> bool:
    return shares["object"]["low"] > shares["distractors"]["high"]


def _share(shares: dict, name: str) -> str:
    return f"{shares[name]['value']:.0f} %"


def _pick(paired: pd.DataFrame, ours: str, theirs: str) -> pd.Series | None:
    if paired.empty:
        return None
    found = paired[(paired.ours == ours) & (paired.theirs == theirs)]
    return found.iloc[0] if len(found) else None


def _against(
    table: pd.DataFrame, paired: pd.DataFrame, other: str, expected: float, words: str
) -> list[str]:
    found = _pick(paired, "vts-0.25", other)
    if found is None:
        return []
    ours, theirs = table.loc["vts-0.25"], table.loc[other]
    met = "met" if found.mIoU >= expected and found["mIoU low"] > 0 else "NOT met"
    met = "not judged: it takes 3 seeds" if 0 < found["count"] < ENOUGH else met
    return [
        f"VTS at 0.25 scores {span(ours)} mIoU, {words} ({other}) {span(theirs)}: a paired "
        f"difference of {span(found, digits='+.1f')} points. "
        f"The aim of at least {expected:.0f} points, surely above 0, is {met}."
    ]


def _constant(table: pd.DataFrame) -> list[str]:
    if "constant" not in table.index:
        return []
    level = table.loc["constant"]
    below = table[~(table["mIoU low"] > level.mIoU)]
    names = [name for name in below.variant if name != "constant"]
    which = ", ".join(names) if names else "none"
    return [
        f"A constant span fitted on the training split scores {span(level)} mIoU without looking "
        f"at a video; rows not clearly above it: {which}."
    ]


def _second_backbone(table: pd.DataFrame, paired: pd.DataFrame) -> list[str]:
    """What VTS gains on InternVL, against whatever of it was run."""
    ours = "internvl-vts-0.25"
    if ours not in table.index:
        return []
    others = {"base-internvl": "its base", "internvl-random-0.25": "random drop",
              "internvl-uniform-0.25": "uniform drop", "constant": "the constant span"}  # fmt: skip
    gains = []
    for other, words in others.items():
        if (found := _pick(paired, ours, other)) is not None:
            gains.append(f"{span(found, digits='+.1f')} points against {words}")
    text = f"On InternVL, VTS at 0.25 scores {span(table.loc[ours])} mIoU"
    return [f"{text}: {', '.join(gains)}." if gains else f"{text}."]


def _recall(table: pd.DataFrame) -> list[str]:
    if "vts-0.25" not in table.index or pd.isna(table.loc["vts-0.25"].get("object")):
        return []
    row = table.loc["vts-0.25"]
    met = "met" if row.object >= 95 and row.distractors < row.object - 5 else "NOT met"
    return [
        f"On the test queries VTS at 0.25 keeps {row.object:.1f} % of the queried object's tokens "
        f"and {row.distractors:.1f} % of the other objects' (chance: 25 %): the aim of at least "
        f"95 % with clearly fewer of the others is {met}."
    ]


def _failures(table: pd.DataFrame) -> list[str]:
    lost = table[table.failed > 0]
    if lost.empty:
        return ["Every query got a readable answer in every run; none was skipped."]
    rows = ", ".join(f"{row.variant} {row.failed} of {row.asked}" for _, row in lost.iterrows())
    return [f"Queries without a usable answer count as zero: {rows}."]
