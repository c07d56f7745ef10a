"""Scales: which configuration holds, what each backbone starts from and reads, what is downloaded.

A scale other than `toy` is a whole configuration of its own, in a file of workflow/scales or a
user's: nothing of the toy's is left in it.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundvts.errors import BadInput
from groundvts.yaml_files import read_yaml

TOY = "toy"
DOWNLOADS = "results/downloads"
NAMED = ("benchmarks", "variants", "evaluate", "ablations")  # sections of entries with a name
REPLACED = (*NAMED[1:], "reducers")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Checkpoint:
    """A model of the hub, and the folder it is downloaded to (`folder`: the part of it wanted)."""

    hub: str
    revision: str = "main"
    folder: str | None = None

    @property
    def name(self) -> str:
        parts = (f"{self.hub}@{self.revision}", *([self.folder] if self.folder else []))
        return "--".join(parts).replace("/", "--")

    @property
    def path(self) -> str:
        return f"{DOWNLOADS}/models/{self.name}"


def effective(merged: dict, given: dict, scales: Path) -> dict:
    """The configuration that holds: `merged`, or only what was `given` where that is another scale.

    `given` is what the command names, files and settings alike, `merged` that over config.yaml.
    With `extends` either is merged over that file of the folder `scales`. What is null among
    benchmarks, variants, evaluate and ablations is left out; a scale that is not named is that of
    the file extended. Raises BadInput where there is no such
    file.
    """
    config = _extended(given, scales)
    if config.get("scale", TOY) == TOY:
        config = _extended(merged, scales)
    for section in NAMED:
        if isinstance(config.get(section), dict):
            there = {name: one for name, one in config[section].items() if one is not None}
            config = {**config, section: there}
    if config.get("scale", TOY) != TOY and not (
        config.get("benchmarks") and config.get("variants")
    ):
        raise BadInput(
            f"config: scale: {config['scale']!r}, but nothing says what it is made of: name a file "
            f"of {scales} by --configfile"
        )
    return config


def _extended(config: dict, scales: Path) -> dict:
    """`config` over the file that it extends, and that over the next."""
    seen = []
    while (name := config.get("extends")) is not None:
        config = {key: value for key, value in config.items() if key != "extends"}
        if not isinstance(name, str) or name in seen:
            raise BadInput(f"config: extends: {name!r}: name another file of {scales}")
        seen.append(name)
        config = _over(_scale_file(scales, name), config)
    return config


def _scale_file(scales: Path, name: str) -> dict:
    known = sorted(file.stem for file in scales.glob("*.yaml"))
    if name not in known:
        raise BadInput(f"config: extends: {name!r}: {scales} has only {', '.join(known)}")
    return read_yaml(scales / f"{name}.yaml")


def _over(base: Any, changes: Any, whole: tuple[str, ...] = REPLACED) -> Any:
    """`base` changed: mappings key by key, all else, and the sections of `whole`, replaced."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return copy.deepcopy(changes)
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        merged[key] = copy.deepcopy(value) if key in whole else _over(base.get(key), value, ())
    return merged


def frames_of(config: dict, backbone: str, fps: float | None = None) -> dict:
    """Which frames a backbone reads: the common settings, changed by its own and another rate."""
    frames = config["frames"] | config["backbones"][backbone]["frames"]
    return frames if fps is None else frames | {"fps": fps}


def frames_name(config: dict, backbone: str, fps: float | None = None) -> str:
    """The name of a backbone's frames: `frames` where they are those of the configuration's own."""
    same = frames_of(config, backbone) == frames_of(config, config["backbone"])
    return at_rate("frames" if same else f"frames-{backbone}", fps)


def at_rate(name: str, fps: float | None) -> str:
    """The name of what is made of frames at another rate than the configuration's."""
    return name if fps is None else f"{name}-{fps:g}fps"


def base_checkpoint(config: dict, backbone: str, seed: int) -> Checkpoint | str:
    """The checkpoint that a run of this backbone and seed starts from: one of the hub, or a folder.

    At toy scale a rule makes those that are not named.
    """
    one = config["backbones"][backbone]
    place = one["checkpoint"] or f"results/{TOY}/bases/{backbone}-s{{seed}}"
    return _checkpoint(place.replace("{seed}", str(seed)), one["revision"])


def released_checkpoint(released: dict) -> Checkpoint | str:
    """The published checkpoint of a variant: one of the hub, or a folder."""
    return _checkpoint(released["checkpoint"], released["revision"], released["folder"])


def _checkpoint(place: str, revision: str, folder: str | None = None) -> Checkpoint | str:
    """A text of the form ORGANISATION/NAME is a hub id, unless there is such a folder."""
    if HUB_ID.fullmatch(place) and not Path(place).exists():
        return Checkpoint(place, revision, folder)
    return str(Path(place, folder)) if folder else place


def folder_of(checkpoint: Checkpoint | str) -> str:
    """Where a checkpoint lies, or will lie once it is downloaded."""
    return checkpoint.path if isinstance(checkpoint, Checkpoint) else checkpoint


def annotation_files(config: dict) -> dict[str, str]:
    """{file: the key that names it} of all annotation files."""
    files = {}
    for name, one in config["benchmarks"].items():
        for key in ("annotations", "durations", "spans"):
            named = [one[key]] if isinstance(one[key], str) else one[key] or []
            for path in named:
                for split in one["splits"]:
                    files[path.replace("{split}", split)] = f"benchmarks.{name}.{key}"
    return files


def downloaded(path: str) -> str | None:
    """The name of a file below the folder of downloads, else None."""
    inside = path.startswith(f"{DOWNLOADS}/")
    return path.removeprefix(f"{DOWNLOADS}/") if inside else None


def check_sources(config: dict) -> None:
    """BadInput, in one line, for all annotation files that neither exist nor are made by a rule."""
    wrong = []
    made = f"results/{config['scale']}/" if config["scale"] == TOY else f"{DOWNLOADS}/"
    for path, key in annotation_files(config).items():
        name = downloaded(path)
        if name is not None and name not in config["downloads"] and not Path(path).is_file():
            wrong.append(f"{key}: {path}: not among the downloads: add it there or name a file")
        elif not path.startswith(made) and name is None and not Path(path).is_file():
            wrong.append(f"{key}: {path}: no such file: name yours or leave the download")
    if wrong:
        raise BadInput("config: " + "; ".join(wrong))
