"""Released checkpoints that do not fit are refused in one line, by name; nothing is left behind."""

import json

import pytest
import torch
from peft import get_peft_model
from published import import_released, write_adapter, write_published, write_state
from safetensors.torch import load_file, save_file
from tiny import tiny, write_base

from groundvts.data.files import part_of
from groundvts.errors import BadInput
from groundvts.training.stages import StageSettings, adapter_config


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A stock Qwen folder."""
    return write_base(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
def folder(base, tmp_path):
    """A released Qwen folder in three shards."""
    return write_published(tmp_path / "r", tiny(base).model, "qwen2_5_vl", base, files=3)


def refused(folder, **options):
    """The one line of a refusal, which leaves nothing behind."""
    out = folder.parent / "out"
    with pytest.raises(BadInput) as error:
        import_released(folder, out, **options)
    assert "\n" not in str(error.value)
    assert not out.exists()
    assert not part_of(out).exists()
    return str(error.value)


WF = "vts_module.Wf.weight"
NORM = "model.norm.weight"


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda s: s.update({"vts_module.extra": torch.ones(2)}), ["1 tensors", "vts_module.extra",
         "unknown", ".safetensors"]),
        (lambda s: s.update({"transformer.h.0": torch.ones(2)}), ["transformer.h.0", "unknown"]),
        (lambda s: s.pop(WF), ["vts.project_visual.weight: missing", "(16, 32)"]),
        (lambda s: s.update({WF: torch.ones(32, 16)}), [WF, "(32, 16)", "expected (16, 32)"]),
        (lambda s: s.update({NORM: torch.ones(32).to(torch.int8)}), [NORM, "I8", "float"]),
        (lambda s: s.update({"model.language_model.norm.weight": torch.ones(32)}),
         ["a second model.language_model.norm.weight", "beside", NORM]),
        (lambda s: [s.pop(k) for k in list(s) if "layers.1." in k], ["12 tensors", "layers.1."]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(folder, change, parts):
    state = {}
    for shard in folder.glob("*.safetensors"):
        state |= load_file(shard)
    change(state)
    write_state(folder, state, 3)
    line = refused(folder)
    for part in parts:
        assert part in line
    assert line.count(";") <= 4


def damage_index(folder, change):
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    change(content["weight_map"])
    index.write_text(json.dumps(content))


SHARD = "model-00002-of-00003.safetensors"


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (lambda f: (f / SHARD).unlink(), SHARD),
        (lambda f: (f / SHARD).write_bytes((f / SHARD).read_bytes()[:-9]), SHARD),
        (lambda f: (f / SHARD).write_text("version https://git-lfs.github.com/spec/v1"), SHARD),
        (lambda f: (f / "config.json").unlink(), "config.json"),
        (lambda f: (f / "config.json").write_text("{"), "config.json"),
        (lambda f: (f / "config.json").write_text("[]"), "config.json"),
        (lambda f: (f / "config.json").write_text('{"model_type": "llava"}'), "llava"),
        (lambda f: (f / "tokenizer_config.json").unlink(), "tokenizer_config.json"),
        (lambda f: damage_index(f, lambda m: m.update(gone=SHARD)), "gone"),
        (lambda f: damage_index(f, lambda m: m.update(up="../x.safetensors")), "../x"),
        (lambda f: damage_index(f, lambda m: m.update(up=3)), "no file of this folder"),
        (lambda f: damage_index(f, lambda m: m.clear()), "weight_map"),
    ],
)
def test_a_damaged_folder_is_refused(folder, damage, part):
    damage(folder)
    assert part in refused(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [("VTS_hidden_size", 2.5), ("VTS_token_ratio", 1.5), ("VTS_temp", 0), ("VTS_temp", "one"),
     ("VTS_new", 1), ("hidden_size", "wide"), ("num_attention_heads", 0), ("torch_dtype", "bf17")],
)  # fmt: skip
def test_a_wrong_setting_is_named(folder, key, value):
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, key: value}))
    line = refused(folder)
    assert "config.json" in line
    shown = {"VTS_token_ratio": "ratio", "num_attention_heads": "zero", "torch_dtype": "bf17"}
    assert shown.get(key, key) in line


def test_only_safetensors_is_read(folder):
    for file in folder.glob("model*"):
        file.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    assert "only safetensors" in refused(folder)


def test_an_existing_folder_is_left_alone(folder):
    (folder.parent / "out").mkdir()
    with pytest.raises(BadInput, match="exists"):
        import_released(folder, folder.parent / "out")


def test_a_stock_folder_needs_no_import(base):
    assert "needs no import" in refused(base)


@pytest.fixture
def adapter(base, tmp_path):
    """A released adapter folder over a stock base."""
    settings = StageSettings([], {"lora": 1e-4, "vts": 1e-4})
    model = get_peft_model(tiny(base).model, adapter_config(settings))
    return write_adapter(tmp_path / "adapter", model, "qwen2_5_vl", True)


@pytest.mark.parametrize(
    ("key", "value"),
    [("use_dora", True), ("use_rslora", True), ("rank_pattern", {"q": 4}), ("bias", "all"),
     ("peft_type", "IA3"), ("r", 0), ("r", 4), ("lora_alpha", None)],
)  # fmt: skip
def test_an_adapter_of_another_kind_is_refused(base, adapter, key, value):
    assert "--base" in refused(adapter)
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, key: value}))
    assert ("expected (4, 32)" if value == 4 else key) in refused(adapter, base=base)


def test_lora_on_what_is_no_matrix_is_refused(base, adapter):
    state = load_file(adapter / "adapter_model.safetensors")
    place = "base_model.model.model.norm.lora_{}.weight"
    state |= {place.format("A"): torch.ones(8, 32), place.format("B"): torch.ones(32, 8)}
    save_file(state, adapter / "adapter_model.safetensors")
    assert place.format("A") in refused(adapter, base=base)


def test_an_adapter_without_the_sampling_module_needs_a_released_base(base, adapter):
    state = load_file(adapter / "adapter_model.safetensors")
    state = {name: tensor for name, tensor in state.items() if "vts_module" not in name}
    save_file(state, adapter / "adapter_model.safetensors")
    assert "6 tensors do not fit" in refused(adapter, base=base)


def test_half_a_lora_pair_is_refused(base, adapter):
    state = load_file(adapter / "adapter_model.safetensors")
    lost = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
    state.pop(lost)
    save_file(state, adapter / "adapter_model.safetensors")
    assert lost.replace("lora_B", "lora_A") in refused(adapter, base=base)


def test_what_a_killed_import_left_is_cleared(folder):
    left = part_of(folder.parent / "out")
    left.mkdir()
    (left / "model.safetensors").write_text("half")
    (left / "junk").write_text("half")
    import_released(folder, folder.parent / "out")
    assert not left.exists()
    assert not (folder.parent / "out" / "junk").exists()


def test_an_interrupted_import_leaves_nothing(folder, monkeypatch):
    from groundvts.models import shards

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(shards, "save_file", stop)
    with pytest.raises(KeyboardInterrupt):
        import_released(folder, folder.parent / "out")
    assert [path.name for path in folder.parent.iterdir()] == ["r"]
