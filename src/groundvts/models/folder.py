"""A model's folder or hub id: its settings, and one line for whatever is broken in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers import PreTrainedConfig

from groundvts.errors import BadInput
from groundvts.models.shards import read_json
from groundvts.models.vts_config import VTSConfig

SETTINGS = ("config.json", "generation_config.json", "groundvts.json", "preprocessor_config.json",
            "tokenizer_config.json", "tokenizer.json")  # fmt: skip


def model_settings(model: str, known: Collection[str] = ()) -> dict:
    """A model's configuration as it stands in its file; BadInput where there is none.

    Also where its `model_type` is not among `known`, as it is or as ours, and where a file of
    settings beside it is not JSON.
    """
    with reading(model, "config.json"):
        for file in (Path(model) / name for name in SETTINGS):
            if file.exists():
                read_json(file)
        settings = PreTrainedConfig.get_config_dict(str(model))[0]
        if settings.get("vts") is not None:
            VTSConfig.from_dict(settings["vts"])
        if known and str(kind := settings["model_type"]).removeprefix("groundvts_") not in known:
            raise BadInput(f"{model}: model_type {kind!r} is not supported: use one of "
                           f"{', '.join(known)}")  # fmt: skip
    return settings


@contextmanager
def reading(model: str | Path, file: str = "") -> Iterator[None]:
    """Makes one line, a BadInput that names `file`, of what the block raises on a broken folder."""
    place = Path(model) / file
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split())[:250]
        told = isinstance(error, BadInput) and str(model) in said
        if told or isinstance(error, MemoryError) or "allocate memory" in said:
            raise
        if not Path(model).is_dir():
            raise BadInput(f"{model}: neither a folder nor a model that the hub gives ({said}): "
                           "check the name") from error  # fmt: skip
        if not place.exists():
            said = "no such file"
        elif isinstance(error, KeyError):
            said = f"lacks {said}"
        raise BadInput(f"{place}: {said}: make, merge or download it again") from error
