"""A broken model folder is one line that names the file at fault, wherever it is read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import write_base

from groundvts.cli import main
from groundvts.data.inputs import Encoder
from groundvts.errors import BadInput
from groundvts.inference.ground import ground
from groundvts.models.load import load_model
from groundvts.models.sizes import meta_model, read_config
from groundvts.prompts import Prompts
from groundvts.training.merge import _with_adapter
from groundvts.training.stages import StageSettings, stage_model

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TOKENIZER, SPECIAL = "tokenizer.json", "tokenizer_config.json"
PREPROCESSOR, MANIFEST = "preprocessor_config.json", "groundvts.json"
TEMPLATES = Prompts.load().templates


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A merged folder with its manifest."""
    out = tmp_path_factory.mktemp("models") / "whole"
    base = write_base(out.with_name("base"))
    load_model(str(base), {"hidden_size": 16}).save_pretrained(out)
    Encoder.copy_files(str(base), out)
    manifest = {"protocol": "fixed", "frames": None, "prompts": TEMPLATES}
    (out / MANIFEST).write_text(json.dumps(manifest))
    return out


def text(name: str, content: str) -> Callable:
    return lambda folder: (folder / name).write_bytes(content.encode("latin-1"))


def gone(*names: str) -> Callable:
    return lambda folder: [(folder / name).unlink() for name in names]


def key(name: str, *path: str, **changes) -> Callable:
    """Changes keys of a JSON file, below `path`; None takes one out."""

    def change(folder: Path) -> None:
        settings = json.loads((folder / name).read_text())
        place = settings
        for part in path:
            place = place[part]
        place |= changes
        for one in [one for one, value in changes.items() if value is None]:
            del place[one]
        (folder / name).write_text(json.dumps(settings))

    return change


def sharded(index: str) -> Callable:
    def change(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / INDEX).write_text(index)

    return change


def pickled(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({}, folder / "pytorch_model.bin")


def cut(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1000])


MISSING = '{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}'
DAMAGES = {
    "no config": (gone(CONFIG), CONFIG),
    "config no JSON": (text(CONFIG, "{ no"), CONFIG),
    "config no text": (text(CONFIG, "\xff\xfe\0"), CONFIG),
    "config a list": (text(CONFIG, "[]"), CONFIG),
    "config null": (text(CONFIG, "null"), CONFIG),
    "no model_type": (key(CONFIG, model_type=None), "lacks 'model_type'"),
    "model_type a list": (key(CONFIG, model_type=["x"]), "model_type ['x'] is not supported"),
    "model_type unknown": (key(CONFIG, model_type="llama"), "model_type 'llama' is not supported"),
    "vts unknown": (key(CONFIG, "vts", nonsense=1), f"{CONFIG}: vts.nonsense"),
    "vts bad": (key(CONFIG, "vts", ratio=7), f"{CONFIG}: vts.ratio"),
    "vts a text": (key(CONFIG, "vts", ratio="x"), CONFIG),
    "vts a list": (key(CONFIG, vts=[1]), CONFIG),
    "vts wider": (key(CONFIG, "vts", hidden_size=32), "vts.project_query.weight"),
    "vision a list": (key(CONFIG, vision_config=[]), CONFIG),
    "width a text": (key(CONFIG, "text_config", hidden_size="x"), CONFIG),
    "wider": (key(CONFIG, "text_config", hidden_size=64), "misshapen"),
    "no heads": (key(CONFIG, "text_config", num_attention_heads=0), CONFIG),
    "settings of 72 billion weights": (key(CONFIG, text_config=None), CONFIG),
    "generation no JSON": (text("generation_config.json", "{ no"), "generation_config.json"),
    "generation a list": (text("generation_config.json", "[]"), "generation_config.json"),
    "no tokenizer": (gone(TOKENIZER), TOKENIZER),
    "no tokenizer at all": (gone(TOKENIZER, SPECIAL), TOKENIZER),
    "tokenizer no JSON": (text(TOKENIZER, "{ no"), TOKENIZER),
    "tokenizer a list": (text(TOKENIZER, "[]"), TOKENIZER),
    "tokenizer empty": (text(TOKENIZER, ""), TOKENIZER),
    "no padding": (gone(SPECIAL), SPECIAL),
    "special tokens no JSON": (text(SPECIAL, "{ no"), SPECIAL),
    "special tokens a list": (text(SPECIAL, "[]"), SPECIAL),
    "no chat template": (gone("chat_template.jinja"), "chat template"),
    "chat template empty": (text("chat_template.jinja", ""), "chat template"),
    "chat template broken": (text("chat_template.jinja", "{% if %}"), SPECIAL),
    "no weights": (gone(WEIGHTS), WEIGHTS),
    "weights cut": (cut, WEIGHTS),
    "weights empty": (text(WEIGHTS, ""), WEIGHTS),
    "weights a text": (text(WEIGHTS, "no tensors\n" * 9999), WEIGHTS),
    "weights pickled": (pickled, "pytorch_model.bin: only safetensors is read"),
    "a shard missing": (sharded(MISSING), "model-00001-of-00002.safetensors"),
    "index no JSON": (sharded("{ no"), INDEX),
    "index a list": (sharded("[]"), INDEX),
    "index without a map": (sharded("{}"), "weight_map"),
    "no preprocessor": (gone(PREPROCESSOR), PREPROCESSOR),
    "preprocessor no JSON": (text(PREPROCESSOR, "{ no"), PREPROCESSOR),
    "preprocessor a list": (text(PREPROCESSOR, "[]"), PREPROCESSOR),
    "no mean": (key(PREPROCESSOR, image_mean=None), f"{PREPROCESSOR}: lacks 'image_mean'"),
    "mean a text": (key(PREPROCESSOR, image_mean="x"), PREPROCESSOR),
    "patch a text": (key(PREPROCESSOR, patch_size="x"), PREPROCESSOR),
    "patch 0": (key(PREPROCESSOR, patch_size=0), PREPROCESSOR),
    "manifest no JSON": (text(MANIFEST, "{ no"), MANIFEST),
    "manifest no text": (text(MANIFEST, "\xff\xfe"), MANIFEST),
    "manifest a list": (text(MANIFEST, "[]"), MANIFEST),
    "manifest empty": (text(MANIFEST, "{}"), f"{MANIFEST}: lacks 'prompts'"),
    "no frames": (text(MANIFEST, json.dumps({"prompts": TEMPLATES})), "lacks 'frames'"),
    "prompts a text": (key(MANIFEST, prompts="x"), MANIFEST),
    "prompts of no kind": (key(MANIFEST, prompts={"a": 1}), MANIFEST),
    "frames unknown": (key(MANIFEST, frames={"nope": 1}), MANIFEST),
    "frames a text": (key(MANIFEST, frames="x"), MANIFEST),
    "frames of a text": (key(MANIFEST, frames={"fps": "x"}), MANIFEST),
}


