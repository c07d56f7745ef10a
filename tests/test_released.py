"""Released checkpoints: imported bit by bit, in bounded memory, or refused by name."""

import json
import subprocess
import sys

import pytest
import torch
from peft import get_peft_model
from published import TYPES, import_released, published_state, write_adapter, write_published
from safetensors.torch import load_file, save_file
from tiny import Tiny, tiny, write_base, write_internvl

from groundvts.data.files import part_of
from groundvts.data.inputs import Encoder
from groundvts.models.load import load_model
from groundvts.models.parts import parts_of
from groundvts.training.stages import StageSettings, adapter_config

WRITERS = {"qwen2_5_vl": write_base, "internvl": write_internvl}
BACKBONES = sorted(TYPES)
SELECTOR = {"score_norm": "none", "query_scope": "all_text_no_answer", "ratio": 0.25,
            "tau": 0.7, "tau_weight": 0.7}  # fmt: skip


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """A stock folder of each backbone."""
    folder = tmp_path_factory.mktemp("bases")
    return {kind: WRITERS[kind](folder / kind) for kind in BACKBONES}


def model_on(base, seed=1):
    """A GroundVTS model with weights of its own in every tensor."""
    model = tiny(base, **SELECTOR).model
    torch.manual_seed(seed)
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.05)
    return model


def stage_adapter(model, rates):
    """The PEFT configuration of a stage that trains the groups `rates` names."""
    return adapter_config(StageSettings([], rates), parts_of(model))


def video_logits(model, folder):
    """Next-token logits after a prompt with a video."""
    asked = Tiny(model, Encoder(str(folder)))
    with torch.no_grad():
        return model(**asked.batch(asked.sample("red circle", 6, 3))).logits


def assert_same(folder, expected):
    """The folder's model holds the tensors of `expected` bit by bit and answers as it does."""
    loaded = load_model(str(folder))
    state = loaded.state_dict()
    assert state.keys() == expected.state_dict().keys()
    for name, tensor in expected.state_dict().items():
        assert torch.equal(state[name], tensor), name
    assert torch.equal(video_logits(loaded, folder), video_logits(expected, folder))


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_merged_weights_arrive_bit_by_bit(bases, tmp_path, backbone, old, files):
    model = model_on(bases[backbone])
    folder = write_published(tmp_path / "r", model, backbone, bases[backbone], old, files)
    record = import_released(folder, tmp_path / "out", limit=200_000)
    assert_same(tmp_path / "out", model)
    total = len(published_state(model, backbone, old))
    assert record["counts"]["tensors"] == total
    assert record["counts"]["dtypes"] == {"F32": total}
    assert record["counts"]["renamed"] == (total - (backbone == "qwen2_5_vl") if old else 6)
    shards = sorted((tmp_path / "out").glob("model-*.safetensors"))
    assert len(shards) > 1
    assert all(shard.stat().st_size < 220_000 for shard in shards)
    assert record["verb"] == "import-released"
    assert ("model.safetensors.index.json" in record["inputs"]) == (files > 1)
    assert len(record["read"]) == files
    assert not part_of(tmp_path / "out").exists()


@pytest.mark.parametrize("released_base", [True, False])
@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_an_adapter_is_merged_as_peft_merges_it(bases, tmp_path, backbone, old, released_base):
    stock = bases[backbone]
    model = tiny(stock, **SELECTOR | {"ratio": 0.5, "tau": 1.0, "tau_weight": 1.0}).model
    base = stock
    if released_base:
        base = write_published(tmp_path / "base", model, backbone, stock, old, 3)
    rates = {"vts": 1e-4, "projector": 1e-4, "lora": 1e-4}
    peft_model = get_peft_model(model, stage_adapter(model, rates))
    torch.manual_seed(2)
    for parameter in peft_model.parameters():
        if parameter.requires_grad:
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
    adapter = write_adapter(tmp_path / "adapter", peft_model, backbone, old)
    record = import_released(adapter, tmp_path / "out", base)
    assert_same(tmp_path / "out", peft_model.merge_and_unload().eval())
    assert record["counts"]["merged"] == 8  # q, k, v, o of two layers


