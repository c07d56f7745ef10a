"""Records: the envelope, atomic writing, clear errors, hashes of inputs and source."""

import ast
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from groundvts.errors import BadInput
from groundvts.records import (
    _outline,
    code_hash,
    hash_path,
    read_record,
    recording,
    source_hash,
    write_json,
)


def test_envelope_is_whole(tmp_path):
    (tmp_path / "input.txt").write_text("abc")
    with recording("score", {"k": 1}, {"text": tmp_path / "input.txt"}, "paper", seed=3) as record:
        record["payload"] = 7
    assert record["verb"] == "score"
    assert record["settings"] == {"k": 1}
    assert record["protocol"] == "paper"
    assert record["seed"] == 3
    assert record["payload"] == 7
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert record["inputs"]["text"]["sha256"] == digest
    assert record["source"] == source_hash()
    assert len(source_hash()) == 64
    assert record["versions"]["numpy"] == np.__version__
    assert record["hardware"]["cores"] >= 1
    assert record["hardware"]["memory_gb"] > 0
    assert record["seconds"] > 0
    assert record["peak_memory_mb"] > 1
    assert record["started"].endswith("+00:00")


def test_missing_input_is_bad_input(tmp_path):
    with (
        pytest.raises(BadInput, match=r"absent\.txt: no such file"),
        recording("score", {}, {"text": tmp_path / "absent.txt"}),
    ):
        pass


def test_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "record.json"
    write_json(path, {"value": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"value": math.nan})
    with pytest.raises(TypeError):
        write_json(path, {"value": object()})
    assert json.loads(path.read_text()) == {"value": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_numpy_values_and_paths_become_plain(tmp_path):
    path = tmp_path / "new" / "record.json"
    write_json(path, {"a": np.float32(0.5), "b": np.arange(3), "c": path, "d": "é"})
    assert read_record(path) == {"a": 0.5, "b": [0, 1, 2], "c": str(path), "d": "é"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such record"),
        (b'{"a": 1,\n "b": }', "line 2: not valid JSON"),
        (b"[1, 2]", "a record is a JSON object, found list"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_broken_record_is_one_clear_line(tmp_path, content, message):
    path = tmp_path / "record.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=message) as caught:
        read_record(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_hash_follows_names_and_contents(tmp_path):
    for folder, names in (("one", "ab"), ("two", "ba"), ("other", "ac")):
        (tmp_path / folder / "sub").mkdir(parents=True)
        for name in names:
            (tmp_path / folder / "sub" / name).write_text("same")
    one, two, other = (hash_path(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two != other
    (tmp_path / "two" / "sub" / "a").write_text("changed")
    assert hash_path(tmp_path / "two") != one


def test_records_and_report_do_not_import_torch():
    modules = "records, report.page, report.notebook, report.readme, report.figures"
    command = f"import sys\nfrom groundvts import {modules.split(',')[0]}\n"
    for module in modules.split(", ")[1:]:
        command += f"import groundvts.{module}\n"
    command += "assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", command], check=True)


def test_the_hash_of_code_follows_what_it_does(tmp_path):
    texts = {
        "plain": "def f(x):\n    return x + 1\n",
        "comment": '"""Doc."""\n\n\ndef f(x):  # adds\n    """One more."""\n    return x + 1\n',
        "changed": "def f(x):\n    return x + 2\n",
    }
    hashes = {}
    for name, text in texts.items():
        (tmp_path / "module.py").write_text(text)
        hashes[name] = code_hash([tmp_path / "module.py"])
    assert hashes["plain"] != hashes["changed"]
    assert hashes["plain"] == hashes["comment"]


def test_the_hash_of_code_is_the_same_on_every_python(tmp_path):
    """Syntax trees are not: the hash was taken on Python 3.11, 3.12 and 3.13, and was equal."""
    text = 'def f(x: int = -1, *, w=None) -> str:\n    return f"{x:{w}} {x!r:>{w}d}" + "" + g("")\n'
    (tmp_path / "module.py").write_text(f"class A:\n    {text.replace('    ', ' ' * 8)}")
    golden = "f4121bbc8000f09d7c971d22c0e80ce43b7d8ca2d86a739ee18cde665e90de78"
    assert code_hash([tmp_path / "module.py"]) == golden
    tree = ast.parse(text)
    [function] = tree.body
    tree.type_ignores, function.type_params = None, []
    inner = function.body[0].value.left.left.values[0].format_spec
    plain = str(_outline(ast.parse(text)))
    inner.values.append(ast.Constant(""))
    assert str(_outline(tree)) == plain
    assert str(_outline(ast.parse(text.replace('g("")', "g()")))) != plain
