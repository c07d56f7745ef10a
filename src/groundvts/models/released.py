"""Released checkpoints to model folders of ours: every tensor checked, none of it held for long.

The published layout (see `published.py`) holds merged weights, or a PEFT adapter over a base.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from groundvts.errors import BadInput
from groundvts.models.published import expected_tensors, our_config, our_name, stock_type
from groundvts.models.shards import Planned, Stored, read_json, stored_tensors, write_shards

FLOATS = {"F16": 2, "BF16": 2, "F32": 4}
SHARD_BYTES = 5_000_000_000
SIDE_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json",
              "merges.txt", "added_tokens.json", "special_tokens_map.json", "chat_template.json",
              "chat_template.jinja", "preprocessor_config.json", "video_preprocessor_config.json",
              "processor_config.json", "generation_config.json")  # fmt: skip
NEEDED_FILES = ("tokenizer_config.json", "preprocessor_config.json")
ADAPTER, ADAPTER_CONFIG = "base_model.model.", "adapter_config.json"
UNMERGED = ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "fan_in_fan_out",
            "lora_bias", "layer_replication")  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What one tensor of ours is made of: a stored tensor, with a LoRA pair or alone."""

    whole: Stored | None = None
    down: Stored | None = None  # A, (r, in)
    up: Stored | None = None  # B, (out, r)
    scale: float = 0.0

    def make(self) -> torch.Tensor:
        """W, or W + scale * B A computed in float32; of W's dtype."""
        weight = self.whole.read()
        if self.down is None:
            return weight
        delta = (self.up.read().float() @ self.down.read().float()) * self.scale
        return delta.add_(weight).to(weight.dtype)


def write_released(
    folder: Path, out: Path, base: Path | None = None, limit: int = SHARD_BYTES
) -> dict:
    """Writes the released checkpoint in `folder` as a model folder `out`; returns what it did.

    A folder with an adapter is merged into `base`, W + alpha/r * B A, tensor by tensor; `base`
    also lends tokenizer and preprocessor files that `folder` lacks. At most one output shard of
    `limit` bytes and one more tensor are in memory. Raises BadInput,
    naming the first five tensors, where one is unknown, missing, twice there, misshapen or no
    float.
    """
    adapted = (folder / ADAPTER_CONFIG).exists()
    if adapted and base is None:
        raise BadInput(f"{folder}: an adapter: name its base checkpoint with --base")
    parts, config, expected, sizes = _checked(folder, base, adapted)
    files = _side_files([folder, base] if base else [folder])
    written = _write(out, parts, config, expected, files, limit)
    return {"counts": _counts(parts), "read": sizes, "files": written}


def _checked(folder: Path, base: Path | None, adapted: bool):
    """Parts of every tensor, configuration, expected shapes and the sizes of the files read."""
    weights = base if adapted else folder
    stock, released = stock_type(weights)
    if not (adapted or released):
        raise BadInput(f"{folder}: a stock {stock} checkpoint: it needs no import")
    problems: list[str] = []
    stored = stored_tensors(weights)
    parts = _named(stored, stock, "", problems)
    config, rank = our_config(weights), 0
    if adapted:
        rank, scale = _adapter_scale(folder / ADAPTER_CONFIG)
        extra = stored_tensors(folder, "adapter_model")
        learned = _named(extra, stock, ADAPTER, problems)
        scorer = learned.get("vts.project_visual.weight")
        if not released and scorer and scorer.whole:
            config = our_config(weights, scorer.whole.shape[0])
        stored = [*stored, *extra]
        for name, part in learned.items():
            if part.whole is None:
                part = replace(part, whole=parts.get(name, Part()).whole, scale=scale)
            parts[name] = part
    expected = expected_tensors(weights, config)
    problems += _misfits(parts, expected, rank)
    if problems:
        shown = "; ".join(problems[:5])
        raise BadInput(f"{folder}: {len(problems)} tensors do not fit the model: {shown}")
    sizes = {str(file): file.stat().st_size for file in sorted({one.file for one in stored})}
    return parts, config, expected, sizes


