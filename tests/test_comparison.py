"""Variants against each other: intervals of joined seeds, paired differences, their record."""

import json
import re
import time

import numpy as np
import pytest
from scipy import stats

from groundvts import cli
from groundvts.errors import BadInput
from groundvts.metrics.bootstrap import clustered_intervals, paired_differences
from groundvts.metrics.comparison import compare, compare_runs
from groundvts.records import write_json

IDS = [f"q{n}" for n in range(60)]
VIDEOS = [f"v{n // 3}" for n in range(60)]


def scored(run, level=50.0, metrics=("mIoU", "R1@0.5"), ids=IDS, dataset="charades_sta", gaps=()):
    """A score record of made-up scores; the queries of `gaps` do not count for the last metric."""
    generator = np.random.default_rng(sum(map(ord, run)))
    scores = {name: generator.normal(level, 10, len(ids)).tolist() for name in metrics}
    for row in gaps:
        scores[metrics[-1]][row] = None
    queries = {"id": list(ids), "video": VIDEOS[: len(ids)]}
    return {"run": run, "dataset": dataset, "protocol": "fixed", "queries": queries} | {
        "scores": scores
    }


def turned(record):
    """The same record with its queries in the opposite order."""
    parts = {
        part: {name: values[::-1] for name, values in record[part].items()}
        for part in ("queries", "scores")
    }
    return record | parts


# ---- two records


def test_two_records_are_compared_query_by_query():
    ours, theirs = scored("a", 60), scored("b")
    difference = np.subtract(ours["scores"]["mIoU"], theirs["scores"]["mIoU"]).mean()
    for other in (theirs, turned(theirs)):
        found = compare(ours, other, resamples=500)
        assert list(found) == ["mIoU", "R1@0.5"]
        assert found["mIoU"]["value"] == pytest.approx(difference)
        assert found["mIoU"]["low"] < difference < found["mIoU"]["high"]
        assert found["mIoU"]["p"] == pytest.approx(2 / 501)
    same = compare(ours, turned(ours), resamples=50)["mIoU"]
    assert (same["value"], same["p"]) == (pytest.approx(0), 1)


def test_other_queries_and_other_metrics_are_refused():
    with pytest.raises(
        BadInput, match="ours and theirs hold different queries, such as 'q59' of v19;"
    ):
        compare(scored("a"), scored("b", ids=IDS[:-1]))
    with pytest.raises(BadInput, match="share no metric"):
        compare(scored("a", metrics=("mIoU",)), scored("b", metrics=("Acc@QA",)))


# ---- many variants


def groups():
    return {
        "base": [scored("base", 40)],
        "full": [scored("full-s0", 45), turned(scored("full-s1", 55))],
        "vts": [scored("vts-s0", 60, gaps=(4, 5)), scored("vts-s1", 62)],
    }


def test_every_pair_stands_once_with_the_later_as_ours():
    found = compare_runs(groups(), resamples=300)
    assert {name: one["runs"] for name, one in found["variants"].items()} == {
        "base": ["base"], "full": ["full-s0", "full-s1"], "vts": ["vts-s0", "vts-s1"],
    }  # fmt: skip
    pairs = [(pair["ours"], pair["theirs"]) for pair in found["pairs"]]
    assert pairs == [("full", "base"), ("vts", "base"), ("vts", "full")]
    for pair in found["pairs"]:
        ours, theirs = (found["variants"][pair[key]] for key in ("ours", "theirs"))
        both = min(ours["seeds"], theirs["seeds"])  # by their place, where they are not named
        assert pair["seeds"] == both
        for name, metric in pair["metrics"].items():
            means = [np.mean([row[name] for row in list(side["by_seed"].values())[:both]])
                     for side in (ours, theirs)]  # fmt: skip
            assert metric["value"] == pytest.approx(means[0] - means[1])
            assert metric["low"] < metric["value"] < metric["high"]
            assert 2 / 301 <= metric["p"] <= 1
    json.dumps(found, allow_nan=False)


