"""A model's folder or hub id: its settings, and one line for whatever is broken in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import safe_open
from transformers import PreTrainedConfig

from groundvts.errors import BadInput
from groundvts.models.vts_config import VTSConfig

AGAIN = "make, merge or download it again"
SETTINGS = ("config.json", "generation_config.json", "groundvts.json", "preprocessor_config.json",
            "tokenizer_config.json", "adapter_config.json")  # fmt: skip
LARGE = ("model.safetensors.index.json", "tokenizer.json")


def model_settings(model: str, known: Collection[str] = ()) -> dict:
    """A model's configuration as it stands in its file; BadInput where there is none.

    Also where its `model_type` is none of `known`, neither as it is nor as ours.
    """
    with reading(model, "config.json"):
        if fault := _fault(Path(model), SETTINGS):
            raise BadInput(f"{fault}: {AGAIN}")
        settings = PreTrainedConfig.get_config_dict(str(model))[0]
        kind = settings["model_type"]
        if known and str(kind).removeprefix("groundvts_") not in known:
            raise BadInput(f"{model}: model_type {kind!r} is not supported: use one of "
                           f"{', '.join(known)}")  # fmt: skip
        if settings.get("vts") is not None:
            VTSConfig.from_dict(settings["vts"])
    return settings


@contextmanager
def reading(model: str | Path, file: str = "") -> Iterator[None]:
    """Makes one line, a BadInput, of whatever libraries raise in the block on a broken folder.

    It names the file that is plainly damaged, else `file`, the one that is read.
    """
    try:
        yield
    except Exception as error:
        folder, said = Path(model), " ".join(str(error).split())[:250]
        if isinstance(error, MemoryError) or "allocate memory" in said:
            raise
        if isinstance(error, BadInput):
            if str(model) in said:
                raise
            raise BadInput(f"{folder / file}: {error}") from error
        if not folder.exists():
            raise BadInput(f"{model}: neither a folder nor a model that the hub gives: {said}: "
                           "check the name") from error  # fmt: skip
        if not (folder / file).exists():
            said = "there is no such file"
        elif isinstance(error, KeyError):
            said = f"lacks {said}"
        fault = _fault(folder, (*SETTINGS, *LARGE)) or f"{folder / file}: {said}"
        raise BadInput(f"{fault}: {AGAIN}") from error


def _fault(folder: Path, names: Collection[str]) -> str | None:
    """The first file of a folder that is damaged: of JSON files by `names`, or weights."""
    if folder.is_file():
        return f"{folder}: is a file, not a model's folder"
    for file in (folder / name for name in names if (folder / name).exists()):
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            return f"{file}: cannot be read as JSON: {error}"
        if not isinstance(found, dict):
            return f"{file}: holds no JSON object"
    for file in folder.glob("*.safetensors") if names[-1] in LARGE else ():
        try:
            with safe_open(file, "pt"):
                continue
        except Exception as error:  # safetensors' own is no OSError
            return f"{file}: {error}"
    return None
