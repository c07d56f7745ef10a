"""Merge a trained adapter into the base: an ordinary model folder, checked before it is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from peft import PeftModel

from groundvts.data.inputs import Encoder
from groundvts.errors import RunFailed
from groundvts.models.load import load_model

TOLERANCE = 1e-4


@torch.no_grad()
def merge(base: str, adapter: Path, vts: dict, batch: dict, manifest: dict, out: Path) -> dict:
    """Writes base + adapter to `out` and returns the check's figures.

    `batch` are model inputs on which the merged folder, loaded anew, must give the adapter's
    logits (within 1e-4 of their largest magnitude) and other logits than the untrained model;
    every module saved whole must have changed. Else RunFailed, and `out` is not written.
    `manifest` is what inference needs to know beside the weights; it becomes `groundvts.json`.
    """
    model = load_model(base, vts, dtype="float32")
    batch = {key: value.to(model.device) for key, value in batch.items()}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    untrained = model(**batch).logits
    model = PeftModel.from_pretrained(model, adapter).eval()
    expected = model(**batch).logits
    merged = model.merge_and_unload()
    after = merged.state_dict()
    changed = [name for name, tensor in after.items() if not torch.equal(tensor, before[name])]
    partial = out.with_name(out.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    merged.save_pretrained(partial)
    Encoder.copy_files(base, partial)
    (partial / "groundvts.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    found = load_model(str(partial), dtype="float32")(**batch).logits
    scale = expected.abs().max().item()
    check = {
        "tensors_changed": len(changed),
        "adapter_difference": (found - expected).abs().max().item() / scale,
        "base_difference": (found - untrained).abs().max().item() / scale,
    }
    if check["adapter_difference"] > TOLERANCE:
        raise RunFailed(f"{out}: merged logits differ from the adapter's: {check}")
    if check["base_difference"] <= TOLERANCE or not changed:
        raise RunFailed(f"{out}: merged model equals the base: {check}: was the adapter trained?")
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
    return check
