"""What the benchmarks of training steps and of grouped inference measured: tables, and words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from groundvts.report.efficiency import TITLES, TOLERANCE, bounded, load, triple

TRAINING, GROUPED = "training_step-", "grouped_inference-"  # before backbone, or kept share
AIM = 2.0  # times as fast as one query at a time


def training_table(records: dict[str, dict]) -> pd.DataFrame:
    """One row a backbone and mode: seconds of a step, and ratios to the hidden tokens' step."""
    rows = []
    for backbone, record in records.items():
        for name, mode in record["modes"].items():
            row = {"backbone": backbone, "mode": name, **triple("seconds", mode["seconds"])}
            row |= {**triple("time ratio", mode["time_ratio"]), "quotient": mode["quotient"]}
            row |= {"operations ratio": mode["flop_ratio"], "operations": mode["flops"]}
            rows.append({**row, "peak bytes": mode["peak_bytes"]})
    return pd.DataFrame(rows)


def shown_training(table: pd.DataFrame) -> pd.DataFrame:
    """The printed form of `training_table`."""
    rows = [
        {
            "Model": TITLES.get(row.backbone, row.backbone),
            "Tokens": row["mode"],
            "Step (s)": bounded(row, "seconds"),
            "Time ratio": bounded(row, "time ratio"),
            "Operations ratio": f"{row['operations ratio']:.3f}",
            "Time / operations": f"{row.quotient:.3f}",
            "Peak memory (GB)": f"{row['peak bytes'] / 1e9:.2f}",
        }
        for _, row in table.iterrows()
    ]
    return pd.DataFrame(rows)


def grouped_table(records: dict[str, dict]) -> pd.DataFrame:
    """One row a kept share and way of asking: speed, stages, how much faster grouped is."""
    rows = []
    for ratio, record in records.items():
        for mode in record["modes"]:
            row = {"ratio": float(ratio), "mode": mode["name"]}
            row |= triple("queries per second", mode["queries_per_second"])
            row |= triple("grouped is faster", mode["grouped_is_faster"])
            row |= {f"{stage} seconds": spent for stage, spent in mode["stage_seconds"].items()}
            rows.append({**row, "same answers": mode["same"]})
    return pd.DataFrame(rows)


def shown_grouped(table: pd.DataFrame) -> pd.DataFrame:
    """The printed form of `grouped_table`."""
    stages = [name for name in table if name.endswith(" seconds")]
    rows = [
        {
            "Kept": f"{row.ratio:g}",
            "Queries": row["mode"],
            "Queries per second": bounded(row, "queries per second"),
            "Grouped is faster (times)": bounded(row, "grouped is faster"),
            **{f"{s.removesuffix(' seconds').capitalize()} (s)": f"{row[s]:.2f}" for s in stages},
            "Same answers": f"{100 * row['same answers']:.0f} %",
        }
        for _, row in table.iterrows()
    ]
    return pd.DataFrame(rows)


def conclusions(results: str | Path) -> list[str]:
    """What was promised of training steps and grouped inference, and what was measured."""
    lines = [_training_words(name, one) for name, one in load(results, TRAINING).items()]
    grouped = load(results, GROUPED).items()
    return lines + [_grouped_words(float(ratio), one) for ratio, one in grouped]


def _training_words(backbone: str, record: dict) -> str:
    model, dropped = record["model"], record["modes"]["dropped"]
    time, hidden, full = dropped["time_ratio"], record["modes"]["masked"], record["modes"]["full"]
    memory = dropped["peak_bytes"] / hidden["peak_bytes"] if hidden["peak_bytes"] else float("nan")
    return (
        f"{TITLES.get(backbone, backbone)}, a training step of stage 3 (width {model['width']:,}, "
        f"{model['layers']} layers, {model['dtype']} on {model['device']}, {record['visual']:,} "
        f"visual tokens): with tokens dropped at {record['ratio']:g} it takes "
        f"{time['median']:.3f} ({time['low']:.3f} to {time['high']:.3f}) of the time with them "
        f"hidden, with {dropped['flop_ratio']:.3f} of the operations; time over operations is "
        f"{dropped['quotient']:.3f}, {_off(dropped['quotient'])}. With all tokens, which no mask "
        f"hides, a step takes {full['time_ratio']['median']:.3f}. Peak memory over the model is "
        f"{memory:.2f} of the other's."
    )


def _off(quotient: float) -> str:
    if quotient > 1 + TOLERANCE:
        return "MISSED: more than 10 % above"
    if quotient < 1 - TOLERANCE:
        return "more than 10 % below: a mask costs attention more than its operations say"
    return "within 10 %: met"


def _grouped_words(ratio: float, record: dict) -> str:
    modes, counts = {mode["name"]: mode for mode in record["modes"]}, record["counts"]
    alone, model = modes["one at a time"], record["model"]
    faster = alone["grouped_is_faster"]
    met = "met" if faster["median"] >= AIM else "MISSED"
    return (
        f"{counts['queries']} queries on {counts['videos']} videos of "
        f"{record['visual_tokens']:.0f} visual tokens, {ratio:g} of them kept "
        f"({model['parameters'] / 1e6:.0f} million random weights, {model['dtype']} on "
        f"{model['device']}): grouped by video, they are answered {faster['median']:.2f} "
        f"({faster['low']:.2f} to {faster['high']:.2f}) times as fast as one at a time (aim "
        f"{AIM:g}: {met}). Of batches it is {_median(modes['tower per query'])} times as fast as "
        "with the vision tower once for every query, and "
        f"{_median(modes['decoding and tower per query'])} times as with decoding too. Answers and "
        f"kept tokens are those of one at a time in {100 * alone['same']:.0f} % of them."
    )


def _median(mode: dict) -> str:
    return f"{mode['grouped_is_faster']['median']:.2f}"
