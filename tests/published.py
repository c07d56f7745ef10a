"""Folders in exactly the layout of the released checkpoints, at tiny size."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from pathlib import Path

import torch
from safetensors.torch import save_file

from groundvts.records import read_record
from groundvts.verbs import checkpoints

TYPES = {"qwen2_5_vl": "vts_qwen2_5_vl", "internvl": "vts_internvl_3"}
CLASSES = {"qwen2_5_vl": "VTS_Qwen2_5_VL", "internvl": "VTS_InternVL_3"}
SELECTOR = [("project_visual", "Wf"), ("project_query", "Wq")]
OLD = {
    "qwen2_5_vl": [
        (r"^vts\.", "vts_module."),
        (r"^model\.visual\.", "visual."),
        (r"^model\.language_model\.", "model."),
    ],
    "internvl": [
        (r"^vts\.", "model.vts_module."),
        (r"^lm_head\.", "language_model.lm_head."),
        (r"^model\.language_model\.", "language_model.model."),
        (r"^model\.(vision_tower|multi_modal_projector)\.", r"\1."),
    ],
}
NEW = {kind: rules[:1] for kind, rules in OLD.items()}


def import_released(folder: Path, out: Path, base: Path | None = None, limit: int = 10**9) -> dict:
    """Runs the verb; returns its record."""
    checkpoints.import_released(
        Namespace(folder=str(folder), out=str(out), base=base and str(base), shard_gb=limit / 1e9)
    )
    return read_record(out / "import.json")


def published_name(name: str, backbone: str, old: bool) -> str:
    """The released name of a tensor of ours."""
    for ours, theirs in SELECTOR:
        name = name.replace(f"vts.{ours}.", f"vts.{theirs}.")
    for pattern, replacement in (OLD if old else NEW)[backbone]:
        name, matched = re.subn(pattern, replacement, name)
        if matched:
            break
    return name


def published_config(model, backbone: str) -> dict:
    """The released config.json of a model of ours; flat for Qwen, as transformers 4.51 wrote it."""
    settings = model.config.to_dict()
    vts = settings.pop("vts")
    for key in ("architectures", "dtype", "transformers_version", "_name_or_path"):
        settings.pop(key, None)
    if backbone == "qwen2_5_vl":
        text = settings.pop("text_config")
        rope = text.pop("rope_parameters")
        for key in ("model_type", "dtype", "layer_types"):
            text.pop(key, None)
        settings = {**text, **settings}
        settings["rope_theta"] = rope["rope_theta"]
        settings["rope_scaling"] = {"type": "mrope", "mrope_section": rope["mrope_section"]}
    return {
        **settings,
        "architectures": [CLASSES[backbone]],
        "model_type": TYPES[backbone],
        "torch_dtype": str(model.dtype).removeprefix("torch."),
        "VTS_hidden_size": vts["hidden_size"],
        "VTS_token_ratio": vts["ratio"],
        "VTS_temp": vts["tau"],
    }


def published_state(model, backbone: str, old: bool) -> dict[str, torch.Tensor]:
    """The learned tensors of a model of ours under their released names."""
    learned = {name for name, _ in model.named_parameters()}
    return {
        published_name(name, backbone, old): tensor.clone()
        for name, tensor in model.state_dict().items()
        if name in learned or not name.startswith("vts.")
    }


def write_state(folder: Path, state: dict[str, torch.Tensor], files: int) -> None:
    """Writes tensors as one file, or dealt out to several with an index."""
    for old in folder.glob("model*.safetensors*"):
        old.unlink()
    if files == 1:
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        return
    names = [f"model-{n + 1:05d}-of-{files:05d}.safetensors" for n in range(files)]
    dealt = {key: names[place % files] for place, key in enumerate(state)}
    for name in names:
        held = {key: tensor for key, tensor in state.items() if dealt[key] == name}
        save_file(held, folder / name, {"format": "pt"})
    index = {"metadata": {"total_size": 0}, "weight_map": dealt}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def write_published(
    folder: Path, model, backbone: str, side: Path, old: bool = True, files: int = 1
) -> Path:
    """A released folder of merged weights, with the tokenizer and preprocessor files of `side`."""
    folder.mkdir(parents=True)
    copy_side_files(side, folder)
    (folder / "config.json").write_text(json.dumps(published_config(model, backbone)))
    write_state(folder, published_state(model, backbone, old), files)
    return folder


def copy_side_files(side: Path, folder: Path) -> None:
    """Everything beside configuration and weights."""
    for file in side.iterdir():
        if file.name != "config.json" and not file.name.startswith("model"):
            (folder / file.name).write_bytes(file.read_bytes())


def write_adapter(folder: Path, peft_model, backbone: str, old: bool) -> Path:
    """A released PEFT folder: LoRA, and the modules saved whole, under released names."""
    from peft import get_peft_model_state_dict

    folder.mkdir(parents=True)
    prefix = "base_model.model."
    state = {
        prefix + published_name(name.removeprefix(prefix), backbone, old): tensor.clone()
        for name, tensor in get_peft_model_state_dict(peft_model).items()
        if "centre_" not in name
    }
    save_file(state, folder / "adapter_model.safetensors")
    config = peft_model.peft_config["default"].to_dict()
    kept = ("r", "lora_alpha", "bias", "fan_in_fan_out", "use_dora", "use_rslora")
    settings = {key: config[key] for key in kept} | {"rank_pattern": {}, "alpha_pattern": {}}
    settings |= {"peft_type": "LORA", "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]}
    settings["modules_to_save"] = ["merger", "vts_module"]
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder
