"""The configuration: checked against its schema and completed by defaults."""

from __future__ import annotations

import json
import re
from pathlib import Path

from jsonschema import Draft202012Validator, ValidationError, validators

from groundvts.compared import ask_at_ratios, check_rows, narrow, share_out
from groundvts.errors import BadInput
from groundvts.launcher import Launcher
from groundvts.runs import (
    BASE,
    CONSTANT,
    MAIN_BENCHMARK,
    OWN_KEYS,
    STAGES,
    asked,
    base_variants,
    runs,
    stage_settings,
)
from groundvts.scales import TOY, frames_of

PUBLISHED = (
    *("charades_sta", "activitynet_captions", "qvhighlights", "nextgqa", "tacos", "llava_video"),
)
MOST = 10_000_000  # of a number, where the schema names no maximum
MOST_ENTRIES = 500  # of a list or mapping
ASKING_KEYS = ("sampler", "ratio", "fps")  # what a variant that asks another's `model` may change


def checked(config: dict, schema_file: Path) -> dict:
    """The configuration with all defaults filled in; BadInput names the first wrong key."""
    schema = json.loads(Path(schema_file).read_text(encoding="utf-8"))
    completed = json.loads(json.dumps(config, default=str))  # YAML has dates
    _take_over(completed.get("variants"))
    _validate(completed, schema)
    _add_bases(completed)
    _validate(completed, schema)
    _check_parts(completed, schema)
    if completed["protocol"] == "official" and completed["prompts"]["file"] is None:
        raise BadInput(
            "config: prompts.file: null, but protocol official asks by the released prompts: name "
            "a file that holds them"
        )
    _check_benchmarks(completed)
    ask_at_ratios(completed)
    narrow(completed)
    _check_names(completed)
    share_out(completed)
    try:
        launcher = Launcher(**completed["launcher"])
        launcher.check(completed["stages"])
    except BadInput as error:
        raise BadInput(f"config: {error}") from None
    _check_asking(completed)
    _check_starts(completed)
    for run in runs(completed):
        if run.vts["centring"] and launcher.count > 1 and run.trains:
            raise BadInput(f"config: variants.{run.variant}: centring: each process would keep a "
                           "mean of its own: train on one")  # fmt: skip
        if run.vts["decode"] == "leak" and run.vts["drop"] != "masked":
            raise BadInput(f"config: variants.{run.variant}: decode leak: set drop to masked")
    return completed


def _add_bases(config: dict) -> None:
    """Makes variants of the bases; BadInput where one is named so."""
    if config["scale"] == TOY and config["toy"]["bases"] == "make":
        for one in config["backbones"].values():
            one["checkpoint"] = None
    bases = base_variants(config)
    if taken := sorted({CONSTANT, *bases} & set(config["variants"])):
        raise BadInput(f"config: variants.{taken[0]}: is asked anyway: give yours another name")
    config["variants"] = bases | config["variants"]


def _check_parts(config: dict, schema: dict) -> None:
    """BadInput where a backbone's frames, or a variant's own settings of a stage, are none."""
    for backbone in config["backbones"]:
        place = ("backbones", backbone, "frames")
        _validate(frames_of(config, backbone), schema["properties"]["frames"], *place)
    stages = schema["properties"]["stages"]["properties"]
    for run in runs(config):
        for stage, own in run.training.items():
            place = ("variants", run.variant, "training", stage)
            _validate(config["stages"][stage] | own, stages[stage], *place)


def _validate(instance: dict, schema: dict, *place: str) -> None:
    """Writes defaults into what stands at `place`; BadInput names the first wrong key."""
    errors = Validator(schema).iter_errors(instance)
    for error in sorted(errors, key=lambda error: list(map(str, error.path))):
        key = ".".join(map(str, [*place, *error.absolute_path])) or "config"
        raise BadInput(f"config: {key}: {error.message:.300}: see config.schema.json")


def _check_asking(config: dict) -> None:
    """BadInput where a variant asks a model in a way that there is none, or reads no rate."""
    known = {run.name for run in runs(config)}
    for run in runs(config):
        if run.model not in (None, BASE, *known):
            raise BadInput(f"config: variants.{run.variant}.seeds: {run.model} is not trained: "
                           "give the other variant this seed")  # fmt: skip
        if run.fps is not None and frames_of(config, run.backbone)["count"] is not None:
            raise BadInput(f"config: variants.{run.variant}.fps: {run.backbone} reads a fixed "
                           "number of frames: leave it out")  # fmt: skip


def _check_starts(config: dict) -> None:
    """BadInput where a run has nothing to start from, or a stage of it nothing to train."""
    used = {name for names in asked(config).values() for name in names}
    needed = {r.backbone for r in runs(config) if r.trains or (r.model == BASE and r.name in used)}
    for backbone in sorted(needed) if config["scale"] != TOY else []:
        if config["backbones"][backbone]["checkpoint"] is None:
            raise BadInput(f"config: backbones.{backbone}.checkpoint: null, but only the toy scale "
                           "makes its own: name a folder or a hub id")  # fmt: skip
    if config["features"] and config["backbones"]["internvl"]["lora_vision"]:
        raise BadInput("config: backbones.internvl.lora_vision: the vision tower trains, so its "
                       "output cannot be kept: set features: false")  # fmt: skip
    for run in runs(config):
        if list(run.stages) != sorted(run.stages, key=STAGES.index):
            order = ", ".join(STAGES)
            raise BadInput(f"config: variants.{run.variant}.stages: the order is {order}")
        for stage in run.stages:
            if not stage_settings(config, run, stage)["learning_rate"]:
                raise BadInput(f"config: variants.{run.variant}.freeze: nothing is left to train "
                               f"in stage {stage}: leave it out of stages")  # fmt: skip


