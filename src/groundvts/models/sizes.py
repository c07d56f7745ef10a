"""How large a model is: parameters by group, counted on the meta device, so without its weights."""

from __future__ import annotations

import re
from pathlib import Path

from torch import nn

from groundvts.models.folder import model_settings, reading
from groundvts.models.load import BACKBONES, meta_model
from groundvts.models.parts import parts_of
from groundvts.models.published import STOCK, our_config
from groundvts.models.vts_config import VTSConfig

NAMES = {"qwen": "qwen2_5_vl", "internvl": "internvl"}
SCORER_WIDTH = {"qwen2_5_vl": 512, "internvl": 128}
GROUPS = ("vision tower", "projector", "vts", "language model")
PUBLISHED = {
    "qwen2_5_vl": {  # Qwen2.5-VL-7B-Instruct
        "text_config": {
            "vocab_size": 152064,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [16, 24, 24],
            },
        },
        "vision_config": {
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
        },
        "tie_word_embeddings": False,
    },
    "internvl": {  # InternVL3.5-8B: InternViT-300M and Qwen3-8B
        "text_config": {
            "model_type": "qwen3",
            "vocab_size": 151936,
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "tie_word_embeddings": False,
        },
        "vision_config": {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "attention_bias": True,
            "image_size": [448, 448],
            "patch_size": [14, 14],
        },
        "tie_word_embeddings": False,
    },
}


def published_config(backbone: str):
    """Configuration of GroundVTS-Q (`qwen`) or GroundVTS-I (`internvl`) as published."""
    stock = NAMES[backbone]
    return BACKBONES[stock][0].from_stock(PUBLISHED[stock], _paper_settings(stock))


def read_config(model: str):
    """Configuration of a model folder or hub id: ours, stock (with the paper's VTS) or released."""
    settings = model_settings(model, (*BACKBONES, *STOCK))
    kind = settings["model_type"]
    with reading(model, "config.json"):
        if kind in STOCK:
            config = our_config(Path(model))
        elif kind in BACKBONES:
            config = BACKBONES[kind][0].from_stock(settings, _paper_settings(kind))
        else:
            config = BACKBONES[kind.removeprefix("groundvts_")][0].from_dict(settings)
        meta_model(config)
    return config


def _paper_settings(stock: str) -> dict:
    return VTSConfig(hidden_size=SCORER_WIDTH[stock]).to_dict()


def parameter_counts(model: nn.Module) -> dict[str, int]:
    """Parameters of each group, and `total`."""
    parts = parts_of(model)
    places = {"vts": "vts.", "projector": f"model.{parts.projector}.",
              "vision tower": f"model.{parts.tower}.", "language model": ""}  # fmt: skip
    counts = dict.fromkeys(GROUPS, 0)
    for name, parameter in model.named_parameters():
        group = next(key for key, place in places.items() if name.startswith(place))
        counts[group] += parameter.numel()
    return {**counts, "total": sum(counts.values())}


def lora_parameters(model: nn.Module, targets: str, rank: int) -> int:
    """Parameters of LoRA matrices A (r, in) and B (out, r) on linear layers that `targets` fits."""
    return sum(
        rank * (module.in_features + module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and re.fullmatch(targets, name)
    )


def trainable_counts(
    model: nn.Module, groups: list[str], targets: str, rank: int
) -> dict[str, int]:
    """What a stage trains: of `groups` (vts, projector, lora) each one's parameters, and `total`.

    `targets` is a pattern of the layers that LoRA is on.
    """
    whole = {**parameter_counts(model), "lora": lora_parameters(model, targets, rank)}
    counts = {group: whole[group] for group in groups}
    return {**counts, "total": sum(counts.values())}
