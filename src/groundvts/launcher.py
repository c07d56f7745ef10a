"""How the processes of a stage are started: one, or several by torchrun, with DeepSpeed or without.

Batches, and with them what is trained, are the same for every launcher but for rounding. It is
therefore no parameter of a rule: another launcher trains nothing anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from groundvts.errors import BadInput

# One torchrun a node; the first of the job's nodes is where they meet.
SLURM = (
    "srun --nodes {nodes} --ntasks {nodes} --ntasks-per-node 1 torchrun --nnodes {nodes} "
    "--rdzv_backend c10d --rdzv_id $SLURM_JOB_ID --rdzv_endpoint "
    '$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):$((29500 + SLURM_JOB_ID % 1000))'
)
BY_HAND = "torchrun --nnodes {nodes} --rdzv_backend c10d --rdzv_id groundvts --rdzv_endpoint {at}"


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
        if self.engine == "single" and self.processes * self.nodes > 1:
            raise BadInput("launcher.engine: single is one process on one node: choose torchrun or "
                           "deepspeed")  # fmt: skip
        if self.engine != "deepspeed" and (self.zero or self.offload):
            raise BadInput(f"launcher.engine: {self.engine} has neither zero nor offload: choose "
                           "deepspeed")  # fmt: skip
        if self.offload and not self.zero:
            raise BadInput("launcher.offload: ZeRO stage 0 shares nothing out: set zero to 2 or 3")
        for name, stage in stages.items():
            try:
                accumulation(
                    stage["batch_size"], stage["global_batch"], self.processes * self.nodes
                )
            except BadInput as error:
                raise BadInput(f"stages.{name}.{error}") from None

    @property
    def threads(self) -> int:
        """CPU cores that one node's processes keep busy."""
        return self.processes * (1 + self.workers)

    @property
    def resources(self) -> dict:
        """What a cluster's scheduler needs to know of a job on several nodes."""
        if self.nodes == 1:
            return {}
        return {"nodes": self.nodes, "tasks": self.nodes, "tasks_per_node": 1, "mpi": "srun"}

    def command(self) -> str:
        """Shell words that start the verb `train`, before its options."""
        words = "groundvts train"
        if self.engine != "single":
            alone = f"python -m groundvts.gpus {self.processes} torchrun --standalone"
            start = alone if self.nodes == 1 else SLURM
            start = BY_HAND if self.nodes > 1 and self.rendezvous else start
            start = start.replace("{nodes}", str(self.nodes)).replace("{at}", str(self.rendezvous))
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
