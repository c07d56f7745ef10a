"""Every record's own hash, inputs and outputs, hashed again; what no longer matches is named."""

import json
import shutil

import numpy as np
import pytest
from synthetic_records import write_results
from test_cli import groundvts, refused

from groundvts.data.files import write_jsonl
from groundvts.data.store import Store
from groundvts.records import own_hash, read_record, recording, write_json
from groundvts.report.page import write_page
from groundvts.verify import verify


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Moments, a merged folder, predictions, a score and a comparison, each made from the last."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "toy"
    moments, model = "results/toy/data/own/test/moments.jsonl", folder / "merged" / "r"
    write_jsonl(moments, [{"id": "a"}])
    model.mkdir(parents=True)
    (model / "model.safetensors").write_text("weights")
    write(model / "record.json", "merge", {"moments": moments}, {"model": model})
    predictions = folder / "predictions" / "r" / "own.jsonl"
    write_jsonl(predictions, [{"id": "a", "windows": [[1, 2]]}])
    inputs = {"model": "results/toy/merged/r", "moments": moments}
    record = predictions.with_suffix(".record.json")
    write(record, "infer", inputs, {"predictions": predictions})
    score = "results/toy/scores/r/own.json"
    write(folder.parents[1] / score, "score", {"predictions": predictions.relative_to(tmp_path)})
    write(folder / "comparisons" / "own.json", "comparisons", {"score": score})
    (folder / "runs.json").write_text("[]")
    return folder


def write(path, verb, inputs, outputs=None):
    with recording(verb, {}, inputs) as record:
        record["metrics"] = {"mIoU": 50.0}
    write_json(path, record, outputs)


def replace(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def test_a_whole_chain_is_found_whole(results, capsys):
    status, out, _ = groundvts(capsys, "verify", results)
    assert status == 0
    assert out == "records 4  broken 0  checked 11  left out 0  without own hash 0\n"


@pytest.mark.parametrize(
    ("place", "old", "new", "named"),
    [
        ("comparisons/own.json", "50.0", "99.9", ["comparisons/own.json: has changed since"]),
        ("scores/r/own.json", "50.0", "99.9", ["scores/r/own.json: has changed since",
                                               "comparisons/own.json: score:"]),
        ("predictions/r/own.jsonl", "1", "0", ["own.record.json: predictions:",
                                               "scores/r/own.json: predictions:"]),
        ("merged/r/model.safetensors", "w", "W", ["merged/r/record.json: model:",
                                                  "own.record.json: model:"]),
        ("data/own/test/moments.jsonl", "a", "b", ["merged/r/record.json: moments:",
                                                   "own.record.json: moments:"]),
    ],
)  # fmt: skip
def test_what_was_edited_is_named(results, capsys, place, old, new, named):
    replace(results / place, old, new)
    status, out, err = groundvts(capsys, "verify", results)
    assert status == 1
    lines = out.splitlines()[:-1]
    assert len(lines) == len(named)
    assert all(any(part in line for line in lines) for part in named)
    assert all("has changed" in line for line in lines)
    assert f"broken {len(named)}" in out
    assert len(err.splitlines()) == 1


def test_what_is_gone_or_cannot_be_read_is_named(results):
    (results / "predictions/r/own.jsonl").unlink()
    (results / "scores/r/own.json").write_text('{"half')
    broken, _ = verify(results)
    assert sum("is gone" in line for line in broken) == 1
    assert any("own.json: cannot be read" in line for line in broken)
    assert any("comparisons/own.json: score" in line for line in broken)


def test_a_moved_folder_is_looked_at_where_it_lies(results, tmp_path):
    moved = tmp_path / "elsewhere" / "renamed"
    shutil.copytree(results, moved)
    assert verify(moved)[0] == []
    replace(moved / "predictions/r/own.jsonl", "1", "0")
    assert len(verify(moved)[0]) == 2
    assert verify(results)[0] == []


def test_records_from_before_go_on_being_read(results):
    path = results / "comparisons" / "own.json"
    record = read_record(path)
    assert record["sha256"] == own_hash(record)
    record.pop("sha256")
    path.write_text(json.dumps(record))
    broken, counts = verify(results)
    assert broken == []
    assert counts["without_own_hash"] == 1


def test_what_is_no_results_folder_is_refused(tmp_path, capsys):
    for folder in (tmp_path / "absent", tmp_path):
        assert "holds no record" in refused(capsys, "verify", folder)


def test_the_page_says_when_its_records_no_longer_match(tmp_path):
    results = write_results(tmp_path / "toy")
    assert "groundvts verify" not in write_page(results).read_text()
    path = next(iter(sorted(results.glob("scores/*/charades_sta.json"))))
    record = json.loads(path.read_text())
    record["metrics"]["mIoU"]["value"] = 99.9
    path.write_text(json.dumps(record))
    text = write_page(results).read_text()
    assert "1 files are not what records say" in text
    assert f"{path.parent.name}/charades_sta.json: has changed since" in text


def test_a_cached_array_that_was_damaged_is_named(results):
    store = Store(results.parent / "cache")
    store.put("abcd", np.zeros((2, 3), np.uint8), {})
    about = {"store": "../../../cache", "videos": {"v": {"key": "abcd"}}, "failed": {}}
    write_json(results / "frames" / "own" / "index.json", about)
    assert verify(results)[0] == []
    array = results.parent / "cache" / "ab" / "abcd.npy"
    array.write_bytes(array.read_bytes()[:-1] + b"x")
    [line] = verify(results)[0]
    assert "frames/own/index.json: v: " in line
