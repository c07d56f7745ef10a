"""Tables: a benchmark's runs, trivial predictions, training, the paper's numbers beside ours.

All numbers are percent. Tables are tidy DataFrames; `shown` turns one into its printed form.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from groundvts.errors import BadInput
from groundvts.records import source_hash
from groundvts.report.benchmarks import MAIN
from groundvts.report.comparisons import joined_metrics, load_comparison
from groundvts.report.published import RETRIEVAL, read_table
from groundvts.report.runs import Run, by_variant, load_runs

SHARES = {"object": "object tokens", "distractors": "other objects' tokens"}
TRIVIAL = "trivial"  # the variant of predictions that look at no video
PAPER_ROWS = {
    "base": "Qwen2.5VL-7B",
    "full": "Qwen2.5VL-7B-G",
    "vts-0.5": "GroundVTS-Q",
}


def main_table(results: str | Path, dataset: str = MAIN) -> pd.DataFrame:
    """A benchmark's scores: one row per scored run and one joined row per variant of several seeds.

    Columns: variant, label, sampler, ratio, seeds ("0" or "0, 1"), joined, per metric NAME, NAME
    low, NAME high, then asked, scored, failed, per share of kept tokens the same three columns,
    and older (what was made by other source than the present). The interval of a joined row is
    that of the record `comparisons`, over videos and seeds together; without that record there is
    none. Shares of a joined row are means without an interval.
    Raises BadInput if nothing is scored yet.
    """
    found = score_table(load_runs(results, dataset), load_comparison(results, dataset))
    if found.empty:
        raise BadInput(f"{results}: no run has a score record for {dataset}; run the scoring first")
    return found


def score_table(runs: list[Run], comparison: dict[str, Any] | None) -> pd.DataFrame:
    """The main table of any runs; empty where none is scored."""
    rows = []
    for members in by_variant(runs).values():
        rows += [_single(run) for run in members]
        if len(members) > 1:
            rows.append(_joined(members, rows[-len(members) :], comparison))
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


def _joined(
    members: list[Run], singles: list[dict[str, Any]], comparison: dict[str, Any] | None
) -> dict[str, Any]:
    row = _head(members)
    frame = pd.DataFrame(singles)
    row |= {name: frame[name].mean() for name in members[0].score["metrics"]}
    older = [verb for run in members for verb in run.older]
    if comparison is not None:
        for name, metric in joined_metrics(comparison, members).items():
            row |= _triple(name, metric)
        older += ["comparisons"] if comparison["source"] != source_hash() else []
    row |= {key: int(frame[key].sum()) for key in ("asked", "scored", "failed")}
    row |= {share: frame[share].mean() for share in SHARES if share in frame}
    return row | {"older": ", ".join(dict.fromkeys(older))}


def _head(members: list[Run]) -> dict[str, Any]:
    first = members[0]
    return {
        "variant": first.variant,
        "label": first.label,
        "sampler": first.sampler,
        "ratio": first.ratio,
        "seeds": ", ".join(str(run.seed) for run in members if run.seed is not None),
        "count": sum(run.seed is not None for run in members),
        "joined": len(members) > 1,
    }


def _triple(name: str, metric: dict[str, float]) -> dict[str, float]:
    return {name: metric["value"], f"{name} low": metric["low"], f"{name} high": metric["high"]}


def with_trivial(table: pd.DataFrame, results: str | Path, dataset: str = MAIN) -> pd.DataFrame:
    """The table with the trivial predictions' rows after the constant window, for display.

    Their variant is "trivial", their label "Trivial: NAME"; they have neither interval nor counts.
    They are those of the first score record: all runs answer the same queries.
    """
    scores = (run.score for run in load_runs(results, dataset) if run.score)
    trivial = next(scores, {}).get("trivial", {})
    rows = pd.DataFrame(
        {"variant": TRIVIAL, "label": f"Trivial: {name}", "seeds": "", "count": 0, "older": ""}
        | {"joined": False, **values}
        for name, values in trivial.items()
    )
    fitted = table.variant == "constant"
    parts = [part for part in (table[fitted], rows, table[~fitted]) if len(part)]
    joined = pd.concat(parts, ignore_index=True).reindex(columns=table.columns)
    return joined.astype(dict.fromkeys(("asked", "scored", "failed"), "Int64"))


def headline(table: pd.DataFrame) -> pd.DataFrame:
    """One row per variant: the joined row where there are several seeds."""
    return table.drop_duplicates("variant", keep="last").reset_index(drop=True)


def metric_names(table: pd.DataFrame) -> list[str]:
    """The metrics of a main table, in its order."""
    named = [name.removesuffix(" low") for name in table.columns if name.endswith(" low")]
    return [name for name in named if name not in SHARES]


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

    published: folder of the paper's tables. Shown are Table 1 on Charades-STA and the baselines of
    Table 12 at the frame rate of GroundVTS.
    Columns: what ("paper" or "this run"), method, note (table and protocol, or seeds), R1@0.3,
    R1@0.5, R1@0.7, mIoU.
    """
    main, dense = (read_table(published, name) for name in ("moment_retrieval", "token_density"))
    even = (dense.density == 2) & (dense.method != PAPER_ROWS["vts-0.5"])
    paper = pd.concat([main[main.benchmark == MAIN], dense[even]])
    ours = headline(table).set_index("variant")
    rows = []
    for variant, method in PAPER_ROWS.items():
        for _, row in paper[paper.method == method].iterrows():
            note = {"what": "paper", "method": method, "note": f"{row.table}, {row.protocol}"}
            rows.append(note | {name: row[name] for name in RETRIEVAL})
        if variant in ours.index:
            note = {"what": "this run", "method": ours.label[variant]}
            note["note"] = f"seeds {ours.seeds[variant]}" if ours["count"][variant] else ""
            rows.append(note | {name: ours.loc[variant, name] for name in RETRIEVAL})
    return pd.DataFrame(rows)