def reads(folder: str, video: Path) -> list[Callable]:
    """Everything that reads a folder."""
    return [
        lambda: load_model(folder),
        lambda: Encoder(folder),
        lambda: ground(folder, video, "red circle"),
        lambda: meta_model(read_config(folder)),
    ]


def refusal(function: Callable) -> str:
    """What a bad input is told; nothing where it is none."""
    try:
        function()
    except BadInput as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(name, marks=pytest.mark.slow if place % 4 else [])
        for place, name in enumerate(DAMAGES)
    ],
)
def test_a_damage_is_one_line_that_names_it(whole, tmp_path, damage):
    """Whatever reads the folder refuses it by name, or needs nothing of what is damaged."""
    folder = tmp_path / "model"
    shutil.copytree(whole, folder)
    change, named = DAMAGES[damage]
    change(folder)
    said = [refusal(function) for function in reads(str(folder), tmp_path / "no.mp4")]
    said = [line for line in said if "no.mp4" not in line]
    assert any(said)
    for line in filter(None, said):
        assert str(folder) in line
        assert named in line
        assert "\n" not in line


@pytest.mark.parametrize("verb", ["sizes", "ground"])
@pytest.mark.parametrize("made", ["file", "nothing", "empty"])
def test_what_is_no_folder_of_a_model_is_refused_with_status_2(tmp_path, capsys, verb, made):
    model = tmp_path / "model"
    if made == "file":
        model.write_text("x")
    elif made == "empty":
        model.mkdir()
    with pytest.raises(SystemExit) as ended:
        main([verb, str(model), *(["no.mp4", "red circle"] if verb == "ground" else [])])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"groundvts: {model}")
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_damaged_adapter_is_refused_by_name(whole, tmp_path, name):
    base = str(whole.with_name("base"))
    settings = StageSettings([], {"vts": 1e-2})
    adapter = tmp_path / "adapter"
    stage_model(load_model(base, {"hidden_size": 16}), settings, None).save_pretrained(adapter)
    (adapter / name).write_bytes((adapter / name).read_bytes()[:-100])
    with pytest.raises(BadInput, match=f"{adapter / name}: "):
        stage_model(load_model(base, {"hidden_size": 16}), settings, adapter)
    with pytest.raises(BadInput, match=f"{adapter / name}: "):
        _with_adapter(load_model(base, {"hidden_size": 16}), adapter)
