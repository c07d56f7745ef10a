"""The audit of the data: what was converted, found wrong, can be read, and is trained on.

Everything comes from what the data rules wrote: `data/<benchmark>/<split>/validation.json` and
`moments.jsonl`, `data/overlap.json`, `frames/<benchmark>/<split>/index.json` and the conversations.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from groundvts.data.entry import KEPT
from groundvts.data.moment import read_moments
from groundvts.records import read_record
from groundvts.report.figures import save, styled

PANELS = {
    "duration": "Duration of the video (s)",
    "length": "Length of a true window (s)",
    "start": "Start of a true window (share of the video)",
}
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))


def validations(results: str | Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(benchmark, split, content of validation.json) of everything configured."""
    for place in sorted(configured(results)["splits"]):
        path = Path(results) / "data" / place / "validation.json"
        yield *place.split("/"), read_record(path)


def configured(results: str | Path) -> dict[str, Any]:
    """What the configuration names: `splits` (benchmark/split), benchmarks in `training`, ..."""
    return read_record(Path(results) / "benchmarks.json")


def split_table(results: str | Path) -> pd.DataFrame:
    """One row for each benchmark and split: counts of records, of findings and of videos read.

    Columns: benchmark, split, records, videos, windows, several windows, findings, left out,
    dropped, videos read, read with a note, unreadable (the last three empty without frames).
    """
    rows = []
    for benchmark, split, content in validations(results):
        counts = content["counts"]
        row = {"benchmark": benchmark, "split": split}
        row |= {name: counts[name] for name in ("records", "videos", "windows")}
        row |= {"several windows": counts["several_windows"]}
        row |= {"findings": sum(counts["findings"].values())}
        row |= {"left out": counts["left_out"], "dropped": counts["dropped"]}
        rows.append(row | _read(Path(results) / "frames" / benchmark / split / "index.json"))
    return pd.DataFrame(rows)


def _read(index: Path) -> dict[str, int]:
    if not index.is_file():
        return {}
    content = read_record(index)
    noted = sum(bool(entry.get("note")) for entry in content["videos"].values())
    return {
        "videos read": len(content["videos"]),
        "read with a note": noted,
        "unreadable": len(content["failed"]),
    }


def finding_table(results: str | Path) -> pd.DataFrame:
    """One row for each kind of finding in a split: number, largest extent, what was done."""
    rows = []
    for benchmark, split, content in validations(results):
        for kind, count in content["counts"]["findings"].items():
            found = [finding for finding in content["findings"] if finding["kind"] == kind]
            done = Counter(finding["action"] for finding in found)
            rows.append(
                {"benchmark": benchmark, "split": split, "finding": kind, "number": count}
                | {"largest (s)": content["counts"]["largest"].get(kind)}
                | {"what was done": ", ".join(f"{n:,} {name}" for name, n in done.most_common())}
            )
    return pd.DataFrame(rows)


def worst_offenders(results: str | Path, number: int = 12) -> pd.DataFrame:
    """The findings of greatest extent, those without one last, with where they stand."""
    rows = []
    for benchmark, split, content in validations(results):
        for finding in content["findings"]:
            where = finding["key"] or (f"line {finding['line']}" if finding["line"] else "")
            place = f"{Path(finding['file']).name} {where}".strip()
            row = {"benchmark": benchmark, "split": split, "where": place}
            row |= {name: finding[name] or "" for name in ("id", "kind", "detail", "action")}
            rows.append((-(finding["by"] or 0.0), len(rows), row))
    return pd.DataFrame([row for _, _, row in sorted(rows)[:number]])


def unreadable(results: str | Path) -> list[str]:
    """Every video that cannot be read, once, with the benchmarks that ask about it."""
    reasons: dict[str, str] = {}
    places: dict[str, list[str]] = {}
    for place in sorted(configured(results)["splits"]):
        index = Path(results) / "frames" / place / "index.json"
        if not index.is_file():
            continue
        for video, reason in read_record(index)["failed"].items():
            reasons.setdefault(video, reason)
            places.setdefault(video, []).append(place)
    return [f"{video} ({', '.join(places[video])}): {why}" for video, why in reasons.items()]