def _named(stored: list[Stored], stock: str, prefix: str, problems: list[str]) -> dict[str, Part]:
    """Parts by our name; what has no name, or one that is taken, goes to `problems`."""
    parts: dict[str, Part] = {}
    for one in stored:
        stem, kind = one.name, "whole"
        for ending, pair in ((".lora_A.weight", "down"), (".lora_B.weight", "up")):
            if prefix and one.name.endswith(ending):
                stem, kind = one.name.removesuffix(ending) + ".weight", pair
        ours = our_name(stem.removeprefix(prefix), stock) if stem.startswith(prefix) else None
        if ours is None:
            problems.append(f"{one.name} in {one.file.name}: unknown to the published layout")
            continue
        earlier = parts.get(ours, Part())
        taken = getattr(earlier, kind) or (earlier.whole if kind != "whole" else earlier.down)
        if taken:
            problems.append(
                f"{one.name} in {one.file.name}: a second {ours}, "
                f"beside {taken.name} in {taken.file.name}"
            )
        parts[ours] = replace(earlier, **{kind: one})
    return parts


def _misfits(parts: dict[str, Part], expected: dict, rank: int) -> list[str]:
    """One line for every tensor whose name, shape or dtype is not the model's."""
    found = []
    for name, part in parts.items():
        shape, _ = expected.get(name, (None, None))
        wanted = [(part.whole, shape)]
        if part.down or part.up:
            matrix = shape is not None and len(shape) == 2
            low, high = ((rank, shape[1]), (shape[0], rank)) if matrix else (None, None)
            wanted += [(part.down, low), (part.up, high)]
        for one, right in wanted:
            if one is None:
                there = part.down or part.up
                lacks = "its base, lora_A and lora_B are all needed"
                found.append(f"{there.name} in {there.file.name}: alone: {lacks}")
            elif right is None:
                found.append(f"{one.name} in {one.file.name}: unknown, no {name} takes it")
            elif one.shape != right:
                found.append(f"{one.name} in {one.file.name}: shape {one.shape}, expected {right}")
            elif one.dtype not in FLOATS:
                found.append(f"{one.name} in {one.file.name}: {one.dtype}, expected a float dtype")
    for name, (shape, learned) in expected.items():
        if learned and name not in parts:
            found.append(f"{name}: missing, expected {shape}")
    return found


def _adapter_scale(file: Path) -> tuple[int, float]:
    """r and alpha / r of a plain LoRA adapter; BadInput where it is of another kind."""
    config = read_json(file)
    if config.get("peft_type") != "LORA":
        raise BadInput(f"{file}: peft_type {config.get('peft_type')!r}: only LORA can be merged")
    changed = [key for key in UNMERGED if config.get(key)]
    if config.get("bias", "none") != "none":
        changed.append("bias")
    if changed:
        raise BadInput(f"{file}: {changed[0]}: not merged here; merge it with peft first")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not (isinstance(rank, int) and isinstance(alpha, (int, float)) and rank > 0):
        raise BadInput(f"{file}: r {rank!r} and lora_alpha {alpha!r}: two numbers are needed")
    return rank, alpha / rank


def _side_files(folders: list[Path]) -> list[Path]:
    """Tokenizer, preprocessor, chat template and generation settings, each from the first folder
    that has it; never weights."""
    files = []
    for name in SIDE_FILES:
        found = [folder / name for folder in folders if (folder / name).is_file()]
        if name in NEEDED_FILES and not found:
            raise BadInput(f"{folders[0]}: no {name}; add it, or name the base with --base")
        files += found[:1]
    return files


def _counts(parts: dict[str, Part]) -> dict:
    """How many tensors were renamed and merged, and of which dtype they are."""
    wholes = {name: part.whole for name, part in parts.items()}
    return {
        "tensors": len(parts),
        "renamed": sum(name != one.name.removeprefix(ADAPTER) for name, one in wholes.items()),
        "merged": sum(part.down is not None for part in parts.values()),
        "dtypes": dict(Counter(one.dtype for one in wholes.values())),
    }


def _write(out: Path, parts: dict[str, Part], config, expected: dict, files, limit: int) -> list:
    """Writes the folder; buffers of the sampling module that no release has start at zero."""
    out.mkdir(parents=True, exist_ok=True)
    planned = []
    for name, (shape, _) in expected.items():
        size = torch.Size(shape).numel()
        if name in parts:
            part = parts[name]
            planned.append(Planned(name, size * FLOATS[part.whole.dtype], part.make))
        else:
            planned.append(Planned(name, size * 4, lambda shape=shape: torch.zeros(shape)))
    names = write_shards(out, planned, limit)
    config.save_pretrained(out)
    for file in files:
        shutil.copyfile(file, out / file.name)
        names.append(file.name)
    return names
