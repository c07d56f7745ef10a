"""What a stage has trained: whole on one process under every engine, written, and checked."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import load_file

from groundvts.errors import RunFailed

WHOLE = ".modules_to_save."  # in the names of what PEFT saves whole


def adapter_state(model) -> dict[str, torch.Tensor]:
    """Copies of what the adapter file holds, by the names it has there, on the CPU."""
    found = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().cpu().clone() for name, tensor in found.items()}


def save_adapter(model, folder: str | Path, first: bool) -> None:
    """Writes the adapter; what trains is in float32, gathered where ZeRO has shared it out.

    Every process calls it; the `first` one writes.
    """
    state = {name: tensor for name, tensor in model.named_buffers() if WHOLE in name}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            whole = _whole(parameter)
            if first:
                state[name] = whole.to("cpu", torch.float32)
    if first:
        model.save_pretrained(folder, state_dict=state, save_embedding_layers=False)


def _whole(parameter: torch.nn.Parameter) -> torch.Tensor:
    """The values of a parameter, DeepSpeed's own float32 copy where it keeps one."""
    if hasattr(parameter, "ds_id") or hasattr(parameter, "_hp_mapping"):
        from deepspeed.utils import safe_get_full_fp32_param

        return safe_get_full_fp32_param(parameter)
    return parameter.detach()


def check_adapter(
    folder: Path, start: dict[str, torch.Tensor], projects: bool, updates: int
) -> None:
    """RunFailed unless the adapter in `folder` holds all of `start`, whole and trained.

    Each tensor is there by its name and of its shape, is finite, and differs from its start. What
    gets no gradient need not differ: the sampling module's projections where they take no part
    (`projects` is false), and LoRA's matrices A before the second of the `updates`.
    """
    found = load_file(folder / "adapter_model.safetensors")
    for name, before in start.items():
        if name not in found:
            raise RunFailed(f"{folder}: {name} was trained but not saved: the adapter is no use")
        after = found[name]
        if after.shape != before.shape:
            shapes = f"{tuple(after.shape)}, not {tuple(before.shape)}"
            raise RunFailed(f"{folder}: {name} was saved with shape {shapes}: it is no use")
        if not after.isfinite().all():
            raise RunFailed(f"{folder}: {name} is not finite: lower the learning rate")
        idle = ".centre_" in name or (".vts.project_" in name and not projects)
        idle |= ".lora_A." in name and updates < 2
        if not idle and torch.equal(after.to(before.dtype), before):
            raise RunFailed(f"{folder}: {name} is as it was before training: did it train at all?")
