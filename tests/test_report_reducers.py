"""The comparison of token reducers as tables, pictures and words, from made-up records."""

from pathlib import Path

import pytest
from synthetic_records import write_results
from synthetic_scores import add_benchmark, read_runs, seeds_of

from groundvts.errors import BadInput
from groundvts.metrics.comparison import compare_runs
from groundvts.records import read_record, recording, write_json
from groundvts.report.notebook import render_notebook
from groundvts.report.readme import render_reducers
from groundvts.report.reducer_tables import (
    benchmarks_asked,
    overview_words,
    shown_accuracy,
    shown_overview,
    shown_ratios,
)
from groundvts.report.reducer_words import conclusions, prefill_words, recall_words
from groundvts.report.reducers import load_reducers

ROOT = Path(__file__).resolve().parents[1]
ASKS = {  # variant of the made-up results: whose model it asks, at which ratio
    "base": ("base", 0.25),  # listed before the first: of another ratio, it stood there
    "vts-0.25": ("vts-0.25", 0.25),
    "uniform-0.25": ("uniform-0.25", 0.25),
    "vts-0.5": ("vts-0.25", 0.5),
    "uniform-0.5": ("uniform-0.25", 0.5),
    "random-0.25": ("free-random", 0.25),
}
VARIANTS = ["vts-0.25", "uniform-0.25", "free-random", "base"]
COMPARED = ((0.25, "charades_sta"), (0.5, "charades_sta"), (0.25, "qvhighlights"))
TRAINED = ("vts-0.25", "uniform-0.25")


