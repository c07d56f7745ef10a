"""Verbs about checkpoints: import a released one, and tell how large a model is."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from groundvts import records
from groundvts.data.files import whole_folder
from groundvts.errors import BadInput
from groundvts.escape import say


def import_released(options: Namespace) -> None:
    """Turns a released checkpoint, merged or an adapter, into an ordinary model folder."""
    from groundvts.models.released import write_released

    out, base = Path(options.out), Path(options.base) if options.base else None
    if out.exists():
        raise BadInput(f"{out}: exists; name another --out or remove it")
    folders = {"": Path(options.folder)} | ({"base ": base} if base else {})
    inputs = {
        f"{place}{name}": folder / name
        for place, folder in folders.items()
        for name in ("config.json", "adapter_config.json", "model.safetensors.index.json")
        if (folder / name).exists()
    }
    settings = {"folder": options.folder, "base": options.base, "shard_gb": options.shard_gb}
    with whole_folder(out, "import.json") as partial:
        with records.recording("import-released", settings, inputs) as record:
            limit = int(options.shard_gb * 1e9)
            record |= write_released(Path(options.folder), partial, base, limit)
        records.write_json(partial / "import.json", record, {"model": partial})
    counts = record["counts"]
    kinds = ", ".join(f"{n} {kind}" for kind, n in counts["dtypes"].items())
    say(
        f"{out}: {counts['tensors']} tensors ({kinds}), {counts['renamed']} renamed, "
        f"{counts['merged']} merged with LoRA"
    )


def sizes(options: Namespace) -> None:
    """Counts a model's parameters without its weights, and estimates a stage's memory."""
    from groundvts.models.sizes import published_config, read_config

    if bool(options.model) == bool(options.backbone):
        raise BadInput("sizes: name a model folder, or a published model with --backbone")
    config = read_config(options.model) if options.model else published_config(options.backbone)
    tables = _tables(config, options)
    units = {"parameters": "", "trainable": f" in stage {options.stage}"}
    units["memory"] = f", bytes on each of {options.gpus} GPUs"
    for title, table in tables.items():
        say(title + units[title])
        for part, count in table.items():
            say(f"  {part:<28}{count:>18,}")
    if options.out:
        shown = {
            key: value
            for key, value in vars(options).items()
            if key not in ("verb", "debug", "inputs")
        }
        with records.recording("sizes", shown, {}) as record:
            record |= tables
        records.write_json(options.out, record)


def _tables(config, options: Namespace) -> dict[str, dict[str, int]]:
    """Parameters, what of them the stage trains, and its memory."""
    from groundvts.models.memory import Batch, memory_estimate
    from groundvts.models.parts import parts_of
    from groundvts.models.sizes import meta_model, parameter_counts, trainable_counts
    from groundvts.training.stages import StageSettings, adapter_config

    model = meta_model(config)
    groups = ["vts"] if options.stage == "warmup" else ["vts", "projector", "lora"]
    settings = StageSettings(
        [],
        dict.fromkeys(groups, 1.0),
        lora_rank=options.rank,
        lora_vision=options.lora_vision,
    )
    targets = adapter_config(settings, parts_of(model)).target_modules
    counts = parameter_counts(model)
    trainable = trainable_counts(model, groups, targets, options.rank)
    memory = memory_estimate(
        config,
        counts["total"],
        trainable,
        Batch(options.batch, options.tokens),
        options.dtype,
        options.gpus,
        options.zero,
        options.checkpointing,
        options.rank,
    )
    return {"parameters": counts, "trainable": trainable, "memory": memory}
