"""What the main job of a configuration reads and makes, without looking at any file."""

from __future__ import annotations

from groundvts.runs import asked, runs, stage_settings


def places_read(config: dict) -> dict[str, list[str]]:
    """{backbone: every `benchmark/split` whose videos it reads}: to be asked, trained or probed."""
    models = [run for run in runs(config) if run.main]
    backbones = {run.name: run.backbone for run in models}
    places: dict[str, dict[str, None]] = {}
    for benchmark, names in asked(config).items():
        for name in names:
            if name in backbones:
                test = f"{benchmark}/{config['benchmarks'][benchmark]['test']}"
                places.setdefault(backbones[name], {})[test] = None
    for run in models:
        if run.trains:
            read = places.setdefault(run.backbone, {})
            read[config["probe"]] = None
            for stage in run.stages:
                names = stage_settings(config, run, stage)["data"]
                read |= {f"{name}/train": None for name in names}
    return {backbone: list(read) for backbone, read in places.items()}
