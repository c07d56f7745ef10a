"""Has the disk room, and do the versions fit."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from pathlib import Path

from groundvts.data.store import Store
from groundvts.preflight.models import GB, Known
from groundvts.runs import asked, runs
from groundvts.scales import DOWNLOADS, Checkpoint, base_checkpoint, released_checkpoint

NVIDIA = Path("/proc/driver/nvidia/version")
WHOLE = 2 * 4 * 3  # bytes of two checkpoints: float32 values with AdamW's two states


def disk_needs(
    config: dict, frames: dict[str, int], stages: list[dict], known: dict[str, Known], queries: int
) -> dict[str, tuple[str, int]]:
    """{what: (where, bytes that it will still take)}: frames, checkpoints, models, predictions."""
    shared = os.environ.get("SNAKEMAKE_OUTPUT_CACHE")
    cache = config["cache"]["folder"] or shared or "results/cache"
    results = f"results/{config['scale']}"
    there = Store(Path(cache) / "frames").bytes
    needs = {"frames": (cache, max(0, sum(frames.values()) - there))}
    main = [run for run in runs(config) if run.main]
    wanted = [
        (base_checkpoint(config, run.backbone, run.seed), known[run.backbone])
        for run in main
        if config["backbones"][run.backbone]["checkpoint"]
    ]
    for run in main:
        if run.released is not None:
            wanted.append((released_checkpoint(run.released), known[run.backbone]))
    loads = {
        checkpoint.path: 2 * one.parameters["total"]
        for checkpoint, one in wanted
        if isinstance(checkpoint, Checkpoint) and not Path(checkpoint.path).exists()
    }
    needs["downloaded models"] = (DOWNLOADS, sum(loads.values()))
    main = [run for run in main if run.model is None]
    made = [run for run in main if not Path(results, "merged", run.name).exists()]
    merged = sum(2 * known[run.backbone].parameters["total"] for run in made)
    needs["models of the runs"] = (results, merged)
    adapters = sum(4 * stage["trainable"] for stage in stages)
    largest = max((stage["trainable"] for stage in stages), default=0)
    needs["adapters and checkpoints"] = (results, adapters + WHOLE * largest)
    answers = queries * max((len(names) for names in asked(config).values()), default=0)
    needs["predictions"] = (results, 30_000 * answers)
    return needs


def look_at_disk(config: dict, needs: dict[str, tuple[str, int]]) -> tuple[dict, list[str]]:
    """What is needed and free on each file system, and what does not fit."""
    systems: dict[int, dict] = {}
    for what, (place, need) in needs.items():
        folder = _there(Path(place))
        entry = systems.setdefault(
            folder.stat().st_dev, {"free": shutil.disk_usage(folder).free, "needs": {}}
        )
        entry["needs"][what] = need
    wrong = [
        f"disk: about {sum(one['needs'].values()) / GB:.3g} GB are needed "
        f"({', '.join(f'{what} {need / GB:.3g}' for what, need in one['needs'].items() if need)}), "
        f"{one['free'] / GB:.3g} GB are free: make room, or link the folders elsewhere"
        for one in systems.values()
        if sum(one["needs"].values()) > one["free"]
    ]
    limit, frames = config["cache"]["limit_gb"], needs["frames"][1]
    if limit is not None and frames > limit * GB:
        wrong.append(f"cache.limit_gb: {limit:g}, but frames take about {frames / GB:.3g} GB")
    return {"file systems": list(systems.values())}, wrong


def _there(folder: Path) -> Path:
    """The folder, or the first above it that exists."""
    folder = folder.absolute()
    return folder if folder.exists() else _there(folder.parent)


def look_at_versions(config: dict) -> tuple[dict, list[str]]:
    """Versions of what runs, and what is not as the package requires."""
    import torch
    from packaging.requirements import Requirement

    launcher = config.get("launcher", {}).get("engine")
    optional = {"deepspeed": launcher == "deepspeed"}
    wrong, facts = [], {"cuda": torch.version.cuda}
    for text in importlib.metadata.requires("groundvts") or []:
        wanted = Requirement(text)
        extra = wanted.marker is not None and "extra" in str(wanted.marker)
        if extra and not optional.get(wanted.name, False):
            continue
        if wanted.marker is not None and not extra and not wanted.marker.evaluate():
            continue
        try:
            facts[wanted.name] = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"versions: {wanted.name} is not installed: pip install '{wanted.name}'")
            continue
        if not wanted.specifier.contains(facts[wanted.name], prereleases=True):
            spec = f"{wanted.name} {facts[wanted.name]}, {wanted.specifier} is required"
            wrong.append(f"versions: {spec}")
    if NVIDIA.exists() and torch.version.cuda is None:
        wrong.append(f"versions: torch {torch.__version__} is built without CUDA, but an NVIDIA "
                     "driver is there: install a build for CUDA")  # fmt: skip
    return facts, wrong