def shared(results: str | Path) -> list[str]:
    """Pairs of splits that share videos, a sentence each."""
    path = Path(results) / "data" / "overlap.json"
    pairs = read_record(path) if path.is_file() else {}
    return [
        f"{benchmark}: {pair} share {len(videos)} videos, such as {videos[0]}."
        for benchmark, found in pairs.items()
        for pair, videos in found.items()
    ]


def training_parts(results: str | Path) -> pd.DataFrame:
    """Training conversations by benchmark and kind, with the share (percent) of those that ground.

    Columns: benchmark, kind, conversations, share of Grounding-FT (empty for plain questions).
    """
    counts: Counter = Counter()
    for name in configured(results)["training"]:
        path = Path(results) / "data" / "conversations" / name / "train.jsonl"
        with open(path, encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                counts[row["dataset"], row["kind"]] += 1
    ground = sum(number for (_, kind), number in counts.items() if kind != "question")
    return pd.DataFrame(
        {
            "benchmark": benchmark,
            "kind": kind,
            "conversations": number,
            "share of Grounding-FT": None if kind == "question" else 100 * number / ground,
        }
        for (benchmark, kind), number in counts.items()
    )


def windows_frame(results: str | Path) -> pd.DataFrame:
    """One row for each true window: benchmark, split, duration (s), length (s), start (share)."""
    rows = []
    for benchmark, split, _ in validations(results):
        path = Path(results) / "data" / benchmark / split / "moments.jsonl"
        rows += [
            (benchmark, split, moment.duration, end - start, start / moment.duration)
            for moment in read_moments(path)
            for start, end in moment.windows
            if moment.duration
        ]
    return pd.DataFrame(rows, columns=["benchmark", "split", *PANELS])


@styled
def distributions(windows: pd.DataFrame, stem: str | Path) -> Path:
    """Cumulative shares of duration, window length and start, a line for each benchmark."""
    figure, axes = plt.subplots(1, len(PANELS), figsize=(10, 3.2), sharey=True)
    names = sorted(windows.benchmark.unique())
    palette = sns.color_palette("colorblind", len(names))
    for axis, (column, title) in zip(axes, PANELS.items(), strict=True):
        for place, name in enumerate(names):
            values = windows.loc[windows.benchmark == name, column]
            style = {"color": palette[place], "linestyle": LINES[place % len(LINES)]}
            sns.ecdfplot(values, ax=axis, stat="percent", label=name, **style)
        axis.set(xlabel=title, ylabel="Windows up to there (%)")
        axis.grid(axis="y", alpha=0.3)
    axes[-1].set_xlim(0, 1)
    axes[-1].legend(loc="lower right")
    path = save(figure, stem)
    plt.close(figure)
    return path


def audit_conclusions(results: str | Path) -> list[str]:
    """What the audit says, each sentence drawn from the counts."""
    table, kinds = split_table(results), finding_table(results)
    left_out, dropped = table["left out"].sum(), table.dropped.sum()
    lines = [
        f"{table.records.sum():,} records of {len(table)} annotation files were read; "
        f"{left_out:,} entries could not be, and {dropped:,} were dropped by policy."
    ]
    if len(kinds):
        most = kinds.groupby("finding").number.sum().sort_values(ascending=False)
        named = ", ".join(f"{number:,} {kind}" for kind, number in most.items())
        lines.append(f"Findings: {named}.")
        places = sorted(
            f"{benchmark} {split}"
            for benchmark, split, content in validations(results)
            if any(finding["action"] != KEPT for finding in content["findings"])
        )
        changed = f"only in {', '.join(places)}" if places else "nowhere"
        lines.append(f"Annotations were changed or dropped {changed}; all else is as published.")
    several = table[table["several windows"] > 0]
    for row in several.itertuples():
        share = 100 * row[table.columns.get_loc("several windows") + 1] / row.records
        lines.append(f"{share:.0f} % of {row.benchmark} {row.split} have several true windows.")
    lines += shared(results) or ["No video stands in two splits of one benchmark."]
    broken = unreadable(results)
    lines += [f"Cannot be read: {line}" for line in broken] or ["Every video can be read."]
    return lines