def mode(kind: str, time: float, operations: float) -> dict:
    spread = {"median": time, "low": time - 0.01, "high": time + 0.01}
    seconds = {"prefill": {"median": time}, "scores": {"median": time / 10}}
    return {"kind": kind, "tokens": 512, "time_ratio": spread, "seconds": seconds,
            "flop_ratio": operations, "peak_bytes": 2e8}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A results folder in which the comparison was made."""
    folder = write_results(tmp_path_factory.mktemp("reducers") / "results")
    add_benchmark(folder, "qvhighlights", ("uniform-0.25", "vts-0.25"))
    runs = {run["run"]: run for run in read_runs(folder) if run["variant"] in ASKS}
    listed = []
    for run in runs.values():
        asks, ratio = ASKS[run["variant"]]
        about = {"asks": asks, "trained": asks in TRAINED, "ratio": ratio}
        about |= {"sampler": None} if asks == "base" else {}
        listed.append({**run, **about})
    listed.sort(key=lambda run: list(ASKS).index(run["variant"]))
    write_json(folder / "reducers" / "runs.json", listed)
    asked = [f"{ratio:g}/{dataset}.json" for ratio, dataset in COMPARED]
    write_json(folder / "reducers/asked.json", {"variants": VARIANTS, "compared": asked})
    for ratio, dataset in COMPARED:
        groups: dict = {}
        for run in listed:
            path = folder / "scores" / run["run"] / f"{dataset}.json"
            if path.is_file() and (run["ratio"] == ratio or run["asks"] == "base"):
                groups.setdefault(run["variant"], []).append(read_record(path))
        with recording("comparisons", {}, {}) as record:
            record |= {"dataset": dataset, **compare_runs(groups, 300, seeds=seeds_of(folder))}
        write_json(folder / "reducers" / f"{ratio:g}" / f"{dataset}.json", record)
    modes = [mode("full", 1, 1), mode("vts", 0.3, 0.28), mode("uniform", 0.5, 0.28)]
    with recording("benchmark-reducers", {}, {}) as record:
        record |= {"model": {"backbone": "qwen"}, "modes": modes}
    write_json(folder / "benchmarks" / "reducers-qwen.json", record)
    return folder


def test_rows_are_whose_model_is_asked_at_each_ratio(folder):
    found = load_reducers(folder)
    assert list(found.variants.variant) == VARIANTS
    assert found.own == 0.25
    assert found.ratios == [0.25, 0.5]
    half = found.at("charades_sta", "mIoU", 0.5)
    assert set(half.index) == {"vts-0.25", "uniform-0.25", "base"}
    gap = half.value["uniform-0.25"] - half.value["vts-0.25"]
    assert half.difference["uniform-0.25"] == pytest.approx(gap)
    assert half["difference low"]["uniform-0.25"] < gap < half["difference high"]["uniform-0.25"]
    assert found.queries == {"charades_sta": 36, "qvhighlights": found.queries["qvhighlights"]}


def test_printed_rows_have_intervals_and_gaps(folder):
    found = load_reducers(folder)
    printed = shown_accuracy(found)
    assert printed["Charades-STA", "mIoU"].str.contains(r"\[.*\]").all()
    assert printed["Charades-STA", "less row 1"][0] == "–"
    assert printed["QVHighlights", "MR-mAP"].tolist()[2:] == ["–", "–"]
    assert list(shown_ratios(found)["Charades-STA, mIoU"]) == ["0.25", "0.5"]
    assert benchmarks_asked(found).startswith("Queries: Charades-STA 36, QVHighlights ")


def test_words_follow_the_records(folder):
    found = load_reducers(folder)
    first, *_ = conclusions(found)
    assert first.startswith("Charades-STA, mIoU, 25 % of the tokens: GroundVTS (")
    assert "]) is above Uniform drop -" in first
    found.accuracy["difference count"] = 2
    assert "is too few seeds against Uniform drop -" in conclusions(found)[0]
    [line] = prefill_words(found)
    assert "shortest prefill vts (0.30 of all tokens' time, operations 0.28)" in line
    assert line.endswith("more than 1.1 times what the operations promise: uniform 1.79.")


def test_untrained_rows_say_how_many_answers_fail(folder):
    found = load_reducers(folder)
    failed = found.at("charades_sta", "mIoU", 0.25).failed["free-random"]
    [line] = [line for line in conclusions(found) if "no usable answer" in line]
    assert line.endswith(f"25 % of them: Random drop {failed:.0f}.")


def test_ranks_of_accuracy_and_of_kept_objects_are_compared(folder):
    found = load_reducers(folder)
    assert not any("Spearman" in line for line in recall_words(found))  # two trained rows are few
    found.accuracy["trained"] = True
    place = {"vts-0.25": 3.0, "uniform-0.25": 2.0, "free-random": 1.0}
    own = (found.accuracy.metric == "mIoU") & (found.accuracy.ratio == 0.25)
    found.accuracy.loc[own, "value"] = found.accuracy.variant.map(place)
    objects = found.recall.share == "object"
    for sign, words in ((1, "+1.00"), (-1, "-1.00")):
        found.recall.loc[objects, "value"] = sign * found.recall.variant.map(place)
        assert recall_words(found)[-1].endswith(f"Spearman's {words}.")


def test_the_notebook_writes_what_the_rule_expects(folder, tmp_path):
    notebook = ROOT / "notebooks" / "reducers.ipynb"
    render_notebook(notebook, tmp_path / "r.ipynb", tmp_path / "r.html", {"results": str(folder)})
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    stems = ("", "_overview", "_ratios", "_cases", "_recall", "_prefill")
    assert {
        f"tables/reducers{stem}.{kind}" for stem in stems for kind in ("csv", "md", "tex")
    } <= made
    stems = ("reducers", "reducers_cases", "reducers_prefill")
    assert {f"figures/{stem}.{kind}" for stem in stems for kind in ("png", "pdf")} <= made
    assert render_reducers(folder).startswith("| Reducer | mIoU | less row 1 | untrained |")


def test_the_overview_has_the_trained_rows_beside_their_untrained_ones(folder):
    found = load_reducers(folder)
    table = shown_overview(found).set_index("Reducer")
    assert list(table.index) == ["GroundVTS", "Uniform drop"]
    assert table["untrained"].tolist() == ["–", "–"]  # the one untrained row drops at random
    assert table["QVHighlights, MR-mAP"].str.fullmatch(r"\d+\.\d").all()
    assert overview_words(found).startswith("Percent with 25 % of the tokens, ")
    about = found.accuracy.variant == "free-random"
    found.accuracy.loc[about, "sampler"] = "uniform"
    score = found.at("charades_sta", "mIoU", 0.25).value["free-random"]
    assert shown_overview(found)["untrained"].tolist() == ["–", f"{score:.1f}"]


def test_without_a_comparison_one_line(tmp_path):
    with pytest.raises(BadInput, match="snakemake reducers"):
        load_reducers(tmp_path)