def test_lora_on_the_vision_tower_is_merged(bases, tmp_path):
    model = model_on(bases["internvl"])
    base = write_published(tmp_path / "base", model, "internvl", bases["internvl"])
    settings = StageSettings(
        [], dict.fromkeys(["vts", "projector", "lora"], 1e-4), lora_vision=True
    )
    peft_model = get_peft_model(model, adapter_config(settings, parts_of(model)))
    for name, parameter in peft_model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    adapter = write_adapter(tmp_path / "adapter", peft_model, "internvl", False)
    record = import_released(adapter, tmp_path / "out", base)
    assert record["counts"]["merged"] == 8 + 6  # q, k, v of the tower's two layers
    assert_same(tmp_path / "out", peft_model.merge_and_unload().eval())


def test_tied_embeddings_are_stored_once(bases, tmp_path):
    model = model_on(bases["qwen2_5_vl"])
    folder = write_published(tmp_path / "r", model, "qwen2_5_vl", bases["qwen2_5_vl"])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    state = load_file(folder / "model.safetensors")
    state.pop("lm_head.weight")
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    import_released(folder, tmp_path / "out")
    assert "lm_head.weight" not in load_file(tmp_path / "out" / "model.safetensors")
    model.lm_head.weight = model.model.language_model.embed_tokens.weight
    assert_same(tmp_path / "out", model)


def test_bfloat16_stays_and_lora_is_added_in_float32(bases, tmp_path):
    model = tiny(bases["qwen2_5_vl"], **SELECTOR).model.to(torch.bfloat16)
    base = write_published(tmp_path / "base", model, "qwen2_5_vl", bases["qwen2_5_vl"])
    rates = {"lora": 1e-4}
    peft_model = get_peft_model(model, stage_adapter(model, rates))
    for name, parameter in peft_model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    adapter = write_adapter(tmp_path / "adapter", peft_model, "qwen2_5_vl", True)
    import_released(adapter, tmp_path / "out", base)
    lora = load_file(adapter / "adapter_model.safetensors")
    place = "layers.1.self_attn.v_proj"
    down, up = (lora[f"base_model.model.model.{place}.lora_{x}.weight"] for x in "AB")
    weight = load_file(base / "model.safetensors")[f"model.{place}.weight"]
    merged = load_file(tmp_path / "out" / "model.safetensors")
    expected = (weight.float() + 2 * (up.float() @ down.float())).bfloat16()
    assert torch.equal(merged[f"model.language_model.{place}.weight"], expected)
    assert load_model(str(tmp_path / "out")).dtype == torch.bfloat16


def test_config_fields_become_settings(bases, tmp_path):
    model = model_on(bases["qwen2_5_vl"])
    folder = write_published(tmp_path / "r", model, "qwen2_5_vl", bases["qwen2_5_vl"])
    import_released(folder, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["model_type"] == "groundvts_qwen2_5_vl"
    assert config["architectures"] == ["GroundVTSQwen"]
    assert not [key for key in config if key.startswith("VTS_")]
    expected = {"hidden_size": 16, "score_norm": "none", "start": "default", **SELECTOR}
    assert config["vts"] == config["vts"] | expected


PEAK = """
import sys, threading
from pathlib import Path
from groundvts.models.parts import parts_of
from groundvts.models.released import write_released

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(l for l in lines if l.startswith("RssAnon")).split()[1]) / 1024

peak, before, done = [0.0], anonymous(), threading.Event()

def watch():
    while not done.wait(0.005):
        peak[0] = max(peak[0], anonymous())

thread = threading.Thread(target=watch)
thread.start()
write_released(Path(sys.argv[1]), Path(sys.argv[2]), limit=int(sys.argv[3]))
done.set()
thread.join()
print(peak[0] - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_is_bounded_by_a_shard_and_a_tensor(bases, tmp_path):
    """A folder of 280 MB with a largest tensor of 26 MB, written in shards of 30 MB."""
    from groundvts.models.qwen import GroundVTSQwen

    config = load_model(str(bases["qwen2_5_vl"]), {"hidden_size": 16}).config
    config.text_config.vocab_size = 200_000
    config.text_config.intermediate_size = 200_000
    config.text_config.num_hidden_layers = 3
    config.text_config.layer_types = ["full_attention"] * 3
    with torch.device("meta"):
        model = GroundVTSQwen(config)
    model.to_empty(device="cpu")
    size = sum(p.numel() * 4 for p in model.parameters()) / 2**20
    folder = write_published(tmp_path / "r", model, "qwen2_5_vl", bases["qwen2_5_vl"], files=2)
    del model
    command = [sys.executable, "-c", PEAK, str(folder), str(tmp_path / "out"), "30000000"]
    peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert size > 250
    print(f"{peak:.0f} MB of {size:.0f}")
    assert peak < 30 + 26 + 40, f"{peak:.0f} MB of {size:.0f}"
