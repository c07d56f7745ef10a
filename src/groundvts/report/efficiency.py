"""What the benchmarks of speed measured: tables, and what they say in words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from groundvts.records import read_record
from groundvts.report.output import EMPTY

PREFILL, STAGES = "prefill-", "stages-"  # names of the records, before backbone and run
TITLES = {"qwen": "Qwen2.5-VL", "internvl": "InternVL"}
TOLERANCE = 0.1  # between time ratio and ratio of operations
SCORES_AIM, ATTENTION_AIM = 0.01, 0.1
HEADINGS = {"scores": "Scores + top-K", "post-MLP": "Post-MLP", "query": "Whole query"}
BEFORE = ("read", "prepare")
BY_STAGE = ("vision tower", "projector", "scores", "post-MLP", "sequence", "prefill", "decode")


def load(results: str | Path, prefix: str) -> dict[str, dict]:
    """The records of `results`/benchmarks whose name begins with `prefix`, by the rest of it."""
    paths = {path.stem.removeprefix(prefix): path
             for path in sorted(Path(results, "benchmarks").glob(f"{prefix}*.json"))}  # fmt: skip
    ours = sorted(paths, key=lambda name: name.startswith("internvl"))  # the main backbone first
    return {name: read_record(paths[name]) for name in ours}


def prefill_table(records: dict[str, dict]) -> pd.DataFrame:
    """One row a backbone and mode: seconds, ratios to the full sequence, what the cache holds."""
    rows = []
    for backbone, record in records.items():
        for mode in record["modes"]:
            row = {"backbone": backbone, **{key: mode[key] for key in ("kind", "ratio", "tokens")}}
            row |= triple("seconds", mode["seconds"]["prefill"])
            row |= triple("time ratio", mode["time_ratio"])
            row |= {"operations ratio": mode["flop_ratio"], "quotient": mode["quotient"]}
            row |= {"within": mode["within"], "attention": mode["attention"]}
            row |= {f"{stage} seconds": one["median"] for stage, one in mode["seconds"].items()}
            rows.append({**row, "operations": total(mode), "cache bytes": mode["cache_bytes"]})
    return pd.DataFrame(rows)


def shown_prefill(table: pd.DataFrame) -> pd.DataFrame:
    """The printed form of `prefill_table`."""
    rows = [
        {
            "Model": TITLES.get(row.backbone, row.backbone),
            "Sequence": row.kind if row.kind == "full" else f"{row.kind} at {row.ratio:g}",
            "Tokens read": f"{row.tokens:,}",
            "Prefill (s)": bounded(row, "seconds"),
            "Time ratio": bounded(row, "time ratio"),
            "Operations ratio": f"{row['operations ratio']:.3f}",
            "Time / operations": f"{row.quotient:.3f}",
            "Within 10 %": EMPTY if row.kind == "full" else "yes" if row.within else "NO",
            "Scores + top-K (ms)": f"{1e3 * row['scores seconds']:.0f}",
            "Post-MLP (ms)": f"{1e3 * row['post-MLP seconds']:.0f}",
            "KV cache (MB)": f"{row['cache bytes'] / 1e6:.1f}",
        }
        for _, row in table.iterrows()
    ]
    return pd.DataFrame(rows)


def stage_table(records: dict[str, dict]) -> pd.DataFrame:
    """One row a run and mode: seconds of a query by stage, operations, cache and peak memory."""
    rows = []
    for run, record in records.items():
        for name, mode in record["modes"].items():
            row = {"run": run, "mode": name, "ratio": mode["ratio"]}
            for stage in (*BEFORE, *BY_STAGE, "query"):
                row |= triple(stage, mode["seconds"][stage])
            keys = ("decode_per_token", "new_tokens", "prompt_tokens", "cache_tokens")
            row |= {key.replace("_", " "): mode[key] for key in keys}
            row |= {"cache bytes": mode["cache_bytes"], "peak bytes": mode["peak_bytes"]}
            rows.append(row | {f"{stage} operations": n for stage, n in mode["flops"].items()})
    return pd.DataFrame(rows)


def shown_stages(table: pd.DataFrame) -> pd.DataFrame:
    """The printed form of `stage_table`: milliseconds."""
    rows = []
    for _, row in table.iterrows():
        shown = {"Run": row.run, "Tokens": row["mode"]}
        for stage in (*BEFORE, *BY_STAGE, "query"):
            heading = HEADINGS.get(stage, stage.capitalize())
            shown[f"{heading} (ms)"] = f"{1e3 * row[stage]:.1f}"
        each = row["decode per token"]
        shown["Per new token (ms)"] = EMPTY if pd.isna(each) else f"{1e3 * each:.2f}"
        shown["KV cache (KB)"] = f"{row['cache bytes'] / 1e3:.0f}"
        shown["Peak memory (MB)"] = f"{row['peak bytes'] / 1e6:.1f}"
        rows.append(shown)
    return pd.DataFrame(rows)


def profile_table(records: dict[str, dict]) -> pd.DataFrame:
    """Where a mode missed: seconds of the slowest operators, beside those of the full sequence."""
    rows = []
    for backbone, record in records.items():
        for mode in record["modes"]:
            for one in mode.get("profile", ()):
                row = {"Model": TITLES.get(backbone, backbone), "Sequence": mode["name"]}
                row |= {"Operator": one["operator"], "Calls": one["calls"]}
                rows.append(row | {"Milliseconds": 1e3 * one["seconds"]})
    return pd.DataFrame(rows)


def conclusions(results: str | Path) -> list[str]:
    """What was promised and what was measured, in words."""
    lines = []
    for backbone, record in load(results, PREFILL).items():
        lines += _prefill_words(TITLES.get(backbone, backbone), record)
    for run, record in load(results, STAGES).items():
        lines += _stage_words(run, record)
    for record in load(results, "frame_cache").values():
        ratio = record["ratio"]
        lines.append(
            f"Frames from the cache are read {ratio['median']:.1f} times as fast as decoded anew "
            f"({ratio['low']:.1f} to {ratio['high']:.1f})."
        )
    return lines or ["Nothing was measured: run the target efficiency."]


def _prefill_words(title: str, record: dict) -> list[str]:
    model, added = record["model"], record["added_share"]
    where = (
        f"{title}'s layout with random weights, width {model['width']:,}, {model['layers']} "
        f"layers, {model['dtype']} on {model['device']} with {model['threads']} threads, "
        f"{record['visual']:,} visual tokens and {record['text']} others"
    )
    share, attention = added["scores"], record["attention_share"]
    skips = "skips" if record["attention_kernel"]["skips_hidden_half"] else "does not skip"
    return [
        f"{where}:",
        *(_mode_words(title, mode, record) for mode in record["modes"] if mode["kind"] != "full"),
        f"{title}: scores and top-K take {100 * share:.2f} % of a full prefill of "
        f"{model['layers']} layers (aim below {100 * SCORES_AIM:.0f} %: "
        f"{_met(share < SCORES_AIM)}); the post-MLP on the kept tokens takes "
        f"{100 * added['post-MLP']:.1f} % at most. More layers make both smaller.",
        f"{title}: attention is {100 * attention:.1f} % of the operations (aim below "
        f"{100 * ATTENTION_AIM:.0f} %: {_met(attention < ATTENTION_AIM)}). Measured here, a causal "
        f"call {skips} the half it hides; hidden tokens need a mask, and with a mask the whole "
        "square is computed.",
    ]


def _mode_words(title: str, mode: dict, record: dict) -> str:
    time = mode["time_ratio"]
    words = (
        f"{title}, {mode['kind']} at {mode['ratio']:g}: prefill takes {time['median']:.3f} "
        f"({time['low']:.3f} to {time['high']:.3f}) of the full time, with "
        f"{mode['flop_ratio']:.3f} of its operations"
    )
    if mode["kind"] == "masked":
        saved = "hiding saves nothing" if time["median"] > 1 - TOLERANCE else "which is unexpected"
        return f"{words}: {saved}."
    words = f"{words}; time over operations is {mode['quotient']:.3f}, within 10 %: "
    if mode["within"]:
        return f"{words}met."
    return f"{words}MISSED. {_profile_words(mode, record)}"


def _profile_words(mode: dict, record: dict) -> str:
    """The operators that shrank least, against the ratio of operations."""
    whole = {one["operator"]: one["seconds"] for one in record["modes"][0]["profile"]}
    lag = {
        one["operator"]: one["seconds"] - mode["flop_ratio"] * whole.get(one["operator"], 0)
        for one in mode["profile"]
    }
    most = sorted(lag, key=lambda name: abs(lag[name]), reverse=True)[:3]
    listed = ", ".join(f"{name} {1e3 * lag[name]:+.0f} ms" for name in most)
    return f"Against that ratio the profile has: {listed}."


def _stage_words(run: str, record: dict) -> list[str]:
    modes, counts = record["modes"], record["counts"]
    full, dropped = modes["full"], modes["dropped"]
    seconds = {name: mode["seconds"]["query"]["median"] for name, mode in modes.items()}
    prefill = [mode["seconds"]["prefill"]["median"] for mode in (dropped, full)]
    time, flops = prefill[0] / prefill[1], dropped["flops"]["prefill"] / full["flops"]["prefill"]
    off = abs(time / flops - 1) > TOLERANCE
    follows = (
        f"MISSED: {full['cache_tokens']:.0f} tokens of so narrow a model are too short a sequence "
        "for time to follow operations, each call has its fixed cost"
        if off
        else "within 10 %"
    )
    before = sum(full["seconds"][stage]["median"] for stage in BEFORE)
    kilo = [mode["cache_bytes"] / 1e3 for mode in (full, dropped)]
    mega = [modes[name]["peak_bytes"] / 1e6 for name in ("full", "masked", "dropped")]
    return [
        f"{run}, {counts['scored']} of {counts['asked']} queries one by one: a query takes "
        f"{1e3 * seconds['full']:.0f} ms with all tokens, {1e3 * seconds['masked']:.0f} with "
        f"hidden and {1e3 * seconds['dropped']:.0f} with dropped ones (each of "
        f"{full['new_tokens']} new tokens), "
        f"{seconds['dropped'] / seconds['full']:.2f} of the whole; {1e3 * before:.0f} ms of each "
        "go to reading and preparing the video.",
        f"{run}: prefill of dropped tokens takes {time:.2f} of the full time, with {flops:.2f} of "
        f"its operations: {follows}.",
        f"{run}: masked and dropped give the same answer in {record['equal_answers']} of "
        f"{counts['scored']} queries.",
        f"{run}: after prefill the KV cache holds {kilo[1]:.0f} KB in place of {kilo[0]:.0f}. Peak "
        f"memory over the loaded model: {mega[0]:.1f} MB full, {mega[1]:.1f} masked, {mega[2]:.1f} "
        "dropped.",
    ]


def triple(name: str, value: dict) -> dict[str, float]:
    """A measured value with its least and greatest, as columns."""
    return {name: value["median"], f"{name} low": value["low"], f"{name} high": value["high"]}


def bounded(row: pd.Series, name: str) -> str:
    return f"{row[name]:.3f} [{row[f'{name} low']:.3f}, {row[f'{name} high']:.3f}]"


def total(mode: dict) -> int:
    return sum(mode["flops"].values())


def _met(met: bool) -> str:
    return "met" if met else "NOT met"
