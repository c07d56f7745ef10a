"""Merge a trained adapter into the base: an ordinary model folder, checked before it is kept.

Notable: everything is compared in float32; the folder is then written in the base's dtype, loaded
again and compared once more.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from peft import PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.utils import ModulesToSaveWrapper

from groundvts.data.inputs import Encoder
from groundvts.errors import BadInput, RunFailed
from groundvts.models.folder import reading
from groundvts.models.load import load_model
from groundvts.models.shards import stored_tensors

LAST = 64  # positions of a prompt that are compared
TOLERANCE = 1e-4  # of the largest logit, all in float32
ROUNDED = {torch.float16: 1e-2, torch.bfloat16: 5e-2}  # after rounding the weights
WEIGHTS = "adapter_model.safetensors"


@torch.no_grad()
def merge(
    base: str,
    adapter: Path | None,
    vts: dict,
    batch: dict,
    manifest: dict,
    out: Path,
    seed: int = 0,
) -> dict:
    """Writes base + adapter to the folder `out` and returns the check's figures.

    Without an adapter that is the base with its sampling module as it starts.

    On the last 64 positions of the model inputs `batch`, in float32, the merged model must give
    the adapter's logits (within 1e-4 of their largest magnitude) and others than the untrained
    model, whose sampling module is drawn from `seed`. Each module that the adapter saves whole and
    each LoRA target must have changed in what is written, in the base's dtype; the folder is loaded
    again and must give the adapter's next-token logits within 1e-4 (float32), 1e-2 (float16) or
    5e-2 (bfloat16). Else RunFailed, by name; BadInput where the adapter's file lacks a module or
    does not fit. `manifest` is what inference needs to know beside the weights; it becomes
    `groundvts.json`.
    """
    model = load_model(base, vts, seed=seed)
    dtype = model.dtype
    batch = {key: value.to(model.device) for key, value in batch.items()}
    if adapter is None:
        expected_BLV = _last_logits(model.float(), batch)
        check = {"dtype": str(dtype).removeprefix("torch."), "modules": {}}
        _write(model.to(dtype), base, manifest, out)
        scale = expected_BLV.abs().max().item()
        return check | _loaded_again(out, batch, expected_BLV, dtype, scale)
    untrained_BLV = _last_logits(model.float(), batch)
    wrapped, names, start = _wrapped(model, adapter)
    expected_BLV = _last_logits(wrapped, batch)
    merged = wrapped.merge_and_unload()
    found_BLV = _last_logits(merged, batch)
    scale = expected_BLV.abs().max().item()
    check = {
        "dtype": str(dtype).removeprefix("torch."),
        "adapter_difference": (found_BLV - expected_BLV).abs().max().item() / scale,
        "base_difference": (found_BLV - untrained_BLV).abs().max().item() / scale,
    }
    if not check["adapter_difference"] <= TOLERANCE:  # so that NaN fails
        raise RunFailed(f"{adapter}: merged logits differ from the adapter's: {check}")
    check |= _changed(merged.to(dtype), start, names)
    if check["base_difference"] <= TOLERANCE or not check["tensors_changed"]:
        raise RunFailed(f"{adapter}: merged model equals the base: was the adapter trained?")
    _refuse_unchanged(merged, check["modules"], adapter)
    _write(merged, base, manifest, out)
    del model, wrapped, merged, start  # memory for the one that is loaded again
    return check | _loaded_again(out, batch, expected_BLV, dtype, scale)


def _last_logits(model, batch: dict) -> torch.Tensor:
    """Logits (B, L, V) of the last positions: those of all take 11 GB for 8 prompts of InternVL."""
    return model(**batch, logits_to_keep=LAST, use_cache=False).logits


def _wrapped(model, adapter: Path) -> tuple[PeftModel, dict[str, list[str]], dict]:
    """The model with its adapter, what that trains (see `_trained`), and how it was, on the CPU."""
    state = model.state_dict()
    wrapped = _with_adapter(model, adapter)
    names = _trained(wrapped, state)
    every = {name for group in names.values() for name in group}
    return wrapped, names, {name: state[name].to("cpu", copy=True) for name in every}


def _with_adapter(model, adapter: Path) -> PeftModel:
    """`model` with the adapter's weights; BadInput names tensors that are absent or misshapen."""
    with reading(adapter, "adapter_config.json"):
        wrapped = get_peft_model(model, PeftConfig.from_pretrained(adapter))
    found = {one.name: one.shape for one in stored_tensors(adapter, "adapter_model")}
    asked = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    shapes = {name: tuple(tensor.shape) for name, tensor in asked.items()}
    wrong = sorted(n for n in {*shapes, *found} if shapes.get(n) != found.get(n))
    if wrong:
        listed = ", ".join(f"{n} {found.get(n, 'absent')}" for n in wrong[:3])
        raise BadInput(
            f"{adapter / WEIGHTS}: {len(wrong)} tensors absent, unknown or of another shape than "
            f"the base asks for: {listed}: train the stage again"
        )
    wrapped.load_adapter(str(adapter), "default")
    return wrapped.eval()


def _trained(wrapped: PeftModel, state: dict) -> dict[str, list[str]]:
    """Names of what the adapter trains: of the base's tensors, by module saved whole or target."""
    parts = wrapped.base_model.model.named_modules()
    whole = [name for name, module in parts if isinstance(module, ModulesToSaveWrapper)]
    found = {name: [key for key in state if key.startswith(f"{name}.")] for name in whole}
    return found | {name: [f"{name}.weight"] for name in wrapped.targeted_module_names}


def _changed(merged, start: dict, names: dict[str, list[str]]) -> dict:
    """How many tensors of each module differ from `start`, both in the merged model's dtype."""
    state = merged.state_dict()
    differs = {n for n, before in start.items() if not torch.equal(state[n], before.to(state[n]))}
    return {
        "tensors_changed": len(differs),
        "modules": {module: len(differs & set(keys)) for module, keys in names.items()},
        "unchanged": sorted(set(start) - differs),
    }


def _refuse_unchanged(merged, changes: dict[str, int], adapter: Path) -> None:
    """RunFailed where a module that the adapter trains is as it was."""
    idle = [module for module, count in changes.items() if not count]
    if merged.vts is not None and not merged.vts.learns:
        idle = [module for module in idle if module != "vts"]
    if idle:
        more = f" and {len(idle) - 3} more" if len(idle) > 3 else ""
        raise RunFailed(
            f"{adapter}: training has not changed {', '.join(idle[:3])}{more}: train it again"
        )


def _write(merged, base: str, manifest: dict, out: Path) -> None:
    """Writes the model and, beside it, the base's tokenizer and preprocessor and the manifest."""
    merged.save_pretrained(out)
    Encoder.copy_files(base, out)
    (out / "groundvts.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _loaded_again(
    out: Path, batch: dict, expected_BLV: torch.Tensor, dtype: torch.dtype, scale: float
) -> dict:
    """The saved folder's next-token logits beside the adapter's, computed in float32."""
    found_BLV = _last_logits(load_model(str(out), dtype="float32"), batch)
    check = {
        "saved_difference": (found_BLV - expected_BLV)[:, -1].abs().max().item() / scale,
        "saved_tolerance": ROUNDED.get(dtype, TOLERANCE),
    }
    if not check["saved_difference"] <= check["saved_tolerance"]:
        raise RunFailed(f"{out}: the folder loaded again differs from the adapter: {check}")
    return check
