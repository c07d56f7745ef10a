"""Ways to reduce tokens under one decoder: accuracy by ratio and case, what is kept, prefill."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from groundvts.errors import BadInput
from groundvts.records import read_record
from groundvts.report.benchmarks import MAIN, known
from groundvts.report.comparisons import every_pair
from groundvts.report.runs import listed_runs, load_run

PANELS = (  # what is compared: a benchmark and one of its metrics
    (MAIN, "mIoU"),
    ("qvhighlights", "MR-mAP"),
    ("qvhighlights", "HD-mAP-VeryGood"),
    ("nextgqa", "mIoU"),
    ("nextgqa", "Acc@GQA"),
)
CASE = "case_"
CASES = {
    "static": "Still scenes",
    "camera": "Moving camera",
    "similar": "Look-alikes",
    "long": "Long clips",
}
CONTROL = "control"
LEARNED = {"cosine": "vts"}  # whose place a sampler takes where nothing is trained
RECALL = {"object": "queried object", "interval": "true window"}


@dataclass(frozen=True)
class Reducers:
    """The comparison: `accuracy`, `recall` and `prefill`, tidy.

    `own` is the ratio that the first variant was trained with, at which cases are asked.

    accuracy: one row a variant, ratio, benchmark and metric: variant (whose model is asked), label,
    trained, sampler, ratio, dataset, metric, value, low, high (percent), count (of seeds), asked
    and failed (queries, the mean over seeds), and the paired difference with the first variant at
    the same ratio (points): difference, with ` low`, ` high` and ` p`.
    recall: variant, ratio, share (`object`, `interval`), value (percent of its tokens kept).
    prefill: backbone, sampler, tokens read in the last layer, and against all tokens: time (with
    ` low`, ` high`), operations, and peak memory in GB.
    """

    accuracy: pd.DataFrame
    recall: pd.DataFrame
    prefill: pd.DataFrame
    own: float

    @property
    def variants(self) -> pd.DataFrame:
        """One row a variant in table order: variant, label, trained, sampler."""
        return self.accuracy.drop_duplicates("variant")[["variant", "label", "trained", "sampler"]]

    @property
    def ratios(self) -> list[float]:
        """Ratios that the main benchmark is asked at."""
        return sorted(self.accuracy[self.accuracy.dataset == MAIN].ratio.unique())

    @property
    def queries(self) -> dict[str, int]:
        """How many queries each benchmark asks."""
        return self.accuracy.groupby("dataset", sort=False).asked.first().astype(int).to_dict()

    @property
    def pairs(self) -> dict[str, str]:
        """For a trained variant the untrained one of its sampler, or of cosine for GroundVTS."""
        free = self.variants[~self.variants.trained.astype(bool)].dropna(subset="sampler")
        of_sampler = {
            LEARNED.get(row.sampler, row.sampler): row.variant for row in free.itertuples()
        }
        trained = self.variants[self.variants.trained.astype(bool)]
        trained = trained[~trained.variant.str.startswith(CONTROL)]
        return {
            row.variant: of_sampler[row.sampler]
            for row in trained.itertuples()
            if row.sampler in of_sampler
        }

    def at(self, dataset: str, metric: str, ratio: float) -> pd.DataFrame:
        """Rows of a metric at a ratio, by variant."""
        rows = self.accuracy
        picked = (rows.dataset == dataset) & (rows.metric == metric) & (rows.ratio == ratio)
        return rows[picked].set_index("variant", drop=False)


def load_reducers(results: str | Path) -> Reducers:
    """The comparison of a results folder. Raises BadInput where it was not made."""
    results = Path(results)
    asked = results / "reducers" / "asked.json"
    if not asked.is_file():
        raise BadInput(f"{results}: no reducers are compared yet; run `snakemake reducers` first")
    paths = [results / "reducers" / place for place in read_record(asked)["compared"]]
    order = read_record(asked)["variants"]
    entries = listed_runs(results / "reducers" / "runs.json")
    about = {entry["variant"]: entry for entry in entries}
    rows = [row for path in paths for row in _rows(results, path, about, order[0])]
    accuracy = pd.DataFrame(rows)
    accuracy = accuracy.sort_values(
        ["ratio", "variant"], key=lambda c: c.map(order.index) if c.name == "variant" else c,
        kind="stable", ignore_index=True,
    )  # fmt: skip
    recall, prefill = _recall(results, entries), _prefill(results)
    return Reducers(accuracy, recall, prefill, own=about[order[0]]["ratio"])


def _rows(results: Path, path: Path, about: dict[str, dict], first: str) -> list[dict]:
    """A comparison's rows; `first` is whose model the others are compared with."""
    comparison, ratio = read_record(path), float(path.parent.name)
    pairs = every_pair(comparison)
    first = next(name for name in comparison["variants"] if about[name]["asks"] == first)
    shown = [m for d, m in PANELS if d == path.stem] or [known(path.stem).main]
    rows = []
    for variant, found in comparison["variants"].items():
        entry, pair = about[variant], pairs.get((variant, first), {})
        counts = _counts(results, found["runs"], path.name)
        for metric in shown:
            row = {"variant": entry["asks"], "label": entry["label"]}
            row |= {key: entry.get(key) for key in ("trained", "sampler")}
            row |= {"ratio": ratio, "dataset": path.stem, "metric": metric}
            row |= found["metrics"][metric] | {"count": found["seeds"]} | counts
            row["difference count"] = pair.get("count")
            for end in ("", " low", " high", " p"):
                row[f"difference{end}"] = pair.get(f"{metric}{end}")
            rows.append(row)
    return rows


