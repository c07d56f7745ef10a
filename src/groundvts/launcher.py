"""How the processes of a stage are started: one, or several by torchrun, with DeepSpeed or without.

Batches are the same for every launcher, and what is trained is the same up to rounding without
dropout and noise, which each process draws for itself. The launcher is therefore no parameter of a
rule: another one trains nothing anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from groundvts.errors import BadInput

# Slurm starts one torchrun on each node; they meet at the step's first. That is known only there.
SLURM = (
    "srun --kill-on-bad-exit=1 --nodes {nodes} --ntasks {nodes} --ntasks-per-node 1 "
    "--cpus-per-task {threads} bash -c 'exec torchrun --nnodes {nodes} --rdzv_backend c10d "
    "--rdzv_id $SLURM_JOB_ID --rdzv_endpoint "
    '"$(scontrol show hostnames "$SLURM_STEP_NODELIST" | head -n 1)'
    ':$((29500 + SLURM_JOB_ID % 1000))" "$@"\' torchrun'
)
GPUS = "python -m groundvts.gpus {processes} torchrun "
ALONE = GPUS + "--standalone"
BY_HAND = GPUS + "--nnodes {nodes} --rdzv_backend c10d --rdzv_id {name} --rdzv_endpoint {at}"


@dataclass(frozen=True)
class Launcher:
    """Engine and processes of training; the configuration's section `launcher`.

    processes: on each of `nodes`; one a GPU.
    rendezvous: host:port of a node where several meet (the same command is then started on each);
      None: SLURM starts and names them.
    zero, offload: DeepSpeed's stage, and whether states wait in the machine's memory.
    workers: further processes of each one that prepare its samples.
    """

    engine: str = "single"
    processes: int = 1
    nodes: int = 1
    rendezvous: str | None = None
    zero: int = 0
    offload: bool = False
    gradient_checkpointing: bool = False
    workers: int = 0

    def check(self, stages: dict[str, dict]) -> None:
        """BadInput where settings contradict each other or a stage's batch cannot be shared out."""
        if self.engine == "single" and self.count > 1:
            raise BadInput("launcher.engine: single is one process on one node: choose torchrun or "
                           "deepspeed")  # fmt: skip
        if self.engine != "deepspeed" and (self.zero or self.offload):
            raise BadInput(f"launcher.engine: {self.engine} has neither zero nor offload: choose "
                           "deepspeed")  # fmt: skip
        if self.offload and not self.zero:
            raise BadInput("launcher.offload: ZeRO stage 0 shares nothing out: set zero to 2 or 3")
        for name, stage in stages.items():
            try:
                accumulation(stage["batch_size"], stage["global_batch"], self.count)
            except BadInput as error:
                raise BadInput(f"stages.{name}.{error}") from None

    @property
    def count(self) -> int:
        """Processes on all nodes."""
        return self.processes * self.nodes

    @property
    def threads(self) -> int:
        """CPU cores that one node's processes keep busy."""
        return self.processes * (1 + self.workers)

    @property
    def resources(self) -> dict:
        """What a cluster's scheduler needs to know of a job, as the Slurm plugin reads it.

        On several nodes the command calls srun itself (`mpi`), for one task a node.
        """
        found = {"cpus_per_task": self.threads}
        if self.nodes > 1:
            found |= {"nodes": self.nodes, "tasks": self.nodes, "tasks_per_gpu": 0, "mpi": "srun"}
        return found

    def command(self, name: str) -> str:
        """Shell words that start the verb `train`, before its options.

        Several nodes that meet by hand know one another by `name`, that of what they train.
        """
        words = "groundvts train"
        if self.engine != "single":
            start = ALONE if self.nodes == 1 else BY_HAND if self.rendezvous else SLURM
            for key in ("nodes", "threads", "processes"):
                start = start.replace(f"{{{key}}}", str(getattr(self, key)))
            start = start.replace("{at}", str(self.rendezvous)).replace("{name}", name)
            words = (  # torchrun would take the verb's options for its own but for the --
                f"OMP_NUM_THREADS=1 {start} --nproc_per_node {self.processes} "
                "-m -- groundvts.cli train"
            )
        options = [f"--zero {self.zero}"] if self.engine == "deepspeed" else []
        options += ["--offload"] if self.offload else []
        options += ["--checkpointing"] if self.gradient_checkpointing else []
        options += [f"--workers {self.workers}"] if self.workers else []
        return " ".join([words, *options])


def accumulation(batch_size: int, global_batch: int, processes: int) -> int:
    """Steps of `batch_size` samples on each process that make a global batch, or BadInput."""
    steps, rest = divmod(global_batch, batch_size * processes)
    if rest or not steps:
        raise BadInput(
            f"global_batch: {global_batch} is no multiple of batch_size {batch_size} x {processes} "
            "processes: change one of them"
        )
    return steps
