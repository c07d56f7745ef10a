"""Tensors in safetensors files: listed without being read, and written shard by shard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from groundvts.errors import BadInput

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True)
class Stored:
    """One tensor of a safetensors file; `dtype` as the format spells it (F32, BF16, ...)."""

    name: str
    file: Path
    shape: tuple[int, ...]
    dtype: str

    def read(self) -> torch.Tensor:
        """The tensor, in memory of its own: nothing of the file stays mapped."""
        with safe_open(self.file, "pt", backend="pread") as file:
            return file.get_tensor(self.name)


@dataclass(frozen=True)
class Planned:
    """One tensor to write: its name, its size in bytes and what makes it when its turn comes."""

    name: str
    size: int
    make: Callable[[], torch.Tensor]


def read_json(file: Path) -> dict:
    """A JSON object; BadInput with one line where there is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror or error}; complete the folder") from None
    except ValueError as error:
        raise BadInput(f"{file}: not valid JSON ({error}); download it again") from None
    if not isinstance(found, dict):
        raise BadInput(f"{file}: not a JSON object; download it again")
    return found


def stored_tensors(folder: Path, stem: str = "model") -> list[Stored]:
    """Every tensor of STEM.safetensors, or of the shards that STEM's index names.

    Raises BadInput where a file is absent, unreadable or lacks what the index promises, and where
    weights are pickled: those can run code.
    """
    index = folder / f"{stem}.safetensors.index.json"
    single = folder / f"{stem}.safetensors"
    if single.exists():  # as transformers reads them: then no index counts
        return _listed(single)
    if not index.exists():
        raise BadInput(_no_weights(folder, single.name))
    promised = read_json(index).get("weight_map")
    if not isinstance(promised, dict) or not promised:
        raise BadInput(f"{index}: lacks weight_map; download it again")
    for name, shard in promised.items():
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise BadInput(f"{index}: {name}: {shard!r} is no file of this folder")
    found = [one for shard in sorted(set(promised.values())) for one in _listed(folder / shard)]
    held = {(one.name, one.file.name) for one in found}
    for name, shard in promised.items():
        if (name, shard) not in held:
            raise BadInput(f"{index}: {name} is not in {shard}; download both again")
    return found


def _no_weights(folder: Path, expected: str) -> str:
    pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
    if pickled:
        return f"{folder}: {pickled[0]}: only safetensors is read; save the weights as such"
    return f"{folder}: no {expected} and no index of it; complete the folder"


def _listed(file: Path) -> list[Stored]:
    try:
        with safe_open(file, "pt", backend="pread") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
            return [
                Stored(name, file, tuple(one.get_shape()), one.get_dtype())
                for name, one in slices.items()
            ]
    except FileNotFoundError:
        raise BadInput(f"{file}: no such shard; complete the folder") from None
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{file}: no safetensors file ({error}); download it again") from None


def write_shards(folder: Path, planned: Iterable[Planned], limit: int) -> list[str]:
    """Writes the tensors as model*.safetensors of at most `limit` bytes each, with an index.

    No more than one shard is in memory; a tensor larger than `limit` gets a shard of its own.
    Returns the names of the files.
    """
    shards = _divided(planned, limit)
    count = len(shards)
    names = [f"model-{n:05d}-of-{count:05d}.safetensors" for n in range(1, count + 1)]
    names = names if count > 1 else ["model.safetensors"]
    for name, shard in zip(names, shards, strict=True):
        tensors = {one.name: one.make().contiguous() for one in shard}
        save_file(tensors, folder / name, {"format": "pt"})
        del tensors
    if count > 1:
        pairs = zip(names, shards, strict=True)
        index = {
            "metadata": {"total_size": sum(one.size for shard in shards for one in shard)},
            "weight_map": {one.name: name for name, shard in pairs for one in shard},
        }
        file = folder / "model.safetensors.index.json"
        file.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return names


def _divided(planned: Iterable[Planned], limit: int) -> list[list[Planned]]:
    """The tensors in order, cut before the one that would pass `limit` bytes."""
    shards: list[list[Planned]] = [[]]
    held = 0
    for one in planned:
        if shards[-1] and held + one.size > limit:
            shards.append([])
            held = 0
        shards[-1].append(one)
        held += one.size
    return shards
