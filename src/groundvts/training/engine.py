"""What training runs on: transformers' Trainer alone or on DeepSpeed, and its precision."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import TrainingArguments

from groundvts.errors import BadInput
from groundvts.launcher import accumulation
from groundvts.training.processes import Processes
from groundvts.training.stages import StageSettings


@dataclass(frozen=True)
class Engine:
    """How a stage is computed: results are the same up to rounding without dropout and noise.

    zero: DeepSpeed's ZeRO stage, None without DeepSpeed; offload: states (and under stage 3
    parameters) wait in the machine's memory; workers: processes that prepare samples.
    """

    zero: int | None = None
    offload: bool = False
    gradient_checkpointing: bool = False
    workers: int = 0

    def record(self, settings: StageSettings, processes: Processes) -> dict:
        """Engine, processes and batch for a stage's record."""
        name = "torchrun" if processes.launched else "single"
        return {
            "engine": name if self.zero is None else "deepspeed",
            "processes": processes.count,
            "nodes": processes.nodes,
            **asdict(self),
            "dtype": dtype(settings),
            "batch_size": settings.batch_size,
            "accumulation": accumulation(
                settings.batch_size, settings.global_batch, processes.count
            ),
            "global_batch": settings.global_batch,
        }

    def deepspeed(self) -> dict | None:
        """DeepSpeed's configuration, filled in by transformers; the optimiser stays Trainer's."""
        if self.zero is None:
            return None
        shared: dict = {"stage": self.zero}
        if self.offload:
            parts = ("optimizer", "param") if self.zero == 3 else ("optimizer",)
            shared |= {f"offload_{part}": {"device": "cpu"} for part in parts}
        auto = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")
        return {
            **dict.fromkeys((*auto, "gradient_clipping"), "auto"),
            "bf16": {"enabled": "auto"},
            "zero_optimization": shared,
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
        }


def dtype(settings: StageSettings) -> str:
    """The precision a stage computes in; what it trains is always kept in float32."""
    if settings.dtype != "auto":
        return settings.dtype
    return "bfloat16" if torch.cuda.is_available() else "float32"


def arguments(
    settings: StageSettings, engine: Engine, processes: Processes, checkpoints: Path, seed: int
) -> TrainingArguments:
    """Arguments of the Trainer; making them is where the processes meet.

    BadInput where the processes cannot share the batch out, or DeepSpeed has none to start with.
    """
    if engine.zero is not None and not processes.launched:
        raise BadInput("--zero: DeepSpeed is started by torchrun: torchrun --standalone "
                       "--nproc_per_node N -m -- groundvts.cli train ...")  # fmt: skip
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=settings.steps or -1,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=accumulation(
            settings.batch_size, settings.global_batch, processes.count
        ),
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
        bf16=dtype(settings) == "bfloat16",
        use_cpu=not on_gpu,
        ddp_backend=None if on_gpu or not processes.launched else "gloo",
        ddp_find_unused_parameters=True,  # a sampler that does not score leaves projections unused
        seed=seed,
        data_seed=seed,
        dataloader_pin_memory=on_gpu,
        **_of_engine(engine),
    )


def _of_engine(engine: Engine) -> dict:
    """Arguments of the Trainer that are the engine's, and those that are always the same."""
    return {
        "activation_checkpointing": engine.gradient_checkpointing,
        "activation_checkpointing_kwargs": {"use_reentrant": False},
        "deepspeed": engine.deepspeed(),
        "dataloader_num_workers": engine.workers,
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "report_to": "none",
        "disable_tqdm": True,
    }