def test_a_variant_holds_each_seed_s_own_values():
    found = compare_runs(groups(), resamples=50)["variants"]
    for name, group in groups().items():
        assert list(found[name]["by_seed"]) == found[name]["runs"]
        assert found[name]["seeds"] == len(group)
        for record in group:
            for metric, values in record["scores"].items():
                mean = np.mean([value for value in values if value is not None])
                assert found[name]["by_seed"][record["run"]][metric] == pytest.approx(mean)
        for metric, one in found[name]["metrics"].items():
            seeds = [row[metric] for row in found[name]["by_seed"].values()]
            assert one["value"] == pytest.approx(np.mean(seeds))
            assert 0 <= one["low"] < one["value"] < one["high"] <= 100


def test_a_metric_that_does_not_count_stands_for_no_seed():
    record = scored("vts")
    record["scores"]["MR-mAP-short"] = [None] * len(IDS)
    [seed] = compare_runs({"vts": [record]}, 50)["variants"]["vts"]["by_seed"].values()
    assert list(seed) == ["mIoU", "R1@0.5"]


def test_seeds_are_paired_by_their_number_and_not_by_their_place():
    """Of ours 0, 1, 2 and theirs 2, 0 the pairs are 0 with 0 and 2 with 2."""
    ours = [scored(f"vts-s{seed}", 60 + 5 * seed) for seed in (0, 1, 2)]
    theirs = [scored(f"base-s{seed}", 50 + 5 * seed) for seed in (2, 0)]
    seeds = {record["run"]: int(record["run"][-1]) for record in ours + theirs}
    found = compare_runs({"base": theirs, "vts": ours}, 500, seeds=seeds)
    [pair] = found["pairs"]
    assert pair["seeds"] == 2
    mean = {
        record["run"]: np.mean(record["scores"]["mIoU"]) for record in ours + theirs
    }  # of each run
    gaps = [mean[f"vts-s{seed}"] - mean[f"base-s{seed}"] for seed in (0, 2)]
    assert pair["metrics"]["mIoU"]["value"] == pytest.approx(np.mean(gaps))
    half = stats.t.ppf(0.975, 1) * np.std(gaps, ddof=1) / 2**0.5
    assert pair["metrics"]["mIoU"]["high"] - np.mean(gaps) > 0.9 * half
    by_place = compare_runs({"base": theirs, "vts": ours}, 500)["pairs"][0]["metrics"]["mIoU"]
    crossed = (mean["vts-s0"] - mean["base-s2"] + mean["vts-s1"] - mean["base-s0"]) / 2
    assert by_place["value"] == pytest.approx(crossed)


def test_a_run_without_a_seed_is_paired_with_every_seed():
    seeds = {"constant": None, "other": None, "vts-s0": 0, "vts-s4": 4}
    given = {"constant": [scored("constant", 30)], "other": [scored("other", 35)]}
    given["vts"] = [scored("vts-s0", 60), scored("vts-s4", 62)]
    found = compare_runs(given, 300, seeds=seeds)
    assert {name: one["seeds"] for name, one in found["variants"].items()} == {
        "constant": 0, "other": 0, "vts": 2,
    }  # fmt: skip
    pairs = {(pair["ours"], pair["theirs"]): pair for pair in found["pairs"]}
    assert {key: pair["seeds"] for key, pair in pairs.items()} == {
        ("other", "constant"): 0, ("vts", "constant"): 2, ("vts", "other"): 2,
    }  # fmt: skip
    ours, theirs = (found["variants"][name]["metrics"]["mIoU"] for name in ("vts", "constant"))
    gap = pairs["vts", "constant"]["metrics"]["mIoU"]
    assert gap["value"] == pytest.approx(ours["value"] - theirs["value"])
    assert list(found["variants"]["constant"]["by_seed"]) == ["constant"]


def test_without_a_shared_seed_the_means_are_compared():
    given = {"a": [scored("a-s0", 40), scored("a-s1", 50)], "b": [scored("b-s2", 60)]}
    found = compare_runs(given, 300, seeds={"a-s0": 0, "a-s1": 1, "b-s2": 2})
    [pair], sides = found["pairs"], found["variants"]
    assert pair["seeds"] == 1
    gap = sides["b"]["metrics"]["mIoU"]["value"] - sides["a"]["metrics"]["mIoU"]["value"]
    assert pair["metrics"]["mIoU"]["value"] == pytest.approx(gap)
    width = pair["metrics"]["mIoU"]["high"] - pair["metrics"]["mIoU"]["low"]
    assert 2 < width < 10  # of videos alone: a's seeds are 10 points apart


