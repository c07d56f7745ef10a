"""Tables: the main comparison, paired differences, training, and the paper's numbers beside ours.

All numbers are percent. Tables are tidy DataFrames; `shown` turns one into its printed form.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from groundvts.errors import BadInput
from groundvts.records import source_hash
from groundvts.report.intervals import mean_interval, paired_difference
from groundvts.report.runs import Run, by_variant, load_queries, load_runs

FROM_IOU = ("R1@0.3", "R1@0.5", "R1@0.7", "mIoU")
SHARES = {"object": "object tokens", "distractors": "other objects' tokens"}
QUESTIONS = (
    ("vts-{r}", "best-{r}", "VTS against the better of random and uniform"),
    ("vts-{r}", "base", "VTS against the base"),
    ("vts-{r}", "constant", "VTS against the constant span"),
    ("vts-{r}", "full", "VTS against all tokens, fine-tuned"),
    (
        "control-constant-weights",
        "best-0.25",
        "VTS choice with constant weights against the better",
    ),
    ("control-constant-weights", "random-0.25", "the choice alone, weights constant"),
    ("control-random-choice", "random-0.25", "the weights alone, choice random"),
    ("control-random-choice", "control-constant-weights", "the weights alone, less choice alone"),
    ("vts-0.25", "random-0.25", "choice and weights together"),
    ("vts-0.25", "control-random-choice", "the choice, given the weights"),
    ("vts-0.25", "control-constant-weights", "the weights, given the choice"),
    ("vts-0.5", "vts-0.25", "ratio 0.5 against 0.25"),
)
PAPER_ROWS = {
    "base": "Qwen2.5VL-7B",
    "full": "Qwen2.5VL-7B-G",
    "vts-0.5": "GroundVTS-Q",
}


def main_table(results: str | Path, dataset: str = "charades_sta") -> pd.DataFrame:
    """The main comparison, one row per scored run and one joined row per variant of several seeds.

    Columns: variant, label, sampler, ratio, seeds ("0" or "0, 1"), joined, per metric NAME, NAME
    low, NAME high, then asked, scored, failed, per share of kept tokens the same three columns,
    and older (what was made by other source than the present). The interval of a joined row is
    over videos and seeds together; shares of a joined row are means without an interval.
    Raises BadInput if nothing is scored yet.
    """
    runs = load_runs(results, dataset)
    queries = load_queries(runs)
    rows = []
    for members in by_variant(runs).values():
        rows += [_single(run) for run in members]
        if len(members) > 1:
            rows.append(_joined(members, rows[-len(members) :], queries))
    if not rows:
        raise BadInput(f"{results}: no run has a score record for {dataset}; run the scoring first")
    return pd.DataFrame(rows)


def _single(run: Run) -> dict[str, Any]:
    row = _head([run])
    for name, metric in run.score["metrics"].items():
        row |= _triple(name, metric)
    row |= {key: run.score["counts"][key] for key in ("asked", "scored", "failed")}
    last = run.tokens.get("test", {}) if run.tokens else {}
    for share in SHARES:
        if last.get(share):
            row |= _triple(share, last[share])
    return row | {"older": ", ".join(run.older)}


def _joined(members: list[Run], singles: list[dict[str, Any]], queries) -> dict[str, Any]:
    row = _head(members)
    frame = pd.DataFrame(singles)
    for name in members[0].score["metrics"]:
        low, high = frame[f"{name} low"].min(), frame[f"{name} high"].max()
        if name in FROM_IOU:
            low, high = mean_interval(queries.arm(members, name), queries.videos)
        row |= {name: frame[name].mean(), f"{name} low": low, f"{name} high": high}
    row |= {key: int(frame[key].sum()) for key in ("asked", "scored", "failed")}
    row |= {share: frame[share].mean() for share in SHARES if share in frame}
    older = (verb for run in members for verb in run.older)
    return row | {"older": ", ".join(dict.fromkeys(older))}


def _head(members: list[Run]) -> dict[str, Any]:
    first = members[0]
    return {
        "variant": first.variant,
        "label": first.label,
        "sampler": first.sampler,
        "ratio": first.ratio,
        "seeds": ", ".join(str(run.seed) for run in members),
        "joined": len(members) > 1,
    }


def _triple(name: str, metric: dict[str, float]) -> dict[str, float]:
    return {name: metric["value"], f"{name} low": metric["low"], f"{name} high": metric["high"]}


def headline(table: pd.DataFrame) -> pd.DataFrame:
    """One row per variant: the joined row where there are several seeds."""
    return table.drop_duplicates("variant", keep="last").reset_index(drop=True)


def metric_names(table: pd.DataFrame) -> list[str]:
    """The metrics of a main table, in its order."""
    named = [name.removesuffix(" low") for name in table.columns if name.endswith(" low")]
    return [name for name in named if name not in SHARES]


def differences(results: str | Path, dataset: str = "charades_sta") -> pd.DataFrame:
    """Paired differences over the same queries with 95 % intervals over videos and seeds.

    Columns: question, ours, theirs (variants), per metric NAME, NAME low, NAME high in points.
    """
    runs = load_runs(results, dataset)
    queries, variants = load_queries(runs), by_variant(runs)
    pairs = []
    for ours, theirs, question in QUESTIONS:
        for ratio in ("0.25", "0.5") if "{r}" in ours else ("",):
            names = ours.format(r=ratio), theirs.format(r=ratio)
            text = f"{question} at {ratio}" if ratio else question
            pairs.append((names[0], best_of(variants, names[1]), text))
    rows = []
    for ours, theirs, question in dict.fromkeys(pairs):
        if ours not in variants or theirs not in variants:
            continue
        row: dict[str, Any] = {"question": question, "ours": ours, "theirs": theirs}
        for name in FROM_IOU:
            arms = (queries.arm(variants[key], name) for key in (ours, theirs))
            triple = paired_difference(*arms, queries.videos)
            row |= dict(zip((name, f"{name} low", f"{name} high"), triple, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def best_of(variants: dict[str, list[Run]], name: str) -> str:
    """`best-R` becomes the better of random-R and uniform-R by mean mIoU; others stay."""
    if not name.startswith("best-"):
        return name
    ratio = name.removeprefix("best-")
    present = [key for key in (f"random-{ratio}", f"uniform-{ratio}") if key in variants]

    def miou(key: str) -> float:
        return float(np.mean([run.score["metrics"]["mIoU"]["value"] for run in variants[key]]))

    return max(present, key=miou, default=name)


def training_table(results: str | Path) -> pd.DataFrame:
    """One row per run and stage: samples, steps, parameters trained, loss at both ends, time."""
    rows = []
    for run in load_runs(results):
        for stage, record in run.stages.items():
            loss = [point["loss"] for point in record["loss"]]
            tail = max(1, len(loss) // 10)
            rows.append(
                {"run": run.name, "variant": run.variant, "stage": stage}
                | {"samples": record["samples"]["used"]}
                | {"left out": len(record["samples"]["left_out"])}
                | {"steps": record["steps"], "resumed from": record["resumed_from"]}
                | {"trainable": record["trainable"]["total"], **record["trainable"]["groups"]}
                | {"first loss": loss[0] if loss else None}
                | {"last loss": float(np.mean(loss[-tail:])) if loss else None}
                | {key: record[key] for key in ("seconds", "peak_memory_mb")}
                | {"older": "" if record["source"] == source_hash() else "train"}
            )
    return pd.DataFrame(rows)


def beside_paper(published: str | Path, table: pd.DataFrame) -> pd.DataFrame:
    """The paper's rows (7B, real videos) and ours (toy) one under the other, never compared.

    Columns: what ("paper" or "this run"), method, note, R1@0.3, R1@0.5, R1@0.7, mIoU.
    """
    paper = pd.read_csv(published)
    ours = headline(table).set_index("variant")
    rows = []
    for variant, method in PAPER_ROWS.items():
        found = paper[(paper.method == method) & (paper.density.isna() | (paper.density == 2.0))]
        if variant == "vts-0.5":
            found = found[found.density.isna()]
        for _, row in found.iterrows():
            density = "" if pd.isna(row.density) else f", {row.density:g} frames per second"
            note = {"what": "paper", "method": method, "note": f"{row.source}{density}"}
            rows.append(note | {name: row[name] for name in FROM_IOU})
        if variant in ours.index:
            note = {"what": "this run", "method": ours.label[variant]}
            note["note"] = f"seeds {ours.seeds[variant]}"
            rows.append(note | {name: ours.loc[variant, name] for name in FROM_IOU})
    return pd.DataFrame(rows)
