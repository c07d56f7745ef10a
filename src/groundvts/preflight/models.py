"""Are the models there, how large are they, and does each stage fit the GPUs."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path

from groundvts.data.video import FrameSampling, sample_times
from groundvts.errors import BadInput
from groundvts.launcher import Launcher
from groundvts.models.memory import Batch, memory_estimate
from groundvts.models.parts import parts_of
from groundvts.models.sizes import (
    meta_model,
    parameter_counts,
    published_config,
    read_config,
    trainable_counts,
)
from groundvts.runs import BASE, asked, runs, stage_settings
from groundvts.scales import (
    Checkpoint,
    base_checkpoint,
    folder_of,
    frames_of,
    released_checkpoint,
)
from groundvts.training.stages import StageSettings, adapter_config

GB = 1e9
USABLE = 0.9  # of a GPU's memory: the rest is CUDA's and the allocator's
TEXT = 256  # tokens of a sample that are no video, where only an estimate is wanted


@dataclass(frozen=True)
class Known:
    """A backbone as it will be loaded: configuration, model on the meta device, its parameters.

    `folder` is where its checkpoint was found; None: it counts as the published one.
    """

    backbone: str
    config: object
    model: object
    parameters: dict[str, int]
    folder: str | None = None

    @property
    def positions(self) -> int:
        return self.config.text_config.max_position_embeddings

    def visual_tokens(self, sampling: FrameSampling, duration: float | None = None) -> int:
        """Most visual tokens of a video of `duration` s (None: of any)."""
        vision = self.config.vision_config
        if self.backbone == "qwen":
            side, pair = vision.patch_size * vision.spatial_merge_size, vision.temporal_patch_size
        else:
            side, pair = round(vision.patch_size[0] / self.config.downsample_ratio), 1
        frames = len(sample_times(duration or 1e6, sampling)[0])
        area = sampling.side**2 if sampling.side else sampling.max_pixels
        return math.ceil(frames / pair) * max(1, area // side**2)


def look_for_models(config: dict) -> tuple[dict[str, Known], dict, list[str]]:
    """What is known of each backbone in use, what is said of the checkpoints, and what is wrong.

    A checkpoint that is still to be downloaded counts as the published one.
    """
    known, facts, wrong = {}, {}, []
    for backbone in dict.fromkeys(run.backbone for run in runs(config) if run.main):
        found, folder = published_config(backbone), None
        starts = [base_checkpoint(config, backbone, run.seed) for run in runs(config)
                  if run.main and run.backbone == backbone]  # fmt: skip
        if config["backbones"][backbone]["checkpoint"] is None:
            starts = []
        for checkpoint in dict.fromkeys(starts):
            key = f"backbones.{backbone}"
            facts[key] = "; ".join(filter(None, (facts.get(key), _state(checkpoint))))
            if Path(folder_of(checkpoint)).exists():
                try:
                    found = _read(folder_of(checkpoint), found)
                    folder = folder_of(checkpoint)
                except BadInput as error:
                    wrong.append(f"backbones.{backbone}.checkpoint: {error}")
            elif not isinstance(checkpoint, Checkpoint) and _is_needed(config, backbone):
                wrong.append(f"backbones.{backbone}.checkpoint: {checkpoint}: no such folder")
        model = meta_model(found)
        known[backbone] = Known(backbone, found, model, parameter_counts(model), folder)
    for run in runs(config):
        if run.released is not None and run.main:
            checkpoint = released_checkpoint(run.released)
            facts[f"variants.{run.variant}"] = _state(checkpoint)
            if not isinstance(checkpoint, Checkpoint) and not Path(checkpoint).is_dir():
                key = f"variants.{run.variant}.released.checkpoint"
                wrong.append(f"{key}: {checkpoint}: no such folder")
    return known, facts, wrong


def _read(folder: str, published):
    """A checkpoint's configuration; BadInput where it is of another backbone than `published`."""
    found = read_config(folder)
    if type(found) is not type(published):
        raise BadInput(f"{folder}: of another backbone: its model_type is {found.model_type}")
    return found


