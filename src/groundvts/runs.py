"""What a configuration runs: each variant with each seed, and who trains what they share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from groundvts.models.protocols import vts_settings

MAIN_BENCHMARK = "charades_sta"
OWN_KEYS = ("label", "seeds", "more_seeds", "main")  # not taken over by a variant `like` it
VARIANT_KEYS = (
    *(*OWN_KEYS, "like", "model", "module", "backbone", "stages", "freeze", "training", "fps"),
    "released",
)
STAGES = ("warmup", "joint", "grounding")
CONSTANT, BASE = "constant", "base"  # one window for all; the model that nothing has trained
TITLES = {"qwen": "Qwen2.5-VL", "internvl": "InternVL"}


@dataclass(frozen=True)
class Run:
    """One variant with one seed: what a trained model is, and how tables name it.

    `stages` are those it goes through, `freeze` groups that it does not train, `training` its own
    settings of stages, `fps` its own frame rate, `released` the published checkpoint that takes the
    place of training. With `model` it trains nothing, but asks that run's model, or the `base`.
    `drawn`: whether a seed enters, of its training or of its base's.
    """

    name: str
    variant: str
    seed: int
    label: str
    vts: dict
    main: bool
    backbone: str
    stages: tuple[str, ...] = STAGES
    freeze: tuple[str, ...] = ()
    released: dict | None = None
    training: dict = field(default_factory=dict)
    fps: float | None = None
    model: str | None = None
    drawn: bool = True

    @property
    def trains(self) -> bool:
        """Whether it makes a model of its own, if only by merging."""
        return self.released is None and self.model is None

    def row(self) -> dict:
        """What reports need to know of the run; seed None: no chance of training enters."""
        seed = self.seed if self.drawn else None
        row = {"run": self.name, "variant": self.variant, "seed": seed, "label": self.label}
        row |= {"backbone": self.backbone, "fps": self.fps}
        keys = ("sampler", "ratio", "weights")
        return row if self.model == BASE else row | {key: self.vts[key] for key in keys}


def runs(config: dict) -> list[Run]:
    """All runs of a checked configuration, in the order of their variants.

    A run's `vts` is what its protocol says, changed by the configuration's and the variant's own.
    """
    found = []
    for variant, settings in config["variants"].items():
        own = {key: value for key, value in settings.items() if key not in VARIANT_KEYS}
        model, backbone = settings["model"], settings["backbone"] or config["backbone"]
        if model == BASE:  # has no sampling module
            own |= {"sampler": "none", "ratio": 1.0, "weights": "constant"}
        drawn = base_by_seed(config, backbone) or not (model == BASE or settings["released"])
        for seed in [*settings["seeds"], *settings["more_seeds"]][: config["most_seeds"]]:
            plain = variant == of_backbone(BASE, backbone, config) and not drawn
            found.append(
                Run(
                    name=variant if plain else f"{variant}-s{seed}",
                    variant=variant,
                    seed=seed,
                    label=settings["label"],
                    vts=vts_settings(settings["module"] or config["protocol"], config["vts"], own),
                    main=settings["main"] and seed in settings["seeds"],
                    backbone=backbone,
                    stages=() if model or settings["released"] else tuple(settings["stages"]),
                    freeze=tuple(settings["freeze"]),
                    released=settings["released"],
                    training=settings["training"],
                    fps=settings["fps"],
                    model=model if model in (None, BASE) else f"{model}-s{seed}",
                    drawn=drawn,
                )
            )
    return found


def trainers(config: dict) -> dict[tuple[str, str], str]:
    """{(run, stage): the run that trains it}: the first that goes the same way up to that stage.

    Two runs go the same way where backbone, seed, frame rate, sampling module and the settings of
    all stages so far are equal.
    """
    first: dict[str, str] = {}
    found = {}
    for run in runs(config):
        way = [run.backbone, run.seed, run.fps, run.vts]
        for stage in run.stages:
            way.append([stage, stage_settings(config, run, stage)])
            key = json.dumps(way, sort_keys=True)
            found[run.name, stage] = first.setdefault(key, run.name)
    return found


def stage_settings(config: dict, run: Run, stage: str) -> dict:
    """Settings of a run's stage: its own, without groups it freezes, and what its backbone adds."""
    settings = config["stages"][stage] | run.training.get(stage, {})
    rates = {group: rate for group, rate in settings["learning_rate"].items()
             if group not in run.freeze}  # fmt: skip
    vision = config["backbones"][run.backbone].get("lora_vision", False)
    return settings | {"learning_rate": rates, "lora_vision": vision}


def at_ratio(variant: str, ratio: float) -> str:
    """The variant that asks another's model at another ratio."""
    return f"{variant}-asked-{ratio:g}"


def of_backbone(name: str, backbone: str, config: dict) -> str:
    """The name of what there is once for each backbone: the configuration's own has no suffix."""
    return name if backbone == config["backbone"] else f"{name}-{backbone}"


def base_by_seed(config: dict, backbone: str) -> bool:
    """Whether each seed has a base of its own: where none is named, or `{seed}` stands in it."""
    checkpoint = config["backbones"][backbone]["checkpoint"]
    return checkpoint is None or "{seed}" in checkpoint


def base_variants(config: dict) -> dict[str, dict]:
    """Variants that ask the base of each backbone of the main job, with the seeds of its others."""
    variants = config["variants"].values()
    main = [v.get("backbone") or config["backbone"] for v in variants if v.get("main", True)]
    found = {}
    for backbone in dict.fromkeys((config["backbone"], *main)):
        named = "" if backbone == config["backbone"] else f"{TITLES[backbone]}: "
        label = f"{named}base, all tokens".replace("base", "Base", not named)
        one = {"label": label, "model": BASE, "backbone": backbone, "seeds": [config["seed"]]}
        if base_by_seed(config, backbone):
            own = [v for v in variants if (v.get("backbone") or config["backbone"]) == backbone]
            seeds = {s for v in own if v.get("main", True) for s in v["seeds"]}
            more = {s for v in own for s in [*v["seeds"], *v.get("more_seeds", ())]} - seeds
            one |= {"seeds": sorted(seeds) or [config["seed"]], "more_seeds": sorted(more)}
        found[of_backbone(BASE, backbone, config)] = one
    return found


def asked(config: dict) -> dict[str, list[str]]:
    """Names of the runs that the main job asks about each benchmark, in table order."""
    rows = [(CONSTANT, CONSTANT), *((r.variant, r.name) for r in runs(config) if r.main)]
    return {
        benchmark: [name for variant, name in rows if variants == "all" or variant in variants]
        for benchmark, variants in config["evaluate"].items()
    }
