"""A merged folder is checked by name and by logits, in the base's dtype, and appears whole."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tiny import tiny, write_base, write_internvl

from groundvts.data.files import part_of, whole_folder
from groundvts.data.inputs import Encoder
from groundvts.errors import BadInput, RunFailed
from groundvts.models.load import load_model
from groundvts.training import merge as merging
from groundvts.training.merge import WEIGHTS, merge
from groundvts.training.stages import StageSettings, stage_model

VTS = {"hidden_size": 16, "ratio": 0.5}
RATES = {"vts": 1e-2, "projector": 1e-2, "lora": 1e-2}
MAKERS = {"qwen": write_base, "internvl": write_internvl}
PROJECTOR = {"qwen": "model.visual.merger", "internvl": "model.multi_modal_projector"}


def as_bfloat16(folder: Path) -> Path:
    """Rounds a base's weights to bfloat16, as published checkpoints are."""
    weights = load_file(folder / "model.safetensors")
    rounded = {name: tensor.bfloat16() for name, tensor in weights.items()}
    save_file(rounded, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    return folder


def write_adapter(base: Path, folder: Path, spared: tuple[str, ...] = (), **vts) -> Path:
    """An adapter of all groups whose tensors were moved as training would; not those `spared`."""
    model = stage_model(load_model(str(base), VTS | vts), StageSettings([], RATES), None)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not any(part in name for part in spared):
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data += (0.05 * noise).to(parameter.dtype)
    model.save_pretrained(folder)
    return folder


def batch(base: Path) -> dict:
    t = tiny(base, **VTS)
    return t.batch(t.sample("red circle", 6, 1), t.sample("blue square", 4, 2))


@pytest.fixture(scope="module", params=["qwen", "internvl"])
def backbone(request):
    return request.param


@pytest.fixture(scope="module")
def base(tmp_path_factory, backbone):
    return MAKERS[backbone](tmp_path_factory.mktemp(backbone) / "base")


def test_every_module_is_merged_and_named(base, backbone, tmp_path):
    adapter = write_adapter(base, tmp_path / "adapter")
    given = batch(base)
    check = merge(str(base), adapter, VTS, given, {"run": "r"}, tmp_path / "merged")
    targets = [
        f"model.language_model.layers.{layer}.self_attn.{part}_proj"
        for layer in range(2)
        for part in "qkvo"
    ]
    assert set(check["modules"]) == {"vts", PROJECTOR[backbone], *targets}
    assert all(check["modules"].values())
    assert check["unchanged"] == ["vts.centre_D", "vts.centre_steps"]
    assert check["dtype"] == "float32"
    assert max(check["adapter_difference"], check["saved_difference"]) < 1e-4
    assert check["base_difference"] > 1e-3
    merged = load_model(str(tmp_path / "merged"))
    before = load_model(str(base), VTS).state_dict()
    changed = {n for n, t in merged.state_dict().items() if not torch.equal(t, before[n])}
    assert len(changed) == check["tensors_changed"]
    assert all(name.startswith(tuple(check["modules"])) for name in changed)


def test_a_merge_in_float32_is_pefts_own_bit_for_bit(base, tmp_path):
    adapter = write_adapter(base, tmp_path / "adapter")
    merge(str(base), adapter, VTS, batch(base), {}, tmp_path / "merged")
    whole = PeftModel.from_pretrained(load_model(str(base), VTS, dtype="float32"), adapter)
    expected = whole.merge_and_unload().state_dict()
    found = load_model(str(tmp_path / "merged")).state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_bfloat16_base_gives_a_bfloat16_model_merged_in_float32(backbone, tmp_path):
    base = as_bfloat16(MAKERS[backbone](tmp_path / "base"))
    adapter = write_adapter(base, tmp_path / "adapter")
    check = merge(str(base), adapter, VTS, batch(base), {}, tmp_path / "merged")
    assert check["dtype"] == "bfloat16"
    assert check["adapter_difference"] < 1e-4 < check["saved_difference"] < 5e-2
    assert all(check["modules"].values())
    weights = load_file(tmp_path / "merged" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    merged = load_model(str(tmp_path / "merged"))
    assert merged.dtype == torch.bfloat16
    whole = PeftModel.from_pretrained(load_model(str(base), VTS).float(), adapter)
    expected = whole.merge_and_unload().bfloat16().state_dict()
    assert all(torch.equal(expected[n], t) for n, t in merged.state_dict().items())


def test_without_an_adapter_it_is_the_base_with_its_sampling_module_as_it_starts(base, tmp_path):
    prompts = batch(base)
    check = merge(str(base), None, VTS, prompts, {"run": "untrained"}, tmp_path / "out", seed=3)
    assert check["modules"] == {}
    assert check["saved_difference"] <= check["saved_tolerance"]
    found, start = load_model(str(tmp_path / "out")), load_model(str(base), VTS, seed=3)
    other = load_model(str(base), VTS, seed=4)
    for name, tensor in start.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, rtol=0, atol=0)
    assert any(
        not torch.equal(found.state_dict()[name], tensor)
        for name, tensor in other.state_dict().items()
    )


def test_only_tokenizer_and_preprocessor_are_copied_beside(base, tmp_path):
    for stray in ("pytorch_model.bin", "model.safetensors.index.json", "README.md"):
        (base / stray).write_text("{}")
    try:
        adapter = write_adapter(base, tmp_path / "adapter")
        merge(str(base), adapter, VTS, batch(base), {"run": "r"}, tmp_path / "merged")
    finally:
        for stray in ("pytorch_model.bin", "model.safetensors.index.json", "README.md"):
            (base / stray).unlink()
    found = {path.name for path in (tmp_path / "merged").iterdir()}
    ours = {"config.json", "generation_config.json", "model.safetensors", "groundvts.json"}
    assert found == ours | {
        *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
        "preprocessor_config.json",
    }
    text = "from 03s to 09s"
    one, other = (Encoder(str(folder)) for folder in (base, tmp_path / "merged"))
    assert one.tokenizer(text) == other.tokenizer(text)
    assert one.settings == other.settings


@pytest.mark.parametrize(
    ("spared", "named"),
    [
        (("vts",), "has not changed vts"),
        (("merger", "multi_modal_projector"), "merger|multi_modal_projector"),
        (("layers.1.self_attn.k_proj.lora_B",), "layers.1.self_attn.k_proj"),
        (("",), "equals the base"),
    ],
)
def test_what_training_left_as_it_was_is_named(base, tmp_path, spared, named):
    adapter = write_adapter(base, tmp_path / "adapter", spared)
    with pytest.raises(RunFailed, match=named):
        merge(str(base), adapter, VTS, batch(base), {}, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_sampling_module_without_gradient_may_stay_as_it_was(base, tmp_path):
    vts = {"sampler": "cosine", "post_mlp": False}
    adapter = write_adapter(base, tmp_path / "adapter", ("vts",), **vts)
    check = merge(str(base), adapter, VTS | vts, batch(base), {}, tmp_path / "merged")
    assert check["modules"]["vts"] == 0


def drop(weights: dict, part: str) -> None:
    weights.pop(next(name for name in weights if part in name))


def empty(weights: dict, part: str) -> None:
    weights[next(name for name in weights if part in name)] = torch.zeros(0)


@pytest.mark.parametrize("damage", [drop, empty])
@pytest.mark.parametrize("part", ["vts.project_visual", "layers.0.self_attn.q_proj.lora_B"])
def test_an_adapter_that_lacks_a_tensor_is_refused_by_name(base, tmp_path, damage, part):
    adapter = write_adapter(base, tmp_path / "adapter")
    weights = load_file(adapter / WEIGHTS)
    damage(weights, part)
    save_file(weights, adapter / WEIGHTS, {"format": "pt"})
    with pytest.raises(BadInput, match=part.replace(".", r"\.")) as caught:
        merge(str(base), adapter, VTS, batch(base), {}, tmp_path / "merged")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lost", [WEIGHTS, "adapter_config.json"])
def test_a_folder_that_is_no_adapter_is_refused_in_one_line(base, tmp_path, lost):
    adapter = write_adapter(base, tmp_path / "adapter")
    (adapter / lost).unlink()
    with pytest.raises(BadInput, match="adapter") as caught:
        merge(str(base), adapter, VTS, batch(base), {}, tmp_path / "merged")
    assert "\n" not in str(caught.value)


def test_a_folder_that_answers_otherwise_when_loaded_again_is_refused(base, tmp_path, monkeypatch):
    def spoiled(model, out):
        copy_files(model, out)
        weights = load_file(out / "model.safetensors")
        weights[next(name for name in weights if name.endswith("model.norm.weight"))] *= 2
        save_file(weights, out / "model.safetensors", {"format": "pt"})

    copy_files = Encoder.copy_files
    monkeypatch.setattr(merging.Encoder, "copy_files", spoiled)
    adapter = write_adapter(base, tmp_path / "adapter")
    with pytest.raises(RunFailed, match="loaded again"):
        merge(str(base), adapter, VTS, batch(base), {}, tmp_path / "merged")


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def merge_and_die(owner, name, arguments, out):
    """In a process of its own: a merge that is killed where it calls `name`."""
    torch.set_num_threads(1)
    setattr(owner, name, die)
    with whole_folder(out) as partial:
        merge(*arguments, partial)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(merging.Encoder, "copy_files"), (merging, "_loaded_again"), (Path, "rename")],
)
def test_a_killed_merge_leaves_nothing_that_counts_as_whole(base, tmp_path, owner, name):
    adapter, out = write_adapter(base, tmp_path / "adapter"), tmp_path / "merged"
    arguments = (str(base), adapter, VTS, batch(base), {"run": "r"})
    process = multiprocessing.get_context("fork").Process(
        target=merge_and_die, args=(owner, name, arguments, out)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert not out.exists()
    assert (part_of(out) / "model.safetensors").exists()
    with whole_folder(out) as partial:
        merge(*arguments, partial)
    assert not part_of(out).exists()
    assert load_model(str(out)).vts is not None
