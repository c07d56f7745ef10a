"""Sizes: the published totals from real configurations, and the memory formula against autograd."""

import json
from argparse import Namespace

import pytest
import torch

from groundvts.errors import BadInput
from groundvts.models.memory import Batch, activations, layer_bytes, memory_estimate
from groundvts.models.parts import PARTS, parts_of
from groundvts.models.sizes import (
    PUBLISHED,
    meta_model,
    parameter_counts,
    published_config,
    read_config,
    trainable_counts,
)
from groundvts.training.stages import (
    LORA_TARGETS,
    StageSettings,
    adapter_config,
    stage_model,
    trainable_parameters,
)
from groundvts.verbs import checkpoints

ALL = ["vts", "projector", "lora"]


@pytest.fixture(scope="module")
def models():
    """Both published models on the meta device."""
    return {name: meta_model(published_config(name)) for name in ("qwen", "internvl")}


@pytest.mark.parametrize(
    ("backbone", "vts", "projector", "total"),
    [
        ("qwen", 29_367_296, 44_574_464, 8_321_533_952),
        ("internvl", 34_611_200, 33_570_816, 8_562_929_664),
    ],
)
def test_published_parameter_counts(models, backbone, vts, projector, total):
    counts = parameter_counts(models[backbone])
    assert (counts["vts"], counts["projector"], counts["total"]) == (vts, projector, total)
    assert sum(counts.values()) == 2 * total
    assert all(parameter.is_meta for parameter in models[backbone].parameters())


@pytest.mark.parametrize(
    ("backbone", "vision", "trained"),
    [
        ("qwen", False, 78_988_032),
        ("internvl", False, 75_849_728),
        ("internvl", True, 77_029_376),
    ],
)
def test_published_trainable_counts(models, backbone, vision, trained):
    model = models[backbone]
    settings = StageSettings([], dict.fromkeys(ALL, 1e-4), lora_vision=vision)
    targets = adapter_config(settings, parts_of(model)).target_modules
    counts = trainable_counts(model, ALL, targets, 8)
    assert counts["total"] == trained
    warmup = trainable_counts(model, ["vts"], targets, 8)
    assert warmup["total"] == counts["vts"]


@pytest.mark.parametrize("backbone", ["qwen", "internvl"])
@pytest.mark.parametrize("rates", [{"vts": 1e-5}, dict.fromkeys(ALL, 1e-4)])
def test_counts_are_those_of_the_stages(rates, backbone):
    model = meta_model(published_config(backbone))
    counts = trainable_counts(model, list(rates), LORA_TARGETS, 8)
    before = parameter_counts(model)["total"]
    wrapped = stage_model(model, StageSettings([], rates), None)
    trained = trainable_parameters(wrapped).to_dict()
    assert sum(p.numel() for p in wrapped.parameters()) == before + counts["total"]
    assert trained["groups"] == {group: counts[group] for group in rates}
    assert trained["total"] == counts["total"]


def test_a_folder_is_read_as_it_stands(tmp_path):
    config = published_config("qwen")
    config.save_pretrained(tmp_path)
    assert parameter_counts(meta_model(read_config(str(tmp_path))))["total"] == 8_321_533_952


# Memory ----------------------------------------------------------------------------------------

TRAINABLE = {"vts": 600, "lora": 400, "total": 1000}


@pytest.mark.parametrize(
    ("dtype", "gpus", "zero", "expected"),
    [
        ("float32", 1, 0, (40_000, 4000, 8000)),
        ("float32", 4, 0, (40_000, 4000, 8000)),
        ("bfloat16", 4, 0, (20_000, 2000, 12_000)),
        ("bfloat16", 4, 2, (20_000, 500, 3000)),
        ("bfloat16", 4, 3, (5000, 500, 3000)),
    ],
)
def test_states_by_dtype_and_zero_stage(dtype, gpus, zero, expected):
    config = published_config("qwen")
    parts = memory_estimate(config, 9000, TRAINABLE, Batch(), dtype, gpus, zero)
    assert (parts["parameters"], parts["gradients"], parts["optimiser"]) == expected
    assert parts["total"] == sum(parts.values()) - parts["total"]


