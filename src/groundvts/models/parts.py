"""What each backbone calls its parts: vision tower, projector, and what LoRA is put on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Parts:
    """Names of modules below a backbone's `model`, and of its vision tower's projections.

    `tower_attention` is a regular expression of the linear layers that LoRA on the tower adapts;
    None where that is not offered.
    """

    tower: str
    projector: str
    tower_attention: str | None = None


PARTS = {
    "qwen2_5_vl": Parts("visual", "visual.merger"),
    "internvl": Parts(
        "vision_tower",
        "multi_modal_projector",
        r".*vision_tower\.encoder\.layer\.\d+\.attention\.[qkv]_proj",
    ),
}


def parts_of(model) -> Parts:
    """The names that hold for `model`, one of ours."""
    return PARTS[model.config.model_type.removeprefix("groundvts_")]


def tower(model) -> nn.Module:
    """The vision tower of `model`; Qwen's holds the projector too."""
    return model.model.get_submodule(parts_of(model).tower)


def projector(model) -> nn.Module:
    """The projector from the tower to the language model's width."""
    return model.model.get_submodule(parts_of(model).projector)