def _counts(results: Path, runs: list[str], name: str) -> dict[str, float]:
    """How many queries a variant was asked and how many failed, the mean over its runs."""
    counts = [read_record(results / "scores" / run / name)["counts"] for run in runs]
    return {key: sum(one[key] for one in counts) / len(counts) for key in ("asked", "failed")}


def _recall(results: Path, entries: list[dict]) -> pd.DataFrame:
    """Kept shares of tokens on the main benchmark's test queries, the mean over seeds."""
    rows = []
    for entry in entries:
        tokens = load_run(results, entry).tokens or {}
        rows += [
            {
                "variant": entry["asks"],
                "ratio": entry["ratio"],
                "share": share,
                "value": one["value"],
            }
            for share in RECALL
            if (one := tokens.get("test", {}).get(share))
        ]
    table = pd.DataFrame(rows, columns=["variant", "ratio", "share", "value"])
    table = table.astype({"ratio": float, "value": float})
    return table.groupby(["variant", "ratio", "share"], as_index=False, sort=False).value.mean()


def _prefill(results: Path) -> pd.DataFrame:
    rows = []
    for path in sorted(results.glob("benchmarks/reducers-*.json"), reverse=True):
        record = read_record(path)
        for mode in record["modes"]:
            time = mode["time_ratio"]
            rows.append(
                {"backbone": record["model"]["backbone"], "sampler": mode["kind"]}
                | {"tokens": mode["tokens"], "seconds": mode["seconds"]["prefill"]["median"]}
                | {"time": time["median"], "time low": time["low"], "time high": time["high"]}
                | {"operations": mode["flop_ratio"], "peak": mode["peak_bytes"] / 1e9}
                | {"choice": mode["seconds"]["scores"]["median"]}
            )
    return pd.DataFrame(rows)


def case_titles(found: Reducers) -> dict[str, str]:
    """The cases that were asked, with their titles, after the ordinary clips."""
    asked = [name for name in found.accuracy.dataset.unique() if name.startswith(CASE)]
    order = [f"{CASE}{name}" for name in CASES]
    asked.sort(key=lambda name: order.index(name) if name in order else len(order))
    titles = {name: CASES.get(name.removeprefix(CASE), name) for name in asked}
    return {MAIN: "Ordinary clips"} | titles
