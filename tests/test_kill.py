"""Killed and continued: one training process, and everything at once."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dag import command, copy_project, snakemake, tiny_config, write_config

STAGE = Path("results/toy/stages/vts-0.25-s0/grounding/record.json")
CHECKPOINTS = Path("results/toy/checkpoints/vts-0.25-s0/grounding")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A project trained up to stage 3, whose stage 3 lasts for some seconds."""
    folder = copy_project(tmp_path_factory.mktemp("kill"))
    config = tiny_config()
    config["variants"].pop("internvl-vts-0.25")
    config["stages"]["grounding"].update(steps=400, checkpoint_steps=20)
    write_config(folder, config)
    done = snakemake(folder, "--", "results/toy/stages/vts-0.25-s0/joint")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def start(folder: Path) -> subprocess.Popen:
    """Snakemake training stage 3, in a session of its own."""
    words, environment = command("snakemake", "--cores", "2", "--", str(STAGE.parent))
    with open(folder / "output.txt", "w") as output:
        return subprocess.Popen(
            words, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )


def training_process(folder: Path) -> int:
    """The process that trains, once it has left a checkpoint."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if list((folder / CHECKPOINTS).glob("checkpoint-*/trainer_state.json")):
            return int((folder / CHECKPOINTS / "lock").read_text())
        time.sleep(0.05)
    raise AssertionError((folder / "output.txt").read_text()[-3000:])


def session(leader: int) -> list[int]:
    """All living processes of a session."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            found.append(int(status.parent.name))
    return found


@pytest.mark.slow
def test_a_killed_training_process_is_reported_and_resumed(work):
    run = start(work)
    os.kill(training_process(work), signal.SIGKILL)
    assert run.wait(60) == 1
    assert "Error in rule train_stage" in (work / "output.txt").read_text()
    assert not (work / STAGE).exists()
    again = snakemake(work, "--", str(STAGE.parent))
    assert again.returncode == 0, again.stderr[-3000:]
    assert "continuing from checkpoint-" in again.stdout + again.stderr
    assert '"steps": 400' in (work / STAGE).read_text()


@pytest.mark.slow
def test_everything_killed_at_once_is_unlocked_and_resumed(work):
    shutil.rmtree(work / STAGE.parent, ignore_errors=True)
    run = start(work)
    training_process(work)
    for process in session(run.pid):
        os.kill(process, signal.SIGKILL)
    run.wait(60)
    assert list((work / ".snakemake" / "locks").glob("*"))
    refused = snakemake(work, "--", str(STAGE.parent))
    assert refused.returncode == 1  # Snakemake itself refuses a locked folder
    unlock = [sys.executable, "workflow/unlock.py"]
    _, environment = command("snakemake")
    freed = subprocess.run(unlock, cwd=work, env=environment, capture_output=True, text=True)
    assert freed.returncode == 0, freed.stderr
    again = snakemake(work, "--", str(STAGE.parent))
    assert again.returncode == 0, again.stderr[-3000:]
    assert "continuing from checkpoint-" in again.stdout + again.stderr