def test_no_interval_leaves_what_can_be():
    given = {"low": [scored("low-s0", 5), scored("low-s1", 12)]}
    given["high"] = [scored("high-s0", 97), scored("high-s1", 90)]
    for record in (record for group in given.values() for record in group):
        for values in record["scores"].values():
            values[:] = np.clip(values, 0, 100)
    found = compare_runs(given, 300)
    assert found["variants"]["low"]["metrics"]["mIoU"]["low"] == 0
    assert found["variants"]["high"]["metrics"]["mIoU"]["high"] == 100
    difference = found["pairs"][0]["metrics"]["mIoU"]  # of seeds: about 88 and 76
    assert (difference["value"] < 95, difference["high"]) == (True, 100)


def test_the_numbers_are_those_of_the_bootstrap():
    both = {"base": groups()["base"], "vts": [scored("vts-s0", 60), scored("vts-s1", 62)]}
    found = compare_runs(both, resamples=400, seed=2)
    scores = [
        np.stack([np.transpose(list(record["scores"].values())) for record in group])
        for group in both.values()
    ]
    runs = [(part, np.ones_like(part)) for part in scores]
    expected = np.transpose(paired_differences(runs[1], runs[0], VIDEOS, 4000))
    got = [list(metric.values()) for metric in found["pairs"][0]["metrics"].values()]
    np.testing.assert_allclose(np.array(got)[:, :3], expected[:, :3], rtol=0.1)
    alone = np.transpose(clustered_intervals(*runs[0], VIDEOS, 400, 2))
    got = [list(metric.values()) for metric in found["variants"]["base"]["metrics"].values()]
    np.testing.assert_allclose(got, alone)


def test_a_query_that_does_not_count_leaves_the_ratio():
    found = compare_runs({"base": [scored("base")], "vts": [scored("vts", 60, gaps=(4, 5))]}, 100)
    kept = [value for value in scored("vts", 60, gaps=(4, 5))["scores"]["R1@0.5"] if value]
    assert len(kept) == 58
    assert found["variants"]["vts"]["metrics"]["R1@0.5"]["value"] == pytest.approx(np.mean(kept))


def test_only_metrics_that_all_share_and_that_count_are_compared():
    given = {
        "a": [scored("a", metrics=("mIoU", "IoP@0.3", "MR-mAP-short"))],
        "b": [scored("b", metrics=("MR-mAP-short", "mIoU"))],
    }
    given["b"][0]["scores"]["MR-mAP-short"] = [None] * len(IDS)
    assert list(compare_runs(given, 50)["pairs"][0]["metrics"]) == ["mIoU"]


def test_the_variants_with_different_queries_are_named():
    given = groups() | {"other": [scored("other", ids=IDS[:-7])]}
    named = r"base and other hold different queries, such as 'q53' of v17, 'q54' of v18"
    with pytest.raises(BadInput, match=named):
        compare_runs(given, 10)


# ---- the verb


def files(folder, *records):
    paths = []
    for number, record in enumerate(records):
        write_json(folder / f"{number}.json", record)
        paths.append(str(folder / f"{number}.json"))
    return paths


@pytest.fixture
def listed(tmp_path):
    runs = [("vts-s0", "vts", 0), ("vts-s1", "vts", 1), ("base", "base", None)]
    entries = [{"run": run, "variant": of, "seed": n, "label": of} for run, of, n in runs]
    write_json(tmp_path / "runs.json", entries)
    return tmp_path


def comparisons(folder, *paths):
    cli.main([
        "comparisons", "--runs", str(folder / "runs.json"), "--scores", *paths,
        "--out", str(folder / "out.json"), "--resamples", "50",
    ])  # fmt: skip


