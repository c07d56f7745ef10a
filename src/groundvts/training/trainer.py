"""One stage of training on transformers' Trainer: resumable, on one process or several."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import torch
from transformers import Trainer, TrainerCallback, set_seed
from transformers.integrations.deepspeed import unset_hf_deepspeed_config
from transformers.trainer_callback import PrinterCallback

from groundvts.progress import Progress
from groundvts.records import write_json
from groundvts.training.checkpoints import STARTED_BY, last_checkpoint
from groundvts.training.engine import Engine, arguments
from groundvts.training.processes import Processes
from groundvts.training.samples import DurationGrouped, Samples
from groundvts.training.saved import save_adapter
from groundvts.training.stages import StageSettings, group_of


class StageTrainer(Trainer):
    """Trainer with one learning rate for each group of parameters, and adapters as checkpoints.

    `started_by` says in each checkpoint which processes can continue it.
    """

    def __init__(self, *args, rates: dict[str, float], started_by: dict, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.rates, self.started_by = rates, started_by
        # A step's loss is the mean over all its answer tokens; Qwen's class would have each
        # process and each step of accumulation weigh the same, however long its answers.
        self.model_accepts_loss_kwargs = True

    def _get_train_sampler(self, train_dataset=None) -> DurationGrouped:
        samples = train_dataset if train_dataset is not None else self.train_dataset
        args = self.args
        shared = args.train_batch_size * args.world_size if args.world_size > 1 else 1
        size = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        return DurationGrouped(samples.durations, size, args.seed, shared)

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            groups: dict[str, list] = {group: [] for group in self.rates}
            for name, parameter in (model or self.model).named_parameters():
                if parameter.requires_grad:
                    groups[group_of(name)].append(parameter)
            factory, options = self.get_optimizer_cls_and_kwargs(self.args)
            options.pop("lr")
            self.optimizer = factory(
                [{"params": groups[g], "lr": rate} for g, rate in self.rates.items() if groups[g]],
                **options,
            )
        return self.optimizer

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        save_adapter(self.model, output_dir, self.args.should_save)

    def _save_rng_state(self, output_dir: str) -> None:
        """Also waits for all processes: the trainer state, written next, says it is all there."""
        super()._save_rng_state(output_dir)
        if self.args.should_save:
            write_json(Path(output_dir) / STARTED_BY, self.started_by)
        self.accelerator.wait_for_everyone()


class ProgressLines(TrainerCallback):
    """Shows the share done and the loss, under the run's name."""

    def __init__(self, label: str) -> None:
        self.label, self.progress, self.note = label, None, ""

    def on_train_begin(self, args, state, control, **kwargs):
        self.progress = Progress(self.label, state.max_steps, done=state.global_step)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self.note = f"loss {float(logs['loss']):.3f}"

    def on_step_end(self, args, state, control, **kwargs):
        self.progress.update(1, self.note)

    def on_train_end(self, args, state, control, **kwargs):
        self.progress.close()


def train(
    model,
    samples: Samples,
    settings: StageSettings,
    engine: Engine,
    processes: Processes,
    checkpoints: Path,
    out: Path,
    label: str,
    seed: int,
) -> dict:
    """Trains `model`, continuing from the last whole checkpoint, and writes its adapter to `out`.

    Returns the steps, the step it continued from, and the loss curve. `model` is of no use after.
    """
    started_by = {"processes": processes.count, "zero": engine.zero}
    trainer = StageTrainer(
        model=model,
        args=arguments(settings, engine, processes, checkpoints, seed),
        train_dataset=samples,
        data_collator=samples.encoder.collate,
        callbacks=[ProgressLines(label)] if processes.first else [],
        rates=settings.learning_rate,
        started_by=started_by,
    )
    trainer.remove_callback(PrinterCallback)
    found = last_checkpoint(checkpoints, started_by) if processes.first else None
    checkpoint = processes.agreed(found)
    if checkpoint is not None and processes.first:
        print(f"{label}: continuing from {checkpoint.name}", file=sys.stderr, flush=True)
    if not processes.first:  # what is drawn at random differs between processes
        set_seed(1000 * seed + processes.rank)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.save_model(str(out))
    curve = [
        {key: entry[key] for key in ("step", "loss", "learning_rate")}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
    resumed_from = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    return {"steps": trainer.state.global_step, "resumed_from": resumed_from, "loss": curve}


def release() -> None:
    """Gives back what a trainer that nobody holds any more has taken; models load whole again."""
    unset_hf_deepspeed_config()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
