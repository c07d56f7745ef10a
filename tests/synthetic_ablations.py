"""An ablation of made-up records, in the shape the rules write."""

from pathlib import Path

from synthetic_records import DATASET
from synthetic_scores import read_runs, seeds_of

from groundvts.metrics.comparison import compare_runs
from groundvts.records import read_record, recording, write_json

VARIANTS = ["vts-0.25", "random-0.25", "vts-0.5"]
PUBLISHED = {
    "table": "granularity",
    "rows": {
        "vts-0.25": {"granularity": "token", "positions": "dense"},
        "random-0.25": {"granularity": "random"},
    },
}
CLAIMS = [
    {"better": "vts-0.5", "worse": "vts-0.25", "says": "More is better", "main": False},
    {"better": "vts-0.25", "worse": "random-0.25", "says": "The choice helps", "main": True},
]


def write_ablation(
    folder: Path, variants=VARIANTS, published=(), claims=CLAIMS, benchmark=DATASET
) -> None:
    """ablations/samplers of a results folder; `published` changes the paper's part, or is None."""
    listed = [run for name in variants for run in read_runs(folder) if run["variant"] == name]
    groups: dict = {}
    for run in listed:
        score = read_record(folder / "scores" / run["run"] / f"{benchmark}.json")
        groups.setdefault(run["variant"], []).append(score)
    with recording("comparisons", {}, {}) as record:
        record |= {"dataset": benchmark, **compare_runs(groups, 300, seeds=seeds_of(folder))}
    about = {"title": "Which", "source": "Table 5", "note": None, "place": 0}
    about |= {"variants": variants, "benchmark": benchmark, "labels": {"random-0.25": "At random"}}
    about["densities"] = {run["variant"]: 2 * run["ratio"] for run in listed}
    about["published"] = None if published is None else PUBLISHED | dict(published)
    about["claims"] = [c for c in claims if {c["better"], c["worse"]} <= set(variants)]
    parts = {"runs": listed, "about": about, "comparisons": record}
    for name, content in parts.items():
        write_json(folder / "ablations" / "samplers" / f"{name}.json", content)
