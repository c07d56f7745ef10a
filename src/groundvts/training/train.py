"""One stage from start to adapter folder: load, train, save, and look at what the scorer keeps."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from transformers import set_seed

from groundvts.data.conversations import Conversation
from groundvts.data.features import FeatureCache
from groundvts.data.inputs import Encoder
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.inference.predict import select_tokens
from groundvts.models.load import load_model
from groundvts.prompts import Prompts
from groundvts.training.stages import StageSettings, stage_model, trainable_parameters
from groundvts.training.trainer import Samples, checkpoint_folder, train


@dataclass(frozen=True)
class StageRun:
    """One stage of one run: what it starts from and where it writes."""

    run: str
    stage: str
    base: str
    previous: Path | None
    vts: dict
    settings: StageSettings
    seed: int
    checkpoints: Path
    out: Path


def train_stage(
    job: StageRun,
    encoder: Encoder,
    data: list[tuple[list[Conversation], object]],
    probe: list[Moment],
    probe_source,
    prompts: Prompts,
    fingerprint: str,
) -> dict:
    """Trains one stage and writes its adapter with `selection.jsonl` to `job.out`.

    `data` holds conversations beside the source of their videos (a feature cache or frames);
    `probe` are moments on which the trained sampler's choice is recorded. Returns the payload of
    the record.
    """
    with checkpoint_folder(job.checkpoints, fingerprint):
        set_seed(job.seed)
        base = load_model(job.base, job.vts, seed=job.seed)
        for _, source in data:
            source.check(base)
            if job.settings.lora_vision and isinstance(source, FeatureCache):
                raise BadInput("lora_vision: the vision tower trains, but its features are cached: "
                               "set features: false")  # fmt: skip
        scorer, model = base.vts, stage_model(base, job.settings, job.previous)
        if not scorer.learns and set(job.settings.learning_rate) == {"vts"}:
            model.enable_input_require_grads()  # the stage trains nothing; it has a backward pass
        trainable = trainable_parameters(model).to_dict()
        for group, count in trainable["groups"].items():
            print(f"{job.run} {job.stage}: trains {group}: {count:,} parameters", flush=True)
        samples = Samples(data, encoder)
        label = f"{job.run} {job.stage}"
        measured = train(model, samples, job.settings, job.checkpoints, label, job.seed)
        model.eval()
        selection = select_tokens(model.get_base_model(), encoder, probe_source, probe, prompts)
        _save(model, selection, job.out)
        for path in job.checkpoints.glob("checkpoint-*"):
            shutil.rmtree(path)
    return {
        "run": job.run,
        "stage": job.stage,
        **measured,
        "samples": samples.counts(),
        "trainable": trainable,
    }


def _save(model, selection: list[dict], out: Path) -> None:
    """Writes the adapter folder whole: under another name first."""
    partial = out.with_name(out.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    lines = "".join(json.dumps(entry) + "\n" for entry in selection)
    (partial / "selection.jsonl").write_text(lines, encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(out)
