"""A stage of training on a tiny model, alone or by torchrun's processes: `ranks.py JOB.json`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

from tiny import frames

from groundvts.data.conversations import Conversation
from groundvts.data.features import PixelSource
from groundvts.data.inputs import Encoder
from groundvts.data.moment import Moment
from groundvts.prompts import Prompts
from groundvts.training import trainer
from groundvts.training.engine import Engine
from groundvts.training.processes import Processes
from groundvts.training.stages import StageSettings
from groundvts.training.train import StageRun, train_stage

RATES = {"vts": 1e-2, "projector": 1e-2, "lora": 1e-2}
SETTINGS = {"steps": 6, "batch_size": 2, "global_batch": 8, "lora_dropout": 0.0, "warmup": 0.2}
ANSWERS = ("yes", "from 03s to 09s", "from 03s to 09s or from 03s to 09s", "a red circle", "no")


class Clips(dict):
    """Noise clips by name, of 4 to 10 seconds, where training expects a frame cache."""

    def __init__(self) -> None:
        super().__init__({f"clip{n}": frames(4 + 2 * n, n) for n in range(4)})
        self.videos = {name: {"duration": clip.duration} for name, clip in self.items()}
        self.failed: dict = {}


def samples(count: int = 11) -> list[Conversation]:
    """Questions with answers of unequal length; no multiple of a batch."""
    about = ("red circle", "blue square")
    return [
        Conversation(f"q{n}", "own", f"clip{n % 4}", "question", "When does this happen?",
                     about[n % 2], about[n % 2], ANSWERS[n % len(ANSWERS)])
        for n in range(count)
    ]  # fmt: skip


def run(job: dict) -> dict:
    """Trains; the payload of the stage's record, with the loss of every step, or every `every`."""
    processes, prompts = Processes.start(), Prompts.load("toy")
    encoder = Encoder(job["base"])
    source = PixelSource(Clips(), encoder)
    moments = [Moment(f"m{n}", "own", "val", f"clip{n}", 4.0 + 2 * n, "red circle",
                      ((1.0, 3.0),), n + 1) for n in range(4)]  # fmt: skip
    settings = StageSettings(["own"], **{"learning_rate": RATES, **SETTINGS, **job["settings"]})
    out = Path(job["out"])
    stage = StageRun("run", "joint", job["base"], None, {"hidden_size": 16, **job["vts"]}, settings,
                     0, out.with_name(out.name + "-checkpoints"), out, Engine(**job["engine"]),
                     processes)  # fmt: skip
    data = [(samples(), source)]
    with patch.object(trainer, "arguments", _logging(trainer.arguments, job)):
        if job.get("fault", {}).get("rank") == processes.rank:
            _break(**job["fault"])
        given = (stage, encoder, data, moments, source, prompts, job.get("identity", {}))
        with train_stage(*given) as payload:
            if processes.first:
                (stage.partial / "payload.json").write_text(json.dumps(payload))
    assert out.exists()  # no process has gone before the first has written all
    return payload


def _logging(arguments, job: dict):
    """`arguments` that log the loss of every step, or of every few steps."""

    def made(*given):
        found = arguments(*given)
        found.logging_steps = job.get("every", 1)
        return found

    return made


def _break(step: int, rank: int, kind: int) -> None:
    """Lets this process be killed by signal `kind` when it comes to a step; 0: raise an error."""
    train = trainer.StageTrainer.training_step

    def broken(self, *given, **more):
        if self.state.global_step == step:
            if kind:
                os.kill(os.getpid(), kind)
            raise OSError("the disk is gone")
        return train(self, *given, **more)

    trainer.StageTrainer.training_step = broken


def torchrun(words: list[str]) -> subprocess.Popen:
    """Starts two processes by torchrun."""
    bin_folder = Path(sys.executable).parent
    start = [bin_folder / "torchrun", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*start, *words], env=environment, text=True, **pipes)


def ended(process: subprocess.Popen, seconds: int = 240) -> tuple[int, str]:
    """Waits for torchrun's end: its status and what it said."""
    try:
        said, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, said + errors


def start(job: dict, folder: Path) -> subprocess.Popen:
    """Starts the job by torchrun."""
    file = folder / f"{Path(job['out']).name}.json"
    file.write_text(json.dumps(job))
    return torchrun([__file__, str(file)])


def launch(job: dict, folder: Path, seconds: int = 240) -> tuple[int, str]:
    """Runs the job by torchrun to its end: its status and what it said."""
    return ended(start(job, folder), seconds)


if __name__ == "__main__":
    run(json.loads(Path(sys.argv[1]).read_text()))
