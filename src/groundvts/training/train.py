"""One stage from start to adapter folder: load, train, save, and look at what the scorer keeps."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from transformers import set_seed

from groundvts.data.conversations import Conversation, Prompts
from groundvts.data.inputs import Encoder
from groundvts.data.moment import Moment
from groundvts.inference.predict import select_tokens
from groundvts.models.load import load_model
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
    conversations: list[Conversation],
    source,
    probe: list[Moment],
    probe_source,
    prompts: Prompts,
    fingerprint: str,
) -> dict:
    """Trains one stage and writes its adapter with `selection.jsonl` to `job.out`.

    `source` and `probe_source` give each video's input (a feature cache or frames); `probe` are
    moments on which the trained sampler's choice is recorded. Returns the payload of the record.
    """
    encoder = Encoder(job.base)
    with checkpoint_folder(job.checkpoints, fingerprint):
        set_seed(job.seed)
        base = load_model(job.base, job.vts, seed=job.seed)
        source.check(base)
        model = stage_model(base, job.settings, job.previous)
        trainable = trainable_parameters(model).to_dict()
        for group, count in trainable["groups"].items():
            print(f"{job.run} {job.stage}: trains {group}: {count:,} parameters", flush=True)
        samples = Samples(conversations, encoder, source)
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
