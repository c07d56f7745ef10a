"""One stage of training on transformers' Trainer, resumable and locked."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils.data import Dataset, Sampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_pt_utils import get_length_grouped_indices

from groundvts.data.conversations import Conversation
from groundvts.data.inputs import Encoder
from groundvts.errors import BadInput
from groundvts.progress import Progress
from groundvts.training.stages import StageSettings, group_of


class Samples(Dataset):
    """Conversations as model inputs, each beside the source of its video.

    A conversation whose video cannot be read is left out and listed with the reason; BadInput where
    none is left.
    """

    def __init__(self, data: list[tuple[list[Conversation], object]], encoder: Encoder) -> None:
        self.encoder = encoder
        self.asked = [(c, source) for conversations, source in data for c in conversations]
        self.readable = [(c, source) for c, source in self.asked if c.video in source.videos]
        if not self.readable:
            c, source = self.asked[0]
            raise BadInput(f"{c.id}: video {c.video}: {_reason(c, source)}: no video can be read")
        for c, _ in self.readable:  # a bad prompt is refused now, by name, not at a random step
            encoder.prompt(c.system, c.user, c.query)
        self.durations = [source.duration(c.video) for c, source in self.readable]

    def counts(self) -> dict:
        """How many samples were given and used, and which were left out for what reason."""
        left_out = [
            {"id": c.id, "dataset": c.dataset, "video": c.video, "reason": _reason(c, source)}
            for c, source in self.asked
            if c.video not in source.videos
        ]
        used = len(self.readable)
        return {"given": len(self.asked), "used": used, "left_out": left_out}

    def __len__(self) -> int:
        return len(self.readable)

    def __getitem__(self, index: int) -> dict:
        c, source = self.readable[index]
        prompt = self.encoder.prompt(c.system, c.user, c.query, c.answer)
        return self.encoder.sample(prompt, source.video(c.video))


def _reason(conversation: Conversation, source) -> str:
    return source.failed.get(conversation.video, "not among the videos")


class DurationGrouped(Sampler):
    """Batches of videos of like duration in random order; an epoch's order is its seed's."""

    def __init__(self, durations: list[float], batch_size: int, seed: int) -> None:
        self.durations, self.batch_size, self.seed, self.epoch = durations, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.durations)

    def __iter__(self):
        generator = torch.Generator().manual_seed(1000 * self.seed + self.epoch)
        indices = get_length_grouped_indices(self.durations, self.batch_size, None, generator)
        batches = torch.tensor(indices).split(self.batch_size)
        shuffled = torch.randperm(len(batches), generator=generator)
        return iter(torch.cat([batches[place] for place in shuffled]).tolist())


class StageTrainer(Trainer):
    """Trainer with one learning rate for each group of parameters."""

    def __init__(self, *args, rates: dict[str, float], **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.rates = rates

    def _get_train_sampler(self, train_dataset=None) -> DurationGrouped:
        samples = train_dataset if train_dataset is not None else self.train_dataset
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return DurationGrouped(samples.durations, size, self.args.seed)

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
    model, samples: Samples, settings: StageSettings, checkpoints: Path, label: str, seed: int
) -> dict:
    """Trains `model` in place; continues from the last whole checkpoint under `checkpoints`.

    Returns the steps, the step it continued from, and the loss curve.
    """
    arguments = _arguments(settings, checkpoints, seed)
    trainer = StageTrainer(
        model=model,
        args=arguments,
        train_dataset=samples,
        data_collator=samples.encoder.collate,
        callbacks=[ProgressLines(label)],
        rates=settings.learning_rate,
    )
    trainer.remove_callback(PrinterCallback)
    checkpoint = last_checkpoint(checkpoints)
    if checkpoint is not None:
        print(f"{label}: continuing from {checkpoint.name}", file=sys.stderr, flush=True)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    curve = [
        {key: entry[key] for key in ("step", "loss", "learning_rate")}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
    resumed_from = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    return {"steps": trainer.state.global_step, "resumed_from": resumed_from, "loss": curve}


def _arguments(settings: StageSettings, checkpoints: Path, seed: int) -> TrainingArguments:
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=settings.steps or -1,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=max(settings.learning_rate.values()),
        adam_beta1=settings.betas[0],
        adam_beta2=settings.betas[1],
        weight_decay=0.0,
        max_grad_norm=settings.max_grad_norm,
        warmup_steps=settings.warmup,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": settings.min_learning_rate},
        logging_steps=min(10, settings.steps or 10),
        save_steps=settings.checkpoint_steps,
        save_total_limit=2,
        bf16=on_gpu,
        use_cpu=not on_gpu,
        seed=seed,
        data_seed=seed,
        remove_unused_columns=False,
        label_names=["labels"],
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
    )


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written whole and leaves a step to do, or None.

    (From a finished one transformers' Trainer would do one step too many.)
    """
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for path in reversed(found):
        try:
            state = json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            if state["global_step"] < state["max_steps"]:
                return path
        except (OSError, ValueError):
            shutil.rmtree(path)
    return None


@contextmanager
def checkpoint_folder(folder: Path, fingerprint: str):
    """Holds the operating system's lock on `folder` while a stage trains there.

    A process that still trains the stage is waited for. Checkpoints of other settings or inputs
    (another `fingerprint`) are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            print(f"{folder}: process {lock.read().strip()} still trains here: waiting for it",
                  file=sys.stderr, flush=True)  # fmt: skip
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        marker = folder / "fingerprint"
        if not marker.exists() or marker.read_text(encoding="utf-8") != fingerprint:
            for path in folder.glob("checkpoint-*"):
                shutil.rmtree(path)
            marker.write_text(fingerprint, encoding="utf-8")
        yield folder