def test_the_verb_groups_runs_by_the_run_list(listed, capsys):
    comparisons(listed, *files(listed, scored("base"), scored("vts-s1", 60), scored("vts-s0", 60)))
    record = json.loads((listed / "out.json").read_text())
    assert (record["verb"], record["dataset"], record["protocol"]) == (
        "comparisons", "charades_sta", "fixed",
    )  # fmt: skip
    assert record["variants"]["vts"]["runs"] == ["vts-s0", "vts-s1"]
    [pair] = record["pairs"]
    assert (pair["ours"], pair["theirs"], pair["seeds"]) == ("base", "vts", 2)  # by runs.json
    assert {name: one["seeds"] for name, one in record["variants"].items()} == {"vts": 2, "base": 0}
    assert len(record["inputs"]) == 4
    assert capsys.readouterr().out.strip().endswith("out.json: variants 2, pairs 1")


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ((scored("base"), scored("new")), "1.json: .*runs.json lists no run new"),
        ((scored("base"), scored("base")), "1.json: a second record of base"),
        (
            (scored("base"), scored("vts-s0", dataset="qvhighlights")),
            "are of qvhighlights and charades_sta; compare one",
        ),
        ((scored("base"), {"run": "vts-s0"}), "1.json: no score record .*lacks .*scores"),
        ((scored("base"), scored("vts-s0", ids=IDS[1:])), "vts and base hold different queries"),
    ],
)
def test_wrong_records_are_one_line(listed, capsys, records, said):
    with pytest.raises(SystemExit) as end:
        comparisons(listed, *files(listed, *records))
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert re.search(said, err), err
    assert not (listed / "out.json").exists()


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '[{"run": "base"}]', "null"])
def test_a_wrong_run_list_is_one_line(listed, capsys, text):
    (listed / "runs.json").write_text(text)
    with pytest.raises(SystemExit) as end:
        comparisons(listed, *files(listed, scored("base")))
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(f"groundvts: {listed / 'runs.json'}: ")


def test_many_variants_of_many_metrics_take_seconds():
    metrics, ids = [f"m{n}" for n in range(22)], [f"q{n}" for n in range(540)]
    given = {f"x{n}": [scored(f"x{n}-s{s}", metrics=metrics) for s in (0, 1)] for n in range(12)}
    for record in (record for group in given.values() for record in group):
        record["queries"] = {"id": ids, "video": VIDEOS * 9}
        record["scores"] = {name: values * 9 for name, values in record["scores"].items()}
    began = time.perf_counter()
    assert len(compare_runs(given)["pairs"]) == 66
    assert time.perf_counter() - began < 8


def test_records_in_another_order_are_compared_query_by_query():
    """Ids of self-contained records are places in the file: words and video tell them apart."""
    queries = {"id": ["0", "1", "2"], "video": ["v", "v", "w"], "query": ["a", "a", "b"]}
    ours = {"run": "x", "dataset": "charades_sta", "queries": queries}
    ours["scores"] = {"mIoU": [10.0, 20.0, 90.0]}
    turned = {"id": ["0", "1", "2"], "video": ["w", "v", "v"], "query": ["b", "a", "a"]}
    theirs = ours | {"queries": turned, "scores": {"mIoU": [90.0, 10.0, 20.0]}}
    found = compare(ours, theirs, resamples=200)["mIoU"]
    assert (found["value"], found["low"], found["high"], found["p"]) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"queries": []},
        {"queries": {"id": ["a"]}},
        {"scores": []},
        {"scores": {"mIoU": [1.0, 2.0]}},
        {"scores": {"mIoU": None}},
        {"queries": {"id": [], "video": []}, "scores": {"mIoU": []}},
    ],
)
def test_a_record_whose_lists_do_not_match_is_one_line(tmp_path, capsys, change):
    queries = {"id": ["a"], "video": ["v"], "query": ["q"]}
    good = {"run": "x", "dataset": "d", "protocol": "fixed", "queries": queries}
    good["scores"] = {"mIoU": [1.0]}
    for name, record in (("good", good), ("bad", good | change)):
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    paths = [str(tmp_path / f"{name}.json") for name in ("good", "bad", "out")]
    with pytest.raises(SystemExit) as stopped:
        cli.main(["compare", *paths[:2], "--out", paths[2]])
    assert stopped.value.code == 2
    assert "bad.json: queries and scores are not lists of one length" in capsys.readouterr().err
