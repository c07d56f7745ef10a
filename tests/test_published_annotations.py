"""The published annotation files, converted: every count known, every query as it stands."""

import json
import subprocess
import sys

import pytest

from groundvts.data.convert import convert
from groundvts.data.moment import read_moments

ACTIVITYNET = "activitynet_captions/{}.json"
QVHIGHLIGHTS = "qvhighlights/highlight_{}_release.jsonl"
PUBLISHED = [
    (ACTIVITYNET, "train", 37_421, 37_421, 0, {"empty": 2, "inverted": 2, "overlong": 261}),
    (ACTIVITYNET, "val", 17_505, 17_505, 0, {"overlong": 134}),
    (ACTIVITYNET, "test", 17_031, 17_031, 0, {"overlong": 111}),
    (QVHIGHLIGHTS, "train", 7_218, 12_803, 2_363, {"duration_mismatch": 213}),
    (QVHIGHLIGHTS, "val", 1_550, 2_803, 530, {"duration_mismatch": 39}),
    (QVHIGHLIGHTS, "test", 1_542, 0, 0, {"duration_mismatch": 47}),
    ("nextgqa/val.csv", "val", 3_358, 3_931, 339, {"option_twice": 1, "overlong": 3}),
    ("tacos/tacos_val_release.jsonl", "val", 4_436, 4_436, 0, {"duplicate": 516}),
    ("tacos/2dtan_val.json", "val", 4_436, 4_436, 0, {"duplicate": 516}),
]


@pytest.mark.parametrize(("file", "split", "records", "windows", "several", "findings"), PUBLISHED)
def test_published_files(
    reference_data, tmp_path, file, split, records, windows, several, findings
):
    folder = reference_data / "annotations"
    dataset = file.split("/")[0]
    spans = folder / "nextgqa" / "gsub_val.json" if dataset == "nextgqa" else None
    path = folder / file.format(split)
    written = convert(dataset, split, path, tmp_path, spans=spans)
    counts = written["counts"]
    assert counts["findings"] == findings
    assert (counts["records"], counts["windows"], counts["several_windows"]) == (
        records,
        windows,
        several,
    )
    assert (counts["left_out"], counts["dropped"]) == (0, 0)
    assert all(finding["action"] == "kept as annotated" for finding in written["findings"])
    moments = read_moments(tmp_path / "moments.jsonl")
    assert [moment.query for moment in moments] == published_queries(path, dataset)


def published_queries(path, dataset: str) -> list[str]:
    """All queries of a published file in order, read without the kit."""
    text = path.read_text()
    if dataset == "nextgqa":
        import pandas

        return list(pandas.read_csv(path, keep_default_na=False)["question"])
    if path.suffix == ".jsonl":
        return [json.loads(line)["query"] for line in text.splitlines()]
    return [query for entry in json.loads(text).values() for query in entry["sentences"]]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_activitynet_ends_late_by_rounding_only(reference_data, tmp_path, split):
    path = reference_data / "annotations" / ACTIVITYNET.format(split)
    written = convert("activitynet_captions", split, path, tmp_path)
    assert written["counts"]["largest"]["overlong"] < 0.0101


def test_qvhighlights_grades_are_kept(reference_data, tmp_path):
    path = reference_data / "annotations" / QVHIGHLIGHTS.format("val")
    convert("qvhighlights", "val", path, tmp_path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for moment, row in zip(read_moments(tmp_path / "moments.jsonl"), rows, strict=True):
        assert [clip for clip, _ in moment.saliency] == row["relevant_clip_ids"]
        assert [list(grades) for _, grades in moment.saliency] == row["saliency_scores"]
        assert [list(window) for window in moment.windows] == row["relevant_windows"]


def test_both_editions_of_tacos_are_the_same(reference_data, tmp_path):
    folder = reference_data / "annotations" / "tacos"
    for name in ("tacos_val_release.jsonl", "2dtan_val.json"):
        convert("tacos", "val", folder / name, tmp_path / name)
    seconds, frames = (
        read_moments(tmp_path / name / "moments.jsonl")
        for name in ("tacos_val_release.jsonl", "2dtan_val.json")
    )
    for one, other in zip(seconds, frames, strict=True):
        assert (one.id, one.video, one.query) == (other.id, other.video, other.query)
        assert (one.windows, one.duration) == (other.windows, other.duration)


def test_nextgqa_answers_and_latest_end(reference_data, tmp_path):
    folder = reference_data / "annotations" / "nextgqa"
    written = convert(
        "nextgqa", "val", folder / "val.csv", tmp_path, spans=folder / "gsub_val.json"
    )
    assert written["counts"]["largest"] == {"overlong": pytest.approx(0.5)}
    moments = read_moments(tmp_path / "moments.jsonl")
    assert all(moment.answer in moment.options for moment in moments)
    assert max(len(moment.windows) for moment in moments) == 11


def test_all_training_parts_are_cheap(reference_data, tmp_path):
    """All of them in one process, well within 20 s of its own time and 1 GB."""
    folder = reference_data / "annotations"
    script = f"""
import resource
from groundvts.data.convert import convert
convert("charades_sta", "train", r"{folder}/charades_sta/charades_sta_train.txt", "c",
        durations=r"{folder}/charades_sta/Charades_v1_train.csv")
convert("activitynet_captions", "train", r"{folder}/activitynet_captions/train.json", "a")
convert("qvhighlights", "train", r"{folder}/qvhighlights/highlight_train_release.jsonl", "q")
used = resource.getrusage(resource.RUSAGE_SELF)
lines = open("/proc/self/status").read().splitlines()  # ru_maxrss begins at the parent's
peak = next(line for line in lines if line.startswith("VmHWM")).split()[1]
print(used.ru_utime + used.ru_stime, int(peak) / 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    seconds, megabytes = map(float, done.stdout.split())
    assert seconds < 20
    assert megabytes < 1000
