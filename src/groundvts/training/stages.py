"""The three stages (paper, section 3.4): which parameters each trains, and how one follows another.

Every stage is a PEFT adapter on the unchanged base: LoRA on the language model and, saved whole,
the modules that train with it. A stage that trains the same parameters as the one before goes on
with its adapter; otherwise the earlier adapter is merged and a new one begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from peft.utils.constants import DUMMY_TARGET_MODULES

from groundvts.errors import BadInput
from groundvts.models.folder import reading
from groundvts.models.parts import PARTS, Parts, parts_of
from groundvts.models.shards import stored_tensors

DTYPES = ("auto", "bfloat16", "float32")
STAGES = ("warmup", "joint", "grounding")
LORA_TARGETS = r".*language_model\.layers\.\d+\.self_attn\.[qkvo]_proj"


@dataclass(frozen=True)
class StageSettings:
    """How one stage trains.

    learning_rate: one for each group that trains: `vts`, `projector`, `lora`.
    steps: optimiser steps, or None to train `epochs` over the data.
    batch_size: samples of one process at a time.
    global_batch: samples of an optimiser step, over all processes; gradients are added up to it.
    dtype: `bfloat16` or `float32`; `auto`: bfloat16 on a GPU.
    lora_vision: LoRA on InternVL's vision tower too, as the released training does; the tower
      then changes, and features of it that were computed before do not hold.
    """

    data: list[str]
    learning_rate: dict
    steps: int | None = None
    epochs: float = 1
    batch_size: int = 2
    global_batch: int = 64
    dtype: str = "auto"
    warmup: float = 0.1
    min_learning_rate: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float = 1.0
    lora_rank: int = 8
    lora_alpha: int = 16
    lora_dropout: float = 0.05
    lora_vision: bool = False
    checkpoint_steps: int = 100

    def __post_init__(self) -> None:
        unknown = set(self.learning_rate) - {"vts", "projector", "lora"}
        if unknown or not self.learning_rate:
            raise BadInput("learning_rate: name one for each group of vts, projector, lora")
        if self.dtype not in DTYPES:
            raise BadInput(f"dtype: {self.dtype!r}: choose one of {', '.join(DTYPES)}")

    @classmethod
    def from_dict(cls, settings: dict) -> StageSettings:
        """Reads settings, refusing unknown keys by name (BadInput)."""
        unknown = set(settings) - {f.name for f in fields(cls)}
        if unknown:
            raise BadInput(f"stage setting {sorted(unknown)[0]}: no such setting")
        return cls(**settings)


@dataclass(frozen=True)
class Trainable:
    """Names and number of the parameters that train, by group."""

    names: list[str] = field(default_factory=list)
    groups: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict:
        return {"total": sum(self.groups.values()), "groups": self.groups, "names": self.names}


def group_of(name: str) -> str:
    """The group a trainable parameter belongs to, by its name."""
    if "lora_" in name:
        return "lora"
    return "vts" if ".vts." in f".{name}" else "projector"


def adapter_config(settings: StageSettings, parts: Parts = PARTS["qwen2_5_vl"]) -> LoraConfig:
    """The PEFT configuration of a stage: LoRA where it trains, whole modules beside it.

    BadInput where LoRA on the vision tower is asked of a backbone that does not offer it.
    """
    modules = {"vts": "vts", "projector": parts.projector}
    targets = DUMMY_TARGET_MODULES
    if "lora" in settings.learning_rate:
        targets = LORA_TARGETS
        if settings.lora_vision:
            if parts.tower_attention is None:
                raise BadInput("lora_vision: offered for InternVL alone: leave it out")
            targets = f"{LORA_TARGETS}|{parts.tower_attention}"
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets,
        modules_to_save=[m for group, m in modules.items() if group in settings.learning_rate],
    )


def stage_model(model, settings: StageSettings, previous: Path | None) -> PeftModel:
    """Wraps `model` (the base with its sampling module) for a stage that follows `previous`."""
    config = adapter_config(settings, parts_of(model))
    if previous is not None:
        with reading(previous, "adapter_config.json"):
            earlier = PeftConfig.from_pretrained(previous)
        stored_tensors(previous, "adapter_model")
        _check_order(earlier, config)
        if earlier.modules_to_save == config.modules_to_save and (
            earlier.target_modules == config.target_modules
        ):
            return PeftModel.from_pretrained(model, previous, is_trainable=True)
        model = PeftModel.from_pretrained(model, previous).merge_and_unload()
    return get_peft_model(model, config)


def _check_order(earlier: PeftConfig, config: LoraConfig) -> None:
    """BadInput where the last adapter alone would not hold all that the stages trained."""
    lost = set(earlier.modules_to_save) - set(config.modules_to_save)
    if earlier.target_modules != DUMMY_TARGET_MODULES:
        same = ("target_modules", "r", "lora_alpha", "lora_dropout")
        changed = [key for key in same if getattr(earlier, key) != getattr(config, key)]
        lost |= {f"lora ({', '.join(changed)} changed)"} if changed else set()
    if lost:
        raise BadInput(
            f"stages: {', '.join(sorted(lost))}: trained by an earlier stage: train it in later "
            "stages too, with the same LoRA settings"
        )


def trainable_parameters(model) -> Trainable:
    """What of `model` trains, counted by group."""
    trainable = Trainable()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            trainable.names.append(name)
            group = group_of(name)
            trainable.groups[group] = trainable.groups.get(group, 0) + parameter.numel()
    return trainable