def small(backbone, layers, ratio=0.5):
    """A configuration of few, narrow layers."""
    config = published_config(backbone)
    text, vision = config.text_config, config.vision_config
    text.update({"hidden_size": 128, "intermediate_size": 344, "num_attention_heads": 4,
                 "num_key_value_heads": 2, "num_hidden_layers": layers, "vocab_size": 300,
                 "layer_types": ["full_attention"] * layers, "head_dim": 32})  # fmt: skip
    if backbone == "qwen":
        text.rope_parameters["mrope_section"] = [4, 6, 6]
        vision.update({"depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2,
                       "out_hidden_size": 128, "fullatt_block_indexes": [0]})  # fmt: skip
    else:
        vision.update({"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 32,
                       "num_attention_heads": 2})  # fmt: skip
    config.vts = {"hidden_size": 16, "ratio": ratio}
    return config


def saved_bytes(config, dtype, rates, checkpointing, batch=2, tokens=64):
    """Bytes a token that autograd keeps for the language model's backward pass."""
    from groundvts.models.load import BACKBONES

    model_class = next(one for kind, one in BACKBONES.values() if kind is type(config))
    model = stage_model(model_class(config).to(dtype), StageSettings([], rates), None).train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    owned = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = []
    embeds = torch.randn(batch, tokens, 128, dtype=dtype, requires_grad=True)
    positions = torch.arange(tokens).expand(batch, tokens)
    if config.model_type.endswith("vl") and "qwen" in config.model_type:
        positions = positions.expand(3, batch, tokens)

    def keep(tensor):
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.get_base_model().model.language_model(
            inputs_embeds=embeds,
            attention_mask=torch.ones(batch, tokens, dtype=torch.long),
            position_ids=positions,
            use_cache=False,
        )
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in kept}
    return sum(size for place, size in storages.items() if place not in owned) / batch / tokens


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("backbone", ["qwen", "internvl"])
def test_a_layer_keeps_what_the_formula_says(backbone, dtype, lora, checkpointing):
    """Dropout masks apart: of 4 bytes an element on a CPU, where this is measured, 1 on a GPU."""
    rates = dict.fromkeys(ALL if lora else ["vts"], 1e-4)
    two, four = (
        saved_bytes(small(backbone, layers), getattr(torch, dtype), rates, checkpointing)
        for layers in (2, 4)
    )
    text = small(backbone, 2).text_config
    if checkpointing:
        expected = (4 if dtype == "float32" else 2) * 128
    else:
        expected = layer_bytes(text, dtype, 8 if lora else 0) + (3 * 4 * 128 if lora else 0)
    assert (four - two) / 2 == pytest.approx(expected, rel=0.01)


def test_activations_follow_batch_tokens_and_ratio():
    config = small("qwen", 4)
    one = activations(config, Batch(1, 1000, 100), "bfloat16", False, 8)
    two = activations(config, Batch(2, 1000, 100), "bfloat16", False, 8)
    assert two == {part: 2 * size for part, size in one.items()}
    quarter = activations(small("qwen", 4, 0.25), Batch(1, 1000, 100), "bfloat16", False, 8)
    key = "language model activations"
    assert quarter[key] / one[key] == pytest.approx(350 / 600)
    assert activations(config, Batch(1, 1000, 100), "bfloat16", True, 8)[key] < one[key] / 2


def options(**given):
    """Options of the verb."""
    plain = {"model": None, "backbone": "qwen", "stage": "grounding", "dtype": "bfloat16",
             "gpus": 8, "zero": 2, "tokens": 1152, "batch": 2, "rank": 8, "lora_vision": False,
             "checkpointing": True, "out": None}  # fmt: skip
    return Namespace(**plain | given)


def test_the_verb_prints_and_writes(tmp_path, capsys):
    out = tmp_path / "sizes.json"
    checkpoints.sizes(options(backbone="internvl", lora_vision=True, out=str(out)))
    printed = capsys.readouterr().out
    assert "8,562,929,664" in printed
    assert "77,029,376" in printed
    record = json.loads(out.read_text())
    assert record["memory"]["total"] == sum(record["memory"].values()) / 2
    assert record["settings"]["zero"] == 2


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"backbone": None}, "--backbone"),
        ({"model": "x"}, "--backbone"),
        ({"model": "./nowhere", "backbone": None}, "nowhere"),
        ({"lora_vision": True}, "lora_vision"),
    ],
)
def test_wrong_options_are_refused(given, named):
    with pytest.raises(BadInput, match=named):
        checkpoints.sizes(options(**given))


def test_every_published_backbone_is_counted():
    assert set(PUBLISHED) == set(PARTS)
