"""What the paper claims by its tables, judged by this run's paired differences."""

from pathlib import Path
from typing import Any

import pandas as pd

from groundvts.report.ablations import METRIC, PAPER, PUBLISHED, Ablation, load_ablations
from groundvts.report.benchmarks import MAIN, known
from groundvts.report.output import EMPTY, INTERVALS, number, span

HOLDS, FAILS, OPEN, FEW = "holds", "does not hold", "not told apart", "too few seeds"
ENOUGH = 3  # seeds that both sides share; 0: no seed enters either
CAPTION = (
    "Claims of the paper by its tables, judged on this run; main claims first. Differences in "
    "points of mIoU, paired by query and seed; “Its difference”: of the paper's own rows (7B, real "
    f"videos). {INTERVALS} With fewer than {ENOUGH} seeds a claim is not judged."
)
COLUMNS = ("ablation", "source", "main", "says", "better", "worse", "better name", "worse name")
COLUMNS += (METRIC, f"{METRIC} low", f"{METRIC} high", f"{METRIC} p")
COLUMNS += ("count", "verdict", "paper difference", "older")


def load_claims(results: str | Path, published: str | Path = PUBLISHED) -> pd.DataFrame:
    """The claims of all compared ablations of a results folder; see `judged`."""
    return judged(load_ablations(results, published))


def judged(ablations: list[Ablation]) -> pd.DataFrame:
    """One row a claim, main claims first.

    Columns: ablation, source, main, says, better and worse (variants), `better name` and `worse
    name`, the paired difference in mIoU (points) with ` low`, ` high`, ` p`, count (of the seeds
    that are paired), verdict, `paper difference` (points of mIoU by the paper's own table)
    and older (whether a row is partly made by other source than the present).
    """
    rows = [
        _judged(ablation, claim) for ablation in ablations for claim in ablation.about["claims"]
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("main", ascending=False, kind="stable", ignore_index=True)


def _judged(ablation: Ablation, claim: dict[str, Any]) -> dict[str, Any]:
    sides = {side: ablation.rows.loc[claim[side]] for side in ("better", "worse")}
    found = ablation.pairs[claim["better"], claim["worse"]]
    source = (
        ablation.about["source"] if ablation.published is None else ablation.published.table.iloc[0]
    )
    row = {"ablation": ablation.name, "source": source, **claim}
    if ablation.about["benchmark"] != MAIN:
        row["says"] += f" ({known(ablation.about['benchmark']).title})"
    for side, one in sides.items():
        row[f"{side} name"] = one["name"]
    row |= {key: value for key, value in found.items() if key.split()[0] in (METRIC, "count")}
    row["verdict"] = verdict(found[f"{METRIC} low"], found[f"{METRIC} high"], found["count"])
    paper = [one.get(PAPER + METRIC) for one in sides.values()]
    row["paper difference"] = None if None in paper else paper[0] - paper[1]
    return row | {"older": any(one.older for one in sides.values())}


def verdict(low: float, high: float, seeds: int) -> str:
    """What the interval of a difference over so many seeds says of the claim that it is above 0."""
    if 0 < seeds < ENOUGH:
        return FEW
    return HOLDS if low > 0 else FAILS if high < 0 else OPEN


def shown_claims(claims: pd.DataFrame) -> pd.DataFrame:
    """The printed form; differences in points of mIoU."""
    rows = [row for _, row in claims.iterrows()]
    return pd.DataFrame(
        {
            "Claim": list(claims.says),
            "Should be better": list(claims["better name"]),
            "than": list(claims["worse name"]),
            "Paper": list(claims.source.fillna(EMPTY)),
            "Its difference": [number(row["paper difference"], "+z.1f") for row in rows],
            "Difference here": [span(row, METRIC, "+z.1f") for row in rows],
            "Seeds": [str(row["count"]) for row in rows],
            "Verdict here": list(claims.verdict),
        }
    )


def tally(claims: pd.DataFrame) -> list[str]:
    """How many claims hold, which do not, and how many rest on few seeds."""
    if claims.empty:
        return ["No ablation makes a claim."]
    lines = []
    for which, words in (
        (claims[claims.main], "main claims (the first rows)"),
        (claims[~claims.main], "others"),
    ):
        counts = [(which.verdict == found).sum() for found in (HOLDS, FAILS, OPEN, FEW)]
        told = ("hold", "do not hold", "are not told apart", "have too few seeds")
        kinds = zip(counts, told, strict=True)
        lines.append(f"Of {len(which)} {words} {', '.join(f'{n} {kind}' for n, kind in kinds)}.")
    named = (FAILS, "Do not hold here"), (OPEN, "Not told apart here"), (FEW, "Too few seeds")
    for found, words in named:
        if len(named := claims[claims.verdict == found]):
            lines.append(f"{words}: {'; '.join(named.says)}.")
    return [*lines, "Intervals are not corrected for the number of claims."]
