"""Model cards: what the records say, with a head that the hub reads."""

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from groundvts.cli import main
from groundvts.report.card import model_card

ENVELOPE = {
    "protocol": "fixed",
    "seed": 3,
    "versions": {"torch": "2.13.0"},
    "commit": None,
    "source": "0" * 64,
    "hardware": {"cpu": "a CPU", "gpu": None},
    "started": "2026-01-02T03:04:05+00:00",
    "seconds": 90.0,
}


def write(path: Path, record: dict) -> dict:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return record


def stage(folder: Path, name: str, previous: Path | None = None, **settings) -> Path:
    """A stage's folder with its record."""
    settings = {
        "data": ["qvhighlights"],
        "learning_rate": {"vts": 1e-4},
        "batch_size": 2,
        **settings,
    }
    inputs = {"previous": {"path": str(previous), "sha256": ""}} if previous else {}
    record = ENVELOPE | {"verb": "train", "stage": name, "settings": {"stage": settings}}
    record |= {"inputs": inputs, "steps": 7, "samples": {"given": 1200, "used": 1199}}
    record["engine"] = {"global_batch": 64}  # the settings need not name what has a default
    write(folder / name / "record.json", record | {"trainable": {"groups": {"vts": 25_700_000}}})
    return folder / name


@pytest.fixture
def merged(tmp_path):
    """The record of a merge that two stages preceded."""
    first = stage(tmp_path, "warmup", steps=7)
    last = stage(tmp_path, "grounding", first, epochs=3)
    (tmp_path / "base").mkdir()
    modules = {"vts": 6, "model.visual.merger": 5}
    differences = ("adapter_difference", "base_difference", "saved_difference")
    check = {"dtype": "bfloat16", "modules": modules} | dict.fromkeys(differences, 0.25)
    settings = {"vts": {"sampler": "vts", "ratio": 0.5}, "frames": {"fps": 2.0, "count": None}}
    record = ENVELOPE | {"verb": "merge", "run": "vts-s3", "base": str(tmp_path / "base")}
    inputs = {name: {"path": str(path), "sha256": "abc"} for name, path in
              (("base", tmp_path / "base"), ("adapter", last))}  # fmt: skip
    record |= {"check": check, "settings": settings, "inputs": inputs}
    return write(tmp_path / "merged" / "record.json", record)


def score(folder: Path, **changes) -> Path:
    metric = {"value": 42.125, "low": 40.0, "high": 44.0}
    record = ENVELOPE | {"verb": "score", "run": "vts-s3", "dataset": "charades_sta"}
    record |= {"split": "test", "metrics": {"R1@0.5": metric, "mIoU": metric}}
    record |= {"counts": {"asked": 10, "scored": 9, "failed": 1}}
    write(folder / "score.json", record | changes)
    return folder / "score.json"


def test_a_card_tells_the_stages_in_order(merged):
    text = model_card(merged)
    rows = [line for line in text.splitlines() if line.startswith(("| warmup", "| grounding"))]
    assert [row.split(" | ")[3:5] for row in rows] == [
        ["7 steps", "64"],
        ["3 epochs, 7 steps", "64"],
    ]
    assert "QVHighlights" in rows[0]
    assert "1,199 (1 left out)" in rows[0]
    assert "vts 25,700,000" in rows[0]
    assert "bfloat16" in text
    assert "Not scored" in text
    assert "A toy" not in text


def test_minutes_are_those_of_all_attempts(merged, tmp_path):
    path = tmp_path / "warmup" / "record.json"
    write(path, json.loads(path.read_text()) | {"training_seconds": 600.0})
    rows = [line for line in model_card(merged).splitlines() if line.startswith(("| warm", "| gr"))]
    assert [row.split(" | ")[-1] for row in rows] == ["10.0 |", "1.5 |"]


def test_the_head_is_what_the_hub_reads(merged, tmp_path):
    record = json.loads(score(tmp_path).read_text())
    data = ModelCard(model_card(merged, [record])).data
    assert data.pipeline_tag == "video-text-to-text"
    assert {"library_name", "tags", "license"} <= set(data.to_dict())
    assert [(r.dataset_name, r.metric_type, r.metric_value) for r in data.eval_results] == [
        ("Charades-STA", "R1@0.5", 42.12),
        ("Charades-STA", "mIoU", 42.12),
    ]
    assert data.eval_results[0].metric_args == {"protocol": "fixed", "interval_95": [40.0, 44.0]}


@pytest.mark.parametrize(
    ("card", "licence", "said"),
    [
        (None, "unknown", "look it up"),
        ("---\nlicense: mit\n---\n# A base\n", "mit", "Base: mit"),
        ("# A base without a head\n", "unknown", "look it up"),
        ("---\nlicense: [\n---\n", "unknown", "look it up"),
    ],
)
def test_the_bases_licence_is_its_own_cards(merged, tmp_path, card, licence, said):
    if card:
        (tmp_path / "base" / "README.md").write_text(card)
    text = model_card(merged)
    assert ModelCard(text).data.license == licence
    assert said in text


def test_a_base_on_the_hub_is_named_and_a_toy_is_called_one(merged, tmp_path):
    assert "base_model" not in ModelCard(model_card(merged)).data.to_dict()
    hub = ModelCard(model_card(merged | {"base": "nobody/no-such-model"})).data
    assert hub.base_model == "nobody/no-such-model"
    write(tmp_path / "base" / "record.json", {"verb": "toy-base"})
    text = model_card(merged)
    assert "A toy" in text
    assert ModelCard(text).data.license == "apache-2.0"
    assert "toy" in ModelCard(text).data.tags


def test_an_adapter_without_records_is_said_to_have_none(merged):
    merged["inputs"]["adapter"]["path"] = "nowhere"
    assert "No record of the stages" in model_card(merged)


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["card", *map(str, arguments)])
    return ended.value.code


def test_the_verb_writes_a_card_with_scores(merged, tmp_path):
    out = tmp_path / "cards" / "card.md"
    main(["card", str(tmp_path / "merged"), "--scores", str(score(tmp_path)), "--out", str(out)])
    assert "42.1 [40.0, 44.0] | 10 / 9 / 1" in out.read_text()


@pytest.mark.parametrize("scores", [[], ["--scores"]])
def test_a_run_that_nothing_asked_has_a_card(merged, tmp_path, scores):
    out = tmp_path / "card.md"
    main(["card", str(tmp_path / "merged"), *scores, "--out", str(out)])
    assert "Not scored" in out.read_text()


@pytest.mark.parametrize("changes", [{"run": "another"}, {"verb": "merge"}])
def test_scores_of_another_run_are_refused_in_one_line(merged, tmp_path, capsys, changes):
    path = score(tmp_path, **changes)
    assert run(tmp_path / "merged", "--scores", path, "--out", tmp_path / "card.md") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_merged_by_an_older_version_is_refused(merged, tmp_path, capsys):
    write(tmp_path / "merged" / "record.json", merged | {"check": {"tensors_changed": 3}})
    assert run(tmp_path / "merged", "--scores", score(tmp_path), "--out", tmp_path / "c.md") == 2
    assert "merge it again" in capsys.readouterr().err
