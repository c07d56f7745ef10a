"""The record `comparisons` of a benchmark: intervals of joined seeds and paired differences."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from groundvts.errors import BadInput
from groundvts.records import read_record
from groundvts.report.benchmarks import MAIN, known
from groundvts.report.runs import Run, by_variant, load_runs

QUESTIONS = (
    ("vts-{r}", "best-{r}", "VTS against the better of random and uniform"),
    ("vts-{r}", "base", "VTS against the base"),
    ("vts-{r}", "constant", "VTS against the constant span"),
    ("vts-{r}", "full", "VTS against all tokens, fine-tuned"),
    ("vts-0.5", "vts-0.25", "ratio 0.5 against 0.25"),
    ("internvl-vts-0.25", "base-internvl", "InternVL: VTS against its base"),
    ("internvl-vts-0.25", "constant", "InternVL: VTS against the constant span"),
    ("internvl-vts-0.25", "internvl-random-0.25", "InternVL: VTS against random"),
    ("internvl-vts-0.25", "internvl-uniform-0.25", "InternVL: VTS against uniform"),
)


def load_comparison(results: str | Path, dataset: str = MAIN) -> dict[str, Any] | None:
    """The record comparisons/`dataset`.json of a results folder, or None without one."""
    path = Path(results) / "comparisons" / f"{dataset}.json"
    return read_record(path) if path.is_file() else None


def joined_metrics(comparison: dict[str, Any], members: list[Run]) -> dict[str, dict[str, float]]:
    """{metric: {value, low, high}} of a variant's runs. Raises BadInput if others are joined."""
    found = comparison["variants"].get(members[0].variant, {"runs": [], "metrics": {}})
    if set(found["runs"]) != {run.name for run in members}:
        raise BadInput(
            f"comparisons/{comparison['dataset']}.json joins other runs of {members[0].variant} "
            "than are scored; run the rule that writes it again"
        )
    return found["metrics"]


def differences(results: str | Path, dataset: str = MAIN) -> pd.DataFrame:
    """Paired differences that the main comparison asks for, with 95 % intervals and p.

    Columns: question, ours, theirs (variants), count (of paired seeds), per metric NAME, NAME low,
    NAME high (points) and NAME p. A question whose variants were not compared is left out.
    """
    variants = by_variant(load_runs(results, dataset))
    pairs = []
    for ours, theirs, question in QUESTIONS:
        for ratio in ("0.25", "0.5") if "{r}" in ours else ("",):
            names = ours.format(r=ratio), theirs.format(r=ratio)
            text = f"{question} at {ratio}" if ratio else question
            pairs.append((names[0], best_of(variants, names[1], known(dataset).main), text))
    found = every_pair(load_comparison(results, dataset))
    rows = [
        {"question": question, "ours": ours, "theirs": theirs} | found[ours, theirs]
        for ours, theirs, question in dict.fromkeys(pairs)
        if (ours, theirs) in found
    ]
    return pd.DataFrame(rows, columns=None if rows else ["question", "ours", "theirs", "count"])


def every_difference(results: str | Path, dataset: str) -> pd.DataFrame:
    """Paired differences of every pair of variants once; columns as `differences`, no question."""
    comparison = load_comparison(results, dataset)
    rows = [
        {key: pair[key] for key in ("ours", "theirs")}
        | {"count": pair["seeds"], **_columns(pair["metrics"])}
        for pair in (comparison["pairs"] if comparison else [])
    ]
    return pd.DataFrame(rows, columns=None if rows else ["ours", "theirs", "count"])


def every_pair(comparison: dict[str, Any] | None) -> dict[tuple[str, str], dict[str, float]]:
    """count (of paired seeds), NAME, NAME low, NAME high and NAME p of each pair, both ways."""
    found = {}
    for pair in comparison["pairs"] if comparison else []:
        turned = {
            name: {"value": -m["value"], "low": -m["high"], "high": -m["low"], "p": m["p"]}
            for name, m in pair["metrics"].items()
        }
        count = {"count": pair["seeds"]}
        found[pair["ours"], pair["theirs"]] = _columns(pair["metrics"]) | count
        found[pair["theirs"], pair["ours"]] = _columns(turned) | count
    return found


def _columns(metrics: dict[str, dict[str, float]]) -> dict[str, float]:
    """{NAME, NAME low, NAME high, NAME p} of each metric."""
    row: dict[str, float] = {}
    for name, metric in metrics.items():
        row |= {name: metric["value"]}
        row |= {f"{name} {key}": metric[key] for key in ("low", "high", "p")}
    return row


def best_of(variants: dict[str, list[Run]], name: str, metric: str = "mIoU") -> str:
    """`best-R` becomes the better of random-R and uniform-R by mean `metric`; others stay."""
    if not name.startswith("best-"):
        return name
    ratio = name.removeprefix("best-")
    present = [key for key in (f"random-{ratio}", f"uniform-{ratio}") if key in variants]

    def mean(key: str) -> float:
        return float(np.mean([run.score["metrics"][metric]["value"] for run in variants[key]]))

    return max(present, key=mean, default=name)