def _state(checkpoint: Checkpoint | str) -> str:
    there = Path(folder_of(checkpoint)).exists()
    if isinstance(checkpoint, Checkpoint):
        return f"{checkpoint.path}: {'there' if there else 'will be downloaded'}"
    return f"{checkpoint}: {'there' if there else 'not there'}"


def _is_needed(config: dict, backbone: str) -> bool:
    """Whether anything starts from the backbone's own checkpoint."""
    used = {name for names in asked(config).values() for name in names}
    return any(
        run.name in used if run.model == BASE else not run.released or run.released["on_base"]
        for run in runs(config)
        if run.main and run.backbone == backbone
    )


def stage_estimates(config: dict, known: dict[str, Known]) -> list[dict]:
    """Of every stage that trains: its run, stage, trainable parameters and bytes on each GPU."""
    launcher = Launcher(**config["launcher"])
    processes, found = launcher.processes * launcher.nodes, []
    for run in runs(config):
        if not run.main or not run.trains:
            continue
        backbone = known[run.backbone]
        visual = backbone.visual_tokens(
            FrameSampling.read(frames_of(config, run.backbone, run.fps))
        )
        sampled = copy.copy(backbone.config)
        sampled.vts = run.vts
        for stage in run.stages:
            settings = StageSettings.from_dict(stage_settings(config, run, stage))
            targets = adapter_config(settings, parts_of(backbone.model)).target_modules
            groups, rank = list(settings.learning_rate), settings.lora_rank
            trained = trainable_counts(backbone.model, groups, targets, rank)
            memory = memory_estimate(
                sampled,
                backbone.parameters["total"],
                trained,
                Batch(settings.batch_size, visual, TEXT),
                gpus=processes,
                zero=launcher.zero if processes > 1 else 0,
                checkpointing=launcher.gradient_checkpointing,
                rank=rank,
            )
            found.append({"run": run.name, "stage": stage, "trainable": trained["total"], **memory})
    return found


def merge_bytes(config: dict, known: dict[str, Known], stages: list[dict]) -> dict[str, int]:
    """{run: bytes of its base and its last adapter in float32}, as merging holds them."""
    last = {stage["run"]: stage["trainable"] for stage in stages}
    return {
        run.name: 4 * (known[run.backbone].parameters["total"] + last[run.name])
        for run in runs(config)
        if run.name in last
    }


def inference_bytes(config: dict, known: dict[str, Known]) -> dict[str, int]:
    """{backbone: bytes of its weights in bfloat16 and of a batch's cache of keys and values}."""
    needed = {}
    for backbone, one in known.items():
        text = one.config.text_config
        head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        each = 2 * 2 * text.num_hidden_layers * text.num_key_value_heads * head
        tokens = one.visual_tokens(FrameSampling.read(frames_of(config, backbone))) + TEXT
        cached = config["inference"]["batch_size"] * tokens * each
        needed[backbone] = 2 * one.parameters["total"] + cached
    return needed


def look_at_gpus(config: dict, needs: dict[str, int]) -> tuple[dict, list, list]:
    """The GPUs here, what does not fit them, and what could not be checked.

    `needs` holds the bytes that each piece of work takes on a GPU.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpus = [torch.cuda.get_device_properties(number) for number in range(count)]
    facts = {"gpus": [{"name": gpu.name, "bytes": gpu.total_memory} for gpu in gpus]}
    most = max(needs.values(), default=0)
    if not gpus:
        note = f"no GPU is visible here, so memory was not checked: up to {most / GB:.3g} GB each"
        return facts, [], [f"{note} are needed"]
    smallest = min(gpu.total_memory for gpu in gpus)
    wrong = [
        f"{what}: about {need / GB:.3g} GB on each GPU are needed, {smallest / GB:.3g} GB are there"
        for what, need in needs.items()
        if need > USABLE * smallest
    ]
    launcher = Launcher(**config["launcher"])
    if launcher.nodes == 1 and launcher.processes > count:
        wrong.append(f"launcher.processes: {launcher.processes}, each on a GPU of its own, but "
                     f"{count} are visible here: start fewer")  # fmt: skip
    return facts, wrong, []
