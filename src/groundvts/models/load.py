"""Load a model folder or hub id as GroundVTS: a stock backbone or one of the kit's own models."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers.utils import logging

from groundvts.errors import BadInput
from groundvts.models.folder import model_settings, reading
from groundvts.models.internvl import GroundVTSIntern, GroundVTSInternConfig
from groundvts.models.parts import tower
from groundvts.models.qwen import GroundVTSQwen, GroundVTSQwenConfig
from groundvts.models.shards import stored_tensors
from groundvts.models.vts_config import VTSConfig

if not torch.cuda.is_available():  # else deepspeed, where it is installed, warns that it guesses
    os.environ.setdefault("DS_ACCELERATOR", "cpu")

BACKBONES = {
    "qwen2_5_vl": (GroundVTSQwenConfig, GroundVTSQwen),
    "internvl": (GroundVTSInternConfig, GroundVTSIntern),
}


def load_model(model: str, vts: dict | None = None, dtype: str = "auto", seed: int = 0):
    """Loads the folder or hub id `model` in evaluation mode, on the GPU where there is one.

    A stock checkpoint gets a new sampling module with settings `vts` (None: no sampling), drawn
    from `seed`; a merged model brings its own, and `vts` changes settings of it such as the
    ratio. Weights that are missing or unexpected raise BadInput by name. Gives a transformers
    model: `generate` and `forward` as its backbone's, `config.vts` with the settings.

    >>> from groundvts import load_model
    >>> model = load_model("results/toy/merged/vts-0.25-s0", {"ratio": 0.5})
    """
    settings = model_settings(model, BACKBONES)
    kind = settings["model_type"]
    stock = kind.removeprefix("groundvts_")
    config_class, model_class = BACKBONES[stock]
    with reading(model, "config.json"):
        if kind == stock:
            config = config_class.from_stock(settings, vts)
        else:
            config = config_class.from_dict(settings)
            config.vts = {**config.vts, **vts} if vts and config.vts else config.vts
        asked = sum(one.numel() for one in meta_model(config).parameters())
    with reading(model), _quiet():  # what is missing is checked below, by name
        if Path(model).is_dir():
            held = sum(math.prod(one.shape) for one in stored_tensors(Path(model)))
            if asked > 2 * held:  # before memory is taken for them
                raise BadInput(
                    f"config.json asks for {asked:,} weights, of which {held:,} are there"
                )
        options = {"use_safetensors": True, "output_loading_info": True}
        options["ignore_mismatched_sizes"] = True
        loaded, info = model_class.from_pretrained(model, config=config, dtype=dtype, **options)
    missing = [k for k in info["missing_keys"] if kind != stock or not k.startswith("vts.")]
    wrong = [*missing, *info["unexpected_keys"], *(key[0] for key in info["mismatched_keys"])]
    if wrong:
        raise BadInput(f"{model}: weights missing, unexpected or misshapen: {', '.join(wrong[:5])}")
    if kind == stock and loaded.vts is not None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            loaded.vts.reset_parameters()
    return loaded.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def meta_model(config) -> torch.nn.Module:
    """The model of a configuration, without memory for its weights."""
    model_class = next(one for kind, one in BACKBONES.values() if kind is type(config))
    with torch.device("meta"):
        return model_class(config)


@contextmanager
def sampled_as(model, changes: dict) -> Iterator[None]:
    """Lets a loaded model sample by changed settings for as long as the block lasts.

    Its weights stay, so that what needs others (`post_mlp`, `hidden_size`) cannot be changed.
    Raises BadInput where it has no sampling module or a setting is none.
    """
    if not changes:
        yield
        return
    if model.vts is None:
        raise BadInput(f"{model.name_or_path}: has no sampling module: leave its sampler as it is")
    before = model.vts.config
    model.vts.config = VTSConfig.from_dict(before.to_dict() | changes)
    model.config.vts = model.vts.config.to_dict()
    try:
        yield
    finally:
        model.vts.config, model.config.vts = before, before.to_dict()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences transformers' own loading report and bar."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()


def tower_hash(model) -> str:
    """sha256 of the frozen vision tower's weights, rounded to bfloat16, without the projector."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tower(model).state_dict().items()):
        if not name.startswith("merger."):
            digest.update(name.encode())
            plain = tensor.detach().to("cpu", torch.bfloat16).contiguous()
            digest.update(plain.view(torch.uint8).numpy())
    return digest.hexdigest()
