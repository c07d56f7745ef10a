"""Whether a run reproduced: its rows beside those of the reference, from made-up records."""

import json

import pytest
from synthetic_records import write_results
from synthetic_scores import add_benchmark, read_runs

from groundvts.records import read_record, write_json
from groundvts.report.agreement import agreement, verdict
from groundvts.report.page import write_page
from groundvts.report.readme import save_reference


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = add_benchmark(write_results(tmp_path_factory.mktemp("run") / "toy"), "qvhighlights")
    ablation = folder / "ablations" / "stages"
    write_json(ablation / "runs.json", read_runs(folder))
    about = {"title": "What stages add", "source": "Table 4", "benchmark": "charades_sta"}
    write_json(ablation / "about.json", about | {"place": 0})
    write_json(ablation / "comparisons.json", read_record(folder / "comparisons/charades_sta.json"))
    (folder / "figures").mkdir()
    (folder / "figures" / "two_queries.png").touch()
    return folder


@pytest.fixture
def reference(results, tmp_path):
    save_reference(results, tmp_path / "reference")
    return tmp_path / "reference"


def edit(path, change):
    """Changes a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    write_json(path, content)


def interval(value, low, high):
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("theirs", "word"),
    [
        (interval(50, 45, 55), "the same"),
        (interval(52, 46, 57), "agrees"),
        (interval(50, 45, 56), "agrees"),
        (interval(53, 51, 55), "intervals overlap"),
        (interval(57, 50, 64), "intervals overlap"),
        (interval(40, 36, 44), "higher"),
        (interval(60, 56, 64), "lower"),
        ({"value": 50}, "no interval"),
    ],
)
def test_a_verdict_is_what_the_intervals_say(theirs, word):
    assert verdict(interval(50, 45, 55), theirs) == word


def test_a_run_agrees_with_itself(results, reference):
    found = agreement(results, reference)
    assert "this very run" in found.sentences[0]
    assert "rows agree" in found.sentences[1]
    assert len(found.sentences) == 2
    assert set(found.benchmarks.Verdict) == set(found.ablations.Verdict) == {"the same"}
    metrics = found.benchmarks.Metric
    assert set(metrics) == {"mIoU", "MR-mAP", "HD-mAP-VeryGood"}
    assert found.ablations.Row[0].startswith("Ablation: What stages add: ")


def test_what_differs_and_what_is_absent_is_named(results, reference):
    def change(content):
        content["started"] = "2020-01-01T00:00:00+00:00"
        variants = content["variants"]
        for metric in variants["full"]["metrics"].values():
            metric.update({key: metric[key] + 50 for key in ("value", "low", "high")})
        variants["base"]["metrics"]["R1@0.5"].update(interval(-9, -9, -9))
        variants["older"] = variants.pop("constant")

    edit(reference / "comparisons/charades_sta.json", change)
    (reference / "comparisons/qvhighlights.json").unlink()
    found = agreement(results, reference)
    rows = found.benchmarks.set_index("Row")
    full = rows.loc["Charades-STA: All tokens (full)"]
    assert full.Verdict == "lower"
    assert rows.loc["Charades-STA: Base (base)", "Other metrics"] == "2 of 3 agree; higher: R1@0.5"
    text = "\n".join(found.sentences)
    assert "This run: " in text
    assert "The reference: 2020-01-01" in text
    assert "Lower: Charades-STA: All tokens (full), mIoU." in text
    assert "Not in this run: older (Charades-STA)." in text
    assert "Not in the reference: QVHighlights; constant (Charades-STA)." in text


def test_other_queries_are_said_to_be_others(results, reference):
    def change(content):
        content["queries"]["id"][0] = "another"

    edit(reference / "scores/base/charades_sta.json", change)
    text = "\n".join(agreement(results, reference).sentences)
    assert "Charades-STA: this run answers other queries (36) than the reference (36)" in text


def test_a_reference_without_comparisons_is_said(results, tmp_path):
    found = agreement(results, tmp_path)
    assert found.sentences == [f"{tmp_path}: nothing is compared yet."]


def test_the_page_says_whether_it_reproduced(results, reference):
    text = write_page(results, reference).read_text()
    assert "Did it reproduce?" in text
    assert "this very run" in text
    assert "No reference records" not in text
    assert "What stages add (Table 4): not drawn yet." in text
    assert "No reference records of this scale" in write_page(results).read_text()
