"""The verb that merges: on the base that the adapter was trained on, and over nothing of yours."""

import json

import pytest
from test_cli import refused

from groundvts.data.files import part_of
from groundvts.records import hash_path, write_json

SETTINGS = json.dumps({"protocol": "fixed", "seed": 0})


@pytest.fixture
def words(tmp_path) -> list:
    """A merge of an adapter whose record names the base `base`."""
    for name in ("base", "other", "adapter", "source"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.json").write_text(name)
    inputs = {"base": {"path": "base", "sha256": hash_path(tmp_path / "base")}}
    (tmp_path / "adapter" / "record.json").write_text(json.dumps({"inputs": inputs}))
    files = {"adapter": "adapter", "source": "source", "moments": "m.jsonl", "out": "merged"}
    named = [f"--{option}={tmp_path / name}" for option, name in files.items()]
    return ["merge", "--run=r", f"--settings={SETTINGS}", *named]


def test_an_adapter_is_merged_into_its_own_base(words, tmp_path, capsys):
    line = refused(capsys, *words, f"--base={tmp_path / 'other'}")
    assert "adapter: was trained on another base" in line
    assert not (tmp_path / "merged").exists()
    (tmp_path / "base" / ".snakemake_timestamp").touch()  # as in a base taken from the cache
    assert "another base" not in refused(capsys, *words, f"--base={tmp_path / 'base'}")


def test_an_adapter_that_was_changed_since_its_training_is_refused(words, tmp_path, capsys):
    adapter = tmp_path / "adapter"
    record = json.loads((adapter / "record.json").read_text())
    write_json(adapter / "record.json", record, {"adapter": adapter})
    assert "as its training left it" not in refused(capsys, *words, f"--base={tmp_path / 'base'}")
    (adapter / "index.json").write_text("other weights")
    line = refused(capsys, *words, f"--base={tmp_path / 'base'}")
    assert "adapter: is not as its training left it" in line


def test_a_folder_of_ones_own_is_not_replaced(words, tmp_path, capsys):
    mine = tmp_path / "merged" / "thesis.tex"
    mine.parent.mkdir()
    mine.write_text("x")
    line = refused(capsys, *words, f"--base={tmp_path / 'base'}")
    assert "merged: is there already, and not ours to replace" in line
    assert mine.read_text() == "x"
    assert not part_of(tmp_path / "merged").exists()