def _take_over(variants) -> None:
    """Gives each variant that is `like` an earlier one its settings, where it names none itself."""
    if not isinstance(variants, dict) or not all(isinstance(v, dict) for v in variants.values()):
        return  # the schema says so
    earlier = []
    for name, one in variants.items():
        if one.get("model") and (odd := set(one) - {*OWN_KEYS, *ASKING_KEYS, "model", "backbone"}):
            raise BadInput(
                f"config: variants.{name}.{min(odd)}: asks another's model, which is as it was "
                "trained: leave it out"
            )
        for key in ("like", "model"):
            if one.get(key) and (key, one[key]) != ("model", BASE):
                if one[key] not in earlier:
                    known = ", ".join(earlier) or "none"
                    raise BadInput(
                        f"config: variants.{name}.{key}: {one[key]!r} is no variant before it; "
                        f"there are {known}"
                    )
                taken = variants[one[key]].items()
                variants[name] = {key: val for key, val in taken if key not in OWN_KEYS} | one
        earlier.append(name)


def _check_benchmarks(config: dict) -> None:
    """BadInput where a benchmark lacks what it needs."""
    for name, one in config["benchmarks"].items():
        if one["format"] is None and name not in PUBLISHED:
            known = ", ".join(PUBLISHED)
            raise BadInput(f"config: benchmarks.{name}.format: needed: moments, or one of {known}")
        named = one["annotations"]
        named = [named] if isinstance(named, str) else named
        if len(one["splits"]) > 1 and not all("{split}" in file for file in named):
            raise BadInput(
                f"config: benchmarks.{name}.annotations: one file for {len(one['splits'])} splits; "
                "put {split} in its name"
            )


def _check_names(config: dict) -> None:
    """BadInput where a benchmark or split is named that there is not."""
    benchmarks = config["benchmarks"]
    splits = {split for one in benchmarks.values() for split in one["splits"]}
    for split in config["policy"]:
        if split not in splits:
            known = ", ".join(sorted(splits))
            raise BadInput(f"config: policy: no benchmark has a split {split!r}; there are {known}")
    if MAIN_BENCHMARK not in config["evaluate"]:
        raise BadInput(f"config: evaluate: the report is about {MAIN_BENCHMARK}: add it")
    for name, variants in config["evaluate"].items():
        known = (CONSTANT, *config["variants"])
        for unknown in [] if variants == "all" else sorted(set(variants) - set(known)):
            listed = ", ".join(known)
            raise BadInput(f"config: evaluate.{name}: no variant {unknown!r}; there are {listed}")
    for name, one in config["ablations"].items():
        for unknown in sorted(set(one["variants"]) - {CONSTANT, *config["variants"]}):
            raise BadInput(f"config: ablations.{name}.variants: no variant {unknown!r}")
        check_rows(f"config: ablations.{name}", one)
    tests = {name: one["test"] for name, one in benchmarks.items()}
    needed = [("evaluate", name, tests.get(name)) for name in config["evaluate"]]
    reducers = config["reducers"]
    if reducers["variants"] and MAIN_BENCHMARK not in reducers["benchmarks"]:
        raise BadInput(f"config: reducers.benchmarks: the report is about {MAIN_BENCHMARK}: add it")
    needed += [
        (f"reducers.{key}", name, tests.get(name))
        for key in ("benchmarks", "cases")
        for name in reducers[key]
    ]
    needed += [
        (f"ablations.{ablation}.benchmarks", name, tests.get(name))
        for ablation, one in config["ablations"].items()
        for name in one["benchmarks"]
    ]
    needed.append(("probe", *config["probe"].split("/")))
    for run in runs(config):
        for stage in run.stages if run.trains else ():
            own = f"variants.{run.variant}.training" if stage in run.training else "stages"
            read = stage_settings(config, run, stage)["data"]
            needed += [(f"{own}.{stage}.data", name, "train") for name in read]
    for key, name, split in needed:
        if name not in benchmarks:
            known = ", ".join(benchmarks)
            raise BadInput(f"config: {key}: no benchmark {name!r}: name one of {known}")
        if split not in benchmarks[name]["splits"]:
            raise BadInput(f"config: {key}: {name} has no split {split!r}: add it to its splits")


def _fill(validator, schemas, instance, schema):
    """The keyword `properties`, which also writes defaults into what is checked."""
    if isinstance(instance, dict):
        for key, part in schemas.items():
            if "default" in part:
                instance.setdefault(key, json.loads(json.dumps(part["default"])))
    yield from Draft202012Validator.VALIDATORS["properties"](validator, schemas, instance, schema)


def _match(validator, pattern, instance, schema):
    """The keyword `pattern`, of the whole text: `$` alone lets a line break at the end pass."""
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern}")


def _be(validator, types, instance, schema):
    """The keyword `type`: texts can be printed, numbers are finite, nothing is astronomical."""
    yield from Draft202012Validator.VALIDATORS["type"](validator, types, instance, schema)
    if isinstance(instance, str) and not instance.isprintable():
        yield ValidationError(f"{instance!r} holds a line break or a control character")
    most = schema.get("maximum", MOST)
    if isinstance(instance, int | float) and not abs(instance) <= most:
        yield ValidationError(f"{instance} is no number of at most {most}")
    if isinstance(instance, list | dict) and len(instance) > MOST_ENTRIES:
        yield ValidationError(f"{len(instance)} entries are more than {MOST_ENTRIES}")


Validator = validators.extend(
    Draft202012Validator, {"properties": _fill, "pattern": _match, "type": _be}
)
