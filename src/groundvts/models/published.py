"""The layout of the released checkpoints: its configuration and tensor names, read as ours."""

from __future__ import annotations

import re
from pathlib import Path

from groundvts.errors import BadInput
from groundvts.models.folder import reading
from groundvts.models.load import BACKBONES, meta_model
from groundvts.models.protocols import vts_settings
from groundvts.models.shards import read_json
from groundvts.models.vts_config import VTSConfig

STOCK = {"vts_qwen2_5_vl": "qwen2_5_vl", "vts_internvl_3": "internvl"}
DEFAULTS = {"VTS_hidden_size": 256, "VTS_token_ratio": 0.5, "VTS_temp": 1.0}
# What the released selector computes for one unpadded sample; dropped tokens are really dropped.
SOUND = {"query_scope": "all_text_no_answer", "drop": "real", "decode": "kept"}
SAMPLING = [
    (r"^(?:model\.)?vts_module\.Wf\.", "vts.project_visual."),
    (r"^(?:model\.)?vts_module\.Wq\.", "vts.project_query."),
    (r"^(?:model\.)?vts_module\.post_mlp\.", "vts.post_mlp."),
]
RENAMED = {
    "qwen2_5_vl": [
        *SAMPLING,
        (r"^visual\.", "model.visual."),
        (r"^model\.(embed_tokens|layers|norm)\.", r"model.language_model.\1."),
        (r"^(model\.visual|model\.language_model|lm_head)\.", r"\1."),
    ],
    "internvl": [
        *SAMPLING,
        (r"^language_model\.lm_head\.", "lm_head."),
        (r"^language_model\.(?:model\.)?", "model.language_model."),
        (r"^(vision_tower|multi_modal_projector)\.", r"model.\1."),
        (r"^(model\.(?:vision_tower|multi_modal_projector|language_model)|lm_head)\.", r"\1."),
    ],
}


def our_name(name: str, stock: str) -> str | None:
    """The name of a published tensor in our model on backbone `stock`; None where it has none."""
    for pattern, replacement in RENAMED[stock]:
        renamed, matched = re.subn(pattern, replacement, name, count=1)
        if matched:
            return renamed
    return None


def stock_type(folder: Path) -> tuple[str, bool]:
    """The backbone of a checkpoint folder, and whether it is a released GroundVTS one."""
    kind = read_json(folder / "config.json").get("model_type")
    if kind in STOCK:
        return STOCK[kind], True
    if kind in STOCK.values():
        return kind, False
    known = ", ".join((*STOCK, *STOCK.values()))
    raise BadInput(f"{folder / 'config.json'}: model_type {kind!r}: only {known} can be imported")


def our_config(folder: Path, hidden_size: int | None = None):
    """Our configuration for a checkpoint folder, released or stock.

    Of the sampling fields, those that are absent have the released class's defaults; a stock
    folder takes `hidden_size` for them.
    """
    file = folder / "config.json"
    settings = read_json(file)
    stock, _ = stock_type(folder)
    vts = _sampling_settings(file, settings, hidden_size)
    settings.pop("auto_map", None)
    config_class, model_class = BACKBONES[stock]
    with reading(folder, "config.json"):
        config = config_class.from_stock(settings, VTSConfig.from_dict(vts).to_dict())
    config.architectures = [model_class.__name__]
    return config


def _sampling_settings(file: Path, settings: dict, hidden_size: int | None) -> dict:
    """Takes the VTS_* fields out of `settings`, as settings of our sampling module."""
    given = {key: settings.pop(key, default) for key, default in DEFAULTS.items()}
    unknown = [key for key in settings if key.startswith("VTS_")]
    if unknown:
        raise BadInput(f"{file}: {unknown[0]}: no such setting of a released checkpoint is known")
    for key, value in given.items():
        whole = isinstance(value, int) or key != "VTS_hidden_size"
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (number and whole and 0 < value < float("inf")):
            raise BadInput(f"{file}: {key}: {value!r} is no number above 0; download it again")
    width, ratio, temperature = given.values()
    changes = {"hidden_size": hidden_size or width, "ratio": ratio}
    changes |= {"tau": temperature, "tau_weight": temperature}
    return vts_settings("official", SOUND, changes)


def expected_tensors(folder: Path, config) -> dict[str, tuple[tuple[int, ...], bool]]:
    """Name, shape and whether it is learned of every tensor of `config`'s model to save.

    They come from the model itself, built on the meta device. A tied tensor is not saved: the
    model makes it from its twin.
    """
    with reading(folder, "config.json"):
        model = meta_model(config)
    learned = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    tied = getattr(model, "all_tied_weights_keys", {})
    return {
        name: (tuple(tensor.shape), name in learned)
        for name, tensor in model.state_dict().items()
        if name not in tied
    }
