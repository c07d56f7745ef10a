"""How many of the tokens that matter are kept, against the share of tokens kept."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from groundvts.report.ablations import Ablation
from groundvts.report.figures import COLOURS, save, styled

SHARES = {"interval": "Tokens of the true window", "object": "Tokens of the queried object"}
LINES = {
    "GroundVTS, trained at this ratio": {"color": COLOURS["vts"], "fmt": "-o"},
    "GroundVTS, trained at ratio 0.5": {"color": COLOURS["control-random-choice"], "fmt": "-.D"},
    "random drop": {"color": COLOURS["random"], "fmt": "--s", "ms": 8, "mfc": "white"},
    "uniform drop": {"color": COLOURS["uniform"], "fmt": ":^"},
}
# Lines by how the names of their variants begin.
STARTS = {"vts-0.5-asked-": "GroundVTS, trained at ratio 0.5"}
STARTS |= {"uniform-": "uniform drop", "random-": "random drop"}
STARTS |= {"vts-": "GroundVTS, trained at this ratio"}


def recall_table(ablations: list[Ablation]) -> pd.DataFrame:
    """Shares of tokens kept on the test queries: one row per line, ratio and share.

    Columns: line, ratio, share (`interval`: the true window; `object`: the queried object), value,
    low, high (percent, the mean of the seeds' records: an interval over videos), seeds (how many).
    """
    runs = {run.name: run for ablation in ablations for run in ablation.runs if run.tokens}
    rows = []
    for run in runs.values():
        test = run.tokens.get("test", {})
        line = next((STARTS[start] for start in STARTS if run.variant.startswith(start)), None)
        rows += [
            {"line": line, "ratio": run.ratio, "share": share, "seeds": 1, **test[share]}
            for share in SHARES
            if line and test.get(share)
        ]
    found = pd.DataFrame(rows, columns=["line", "ratio", "share", "seeds", "value", "low", "high"])
    kinds = dict.fromkeys(("value", "low", "high"), "mean") | {"seeds": "sum"}
    return found.groupby(["line", "ratio", "share"], as_index=False, sort=True).agg(kinds)


@styled
def draw_recall(table: pd.DataFrame, stem: str | Path) -> Path:
    """A panel for each share, a line for each way of choosing; grey: as many as by chance."""
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    panels = figure.subplots(1, len(SHARES), sharex=True, sharey=True)
    for axes, (share, title) in zip(panels, SHARES.items(), strict=True):
        axes.plot([0, 1], [0, 100], color="#9E9E9E", lw=1.4, label="chance")
        for line, style in LINES.items():
            rows = table[(table.share == share) & (table.line == line)]
            if rows.empty:
                continue
            bars = np.abs(rows[["low", "high"]].to_numpy().T - rows.value.array)
            look = {"ms": 5, "capsize": 2, "lw": 1.5} | style
            axes.errorbar(rows.ratio, rows.value, bars, label=line, **look)
        axes.set(title=title, xlabel="ratio of tokens kept", xlim=(0, 1.05), ylim=(0, 104))
        axes.grid(alpha=0.3)
        if not (table.share == share).any():
            axes.text(0.5, 10, "no run records them", ha="center")
    panels[0].set_ylabel("kept (%), 95 % interval")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return save(figure, stem)
