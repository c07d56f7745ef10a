"""One stage of training on transformers' Trainer: resumable, on one process or several."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import torch
from transformers import Trainer, TrainerCallback, set_seed
from transformers.integrations.deepspeed import unset_hf_deepspeed_config
from transformers.trainer_callback import PrinterCallback

from groundvts.escape import log
from groundvts.progress import Progress
from groundvts.records import read_record
from groundvts.training.checkpoints import (
    SEAL,
    checkpoints,
    discard,
    last_checkpoint,
    seal,
    take_over,
)
from groundvts.training.engine import Engine, arguments
from groundvts.training.processes import Processes
from groundvts.training.samples import DurationGrouped, Samples
from groundvts.training.saved import save_adapter
from groundvts.training.stages import StageSettings, group_of


class StageTrainer(Trainer):
    """Trainer with one learning rate for each group of parameters, and adapters as checkpoints.

    `started_by` says in each checkpoint which processes can continue it. `seconds` is how long it
    has trained, with what led to the checkpoint that it continued from; `batch_sizes` are one
    process's, by the step before the first that had each; `losses` are those that each process has
    added up since the last that was logged, where it continues: transformers' state lacks them.
    """

    def __init__(self, *args, rates: dict[str, float], started_by: dict, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.rates, self.started_by = rates, started_by
        self.earlier, self.began, self.losses = 0.0, time.perf_counter(), None
        self.batch_sizes = {"0": self.args.per_device_train_batch_size}
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

    @property
    def seconds(self) -> float:
        return self.earlier + time.perf_counter() - self.began

    def train(self, resume_from_checkpoint: str | None = None, **options):
        if resume_from_checkpoint:
            told = read_record(Path(resume_from_checkpoint) / SEAL)
            self.earlier, self.losses = told["seconds"], told["losses"]
            size, self.batch_sizes = self.batch_sizes["0"], told["batch_sizes"]
            if size != list(self.batch_sizes.values())[-1]:
                self.batch_sizes[str(told["step"])] = size
        self.began = time.perf_counter()
        return super().train(resume_from_checkpoint, **options)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        save_adapter(self.model, output_dir, self.args.should_save)

    def _run_epoch(self, **given) -> None:
        """Begins where the checkpoint was between two logged losses, and as the arguments say."""
        if self.losses is not None:
            self._tr_loss += self.losses[self.args.process_index]
            logged = [entry["step"] for entry in self.state.log_history if "loss" in entry]
            self._globalstep_last_logged = max(logged, default=0)
            self.state.compute_steps(self.args, self.state.max_steps)
            self.losses = None
        super()._run_epoch(**given)

    def _save_checkpoint(self, *args, **kwargs) -> None:
        """Seals it, and leaves the last two alone; transformers' deletion can leave half of one."""
        super()._save_checkpoint(*args, **kwargs)
        losses = self.accelerator.gather(self._tr_loss.reshape(1)).tolist()  # waits for all
        if self.args.should_save:
            folder, step = Path(self.args.output_dir), self.state.global_step
            told = {"step": step, "left": self.state.max_steps - step, "seconds": self.seconds}
            told |= {"losses": losses, "batch_sizes": self.batch_sizes}
            seal(folder / f"checkpoint-{step}", {**self.started_by, **told})
            for path in checkpoints(folder)[:-2]:
                discard(path)


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
    folder: Path,
    out: Path,
    label: str,
    seed: int,
) -> dict:
    """Trains `model` and writes its adapter to `out`; `model` is of no use after.

    Continues from the last whole checkpoint in `folder`; a stage that was finished there is taken
    over. Returns the steps, the one it continued from, the batch size from each step on that it was
    continued at with another, the seconds of training, and the loss curve.
    """
    given = arguments(settings, engine, processes, folder, seed)
    done = processes.agreed(take_over(folder, out) if processes.first else None)
    if done is not None:
        _say(f"{label}: was trained to its end: taken over", processes)
        return {**done, "resumed_from": done["steps"]}
    started_by = {"processes": processes.count, "zero": engine.zero}
    trainer = StageTrainer(
        model=model,
        args=given,
        train_dataset=samples,
        data_collator=samples.encoder.collate,
        callbacks=[ProgressLines(label)] if processes.first else [],
        rates=settings.learning_rate,
        started_by=started_by,
    )
    trainer.remove_callback(PrinterCallback)
    checkpoint = processes.agreed(last_checkpoint(folder, started_by) if processes.first else None)
    if checkpoint is not None:
        _say(f"{label}: continuing from {checkpoint.name}", processes)
    if not processes.first:  # what is drawn at random differs between processes
        set_seed(1000 * seed + processes.rank)
    trainer.train(str(checkpoint) if checkpoint else None)
    trainer.save_model(str(out))
    return _measured(trainer, checkpoint)


def _say(line: str, processes: Processes) -> None:
    if processes.first:
        log(line)


def _measured(trainer: StageTrainer, checkpoint: Path | None) -> dict:
    curve = [
        {key: entry[key] for key in ("step", "loss", "learning_rate")}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
    return {
        "steps": trainer.state.global_step,
        "resumed_from": int(checkpoint.name.split("-")[1]) if checkpoint else 0,
        "batch_sizes": trainer.batch_sizes,
        "training_seconds": trainer.seconds,
        "loss": curve,
    }


def release() -> None:
    """Gives back what a trainer that nobody holds any more has taken; models load whole again."""
    unset_hf_deepspeed_config()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
