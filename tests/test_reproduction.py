"""Whether a run reproduced: its rows beside those of the reference, from made-up records."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from synthetic_records import write_results
from synthetic_scores import add_benchmark, read_runs

from groundvts.records import read_record, write_json
from groundvts.report.page import write_page
from groundvts.report.readme import save_reference
from groundvts.report.reproduction import reproduction, summary


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


def compared(folder):
    """The comparisons on the main benchmark: the main one and the ablations'."""
    return [folder / "comparisons/charades_sta.json", *folder.glob("ablations/*/c*.json")]


def test_a_run_reproduces_itself(results, reference):
    table, lines = summary(results, reference)
    assert set(table.verdict) == {"reproduces"}
    assert f"{len(table)} of {len(table)} rows reproduce the reference." in lines
    assert set(table.metric) == {"mIoU", "MR-mAP", "HD-mAP-VeryGood"}
    assert not table.duplicated(
        ["dataset", "variant", "metric"]
    ).any()  # the ablation's are the same


def deviations(results, variant):
    """mIoU of each seed less their mean."""
    record = read_record(results / "comparisons/charades_sta.json")
    values = [seed["mIoU"] for seed in record["variants"][variant]["by_seed"].values()]
    return np.array(values) - np.mean(values)


def test_what_differs_and_what_is_absent_is_named(results, reference):
    def change(content):
        content["started"] = "2020-01-01T00:00:00+00:00"
        for variant in ("vts-0.25", "full"):  # three seeds and one
            for metrics in content["variants"][variant]["by_seed"].values():
                metrics.update({name: value - 50 for name, value in metrics.items()})
        content["variants"]["older"] = content["variants"].pop("constant")

    for path in compared(reference):
        edit(path, change)
    (reference / "comparisons/qvhighlights.json").unlink()
    table, lines = summary(results, reference)
    found = table.set_index("variant")
    assert found.loc["vts-0.25", "verdict"] == "does not"
    row = found.loc["vts-0.25"]
    assert row.off == pytest.approx(row.value - row.high)
    there = [row.value - 50 + shift for shift in deviations(results, "vts-0.25")]
    half = 4.303 * np.std(there, ddof=1) * (1 / 3 + 1 / 3) ** 0.5  # t(2) of 0.975
    assert (row.low, row.high) == pytest.approx(
        (row.value - 50 - half, row.value - 50 + half), 1e-3
    )
    assert (row.seeds, row["reference seeds"]) == (3, 3)
    assert found.loc["full", "verdict"] == "not judged"
    text = "\n".join(lines)
    assert "This run: " in text
    assert "The reference: 2020-01-01" in text
    assert "Does not: Charades-STA: GroundVTS (vts-0.25) does not, " in text
    assert "Not judged: Charades-STA: All tokens (full) not judged." in text
    assert "Not in this run: older (Charades-STA)." in text
    assert "constant (Charades-STA)" in text.partition("Not in the reference: ")[2]
    assert "QVHighlights" in text.partition("Not in the reference: ")[2]


def test_a_row_without_seeds_has_to_be_equal(results, reference):
    def change(content):
        content["variants"]["constant"]["by_seed"]["constant"]["mIoU"] += 0.01

    for path in compared(reference):
        edit(path, change)
    table = reproduction(results, reference)
    row = table[(table.variant == "constant") & (table.dataset == "charades_sta")].iloc[0]
    assert (row.verdict, row.off) == ("does not", pytest.approx(0.01))
    assert np.isnan([row.seeds, row["reference seeds"]]).all()


@pytest.mark.parametrize(("kept", "verdict"), [(25.0, "reproduces"), (50.0, "does not")])
def test_a_run_that_keeps_another_number_of_tokens_does_not_reproduce(
    results, reference, tmp_path, kept, verdict
):
    ours = tmp_path / "run"
    shutil.copytree(results, ours)
    for folder, last in ((ours, kept), (reference, 25.0)):  # of the last seed alone

        def change(content, last=last):
            one = content["variants"]["vts-0.25"]
            one["kept"] = dict.fromkeys(one["runs"], 25.0) | {one["runs"][-1]: last}

        for path in compared(folder):
            edit(path, change)
    table = reproduction(ours, reference).set_index(["dataset", "variant"])
    assert table.loc[("charades_sta", "vts-0.25"), "verdict"] == verdict


def test_other_queries_are_said_to_be_others(results, reference):
    def change(content):
        content["queries"]["id"][0] = "another"

    edit(reference / "scores/base/charades_sta.json", change)
    assert "Other queries than the reference's: Charades-STA." in summary(results, reference)[1]


def test_a_reference_without_comparisons_is_said(results, tmp_path):
    table, lines = summary(results, tmp_path)
    assert table.empty
    assert lines == ["Nothing is compared with the reference yet."]


def test_the_page_says_whether_it_reproduced(results, reference):
    text = write_page(results, reference).read_text()
    assert "Did it reproduce?" in text
    assert "rows reproduce the reference." in text
    assert "No reference records" not in text
    assert "What stages add (Table 4): not drawn yet." in text
    assert "No reference records of this scale" in write_page(results).read_text()


ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "results" / "reference"
OTHER_RUNS = json.loads((ROOT / "tests" / "golden" / "other_runs.json").read_text())


def verdict_on(tmp_path, variant, by_seed, kept):
    """The main benchmark's row of a run whose `variant` scored so, against the reference.

    `kept` is how many tokens of a query it kept.
    """
    ours = tmp_path / "run"
    shutil.copytree(REFERENCE, ours)

    def change(content):
        one = content["variants"][variant]
        one |= {"by_seed": by_seed, "kept": dict.fromkeys(by_seed, kept)}

    for path in compared(ours):
        if variant in read_record(path)["variants"]:
            edit(path, change)
    table = reproduction(ours, REFERENCE).set_index(["dataset", "variant"])
    return table.loc[("charades_sta", variant)]


@pytest.mark.parametrize("variant", ["vts-0.25", "uniform-0.25"])
def test_a_run_with_other_rounding_reproduces(tmp_path, variant):
    row = verdict_on(tmp_path, variant, **OTHER_RUNS["portable"][variant])
    assert (row.verdict, row.seeds, row["reference seeds"]) == ("reproduces", 3, 5)


def test_a_run_on_half_the_frames_does_not(tmp_path):
    row = verdict_on(tmp_path, "vts-0.25", **OTHER_RUNS["1 fps"]["vts-0.25"])
    assert row.low < row.value < row.high  # the toy loses nothing by it: the tokens tell
    assert row.verdict == "does not"


@pytest.mark.parametrize("other", ["random-0.25", "uniform-0.25", "vts-0.5"])
def test_another_sampler_or_ratio_under_groundvts_name_does_not(tmp_path, other):
    one = read_record(REFERENCE / "ablations/ratios/comparisons.json")["variants"][other]
    row = verdict_on(tmp_path, "vts-0.25", one["by_seed"], np.mean([*one["kept"].values()]))
    assert row.verdict == "does not"
