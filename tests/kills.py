"""Kills a project's work at random moments, each time goes on, and compares what comes out.

`kills.py FOLDER [--each N]` does N kills in each step, in a copy of the project made in FOLDER.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dag import command, copy_project, snakemake, tiny_config, write_config

RUN, R = "vts-0.25-s0", Path("results/toy")
STAGES = ("warmup", "joint", "grounding")
PREDICTIONS = R / "predictions" / RUN / "charades_sta.jsonl"
ACCOUNTS = ("record.json", "README.md")
VICTIMS = ("the job", "everything", "snakemake")  # in turns
MISSES = 4  # runs that ended before their kill, for each kill
DEADLINE_S = 300
STARTED: list[int] = []  # sessions


@dataclass(frozen=True)
class Step:
    """A rule's work: its verb and output, what it keeps for the next attempt, and its content."""

    verb: str
    target: Path
    kept: tuple[Path, ...]
    content: Callable[[Path], dict]


def hashes(folder: Path, pattern: str = "*") -> dict[str, str]:
    """The content of a folder's files, by name, without what tells of the run itself."""
    files = {path.name: path for path in folder.glob(pattern) if path.name not in ACCOUNTS}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def stage_content(folder: Path) -> dict:
    """The content of a stage's files, and the losses that its record tells."""
    return {**hashes(folder), "loss": json.loads((folder / "record.json").read_text())["loss"]}


def pixels(folder: Path) -> dict:
    """A frame cache's index and the content of every array it names."""
    index = json.loads((folder / "index.json").read_text())
    store = folder / index["store"]
    arrays = {name: video["key"] for name, video in index["videos"].items()}
    found = {name: hashes(store / key[:2], f"{key}.*") for name, key in arrays.items()}
    return {"index": index, **found}


def answers(predictions: Path) -> dict[str, dict]:
    """The prediction of every query, by its id."""
    lines = [json.loads(line) for line in predictions.read_text().splitlines()]
    found = {line["id"]: {k: v for k, v in line.items() if k != "seconds"} for line in lines}
    assert len(found) == len(lines)
    return found


STEPS = {
    "frames": Step("frames", R / "frames" / "charades_sta" / "test", (), pixels),
    **{
        stage: Step(
            "train",
            R / "stages" / RUN / stage,
            (R / "checkpoints" / RUN / stage,),
            stage_content,
        )
        for stage in STAGES
    },
    "merge": Step("merge", R / "merged" / RUN, (), hashes),
    "infer": Step("infer", PREDICTIONS, (PREDICTIONS.with_suffix(".answered"),), answers),
}


def project(folder: Path) -> Path:
    """A copy of the project whose steps last for some seconds, run to the end once."""
    copy_project(folder)
    config = tiny_config()
    config["toy"]["clips"]["test"] = 60
    config["inference"]["batch_size"] = 2
    for stage in config["stages"].values():
        stage.update(steps=400, checkpoint_steps=20, lora_dropout=0.1)
    write_config(folder, config)
    done = snakemake(folder, "--", str(PREDICTIONS))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def forget(folder: Path, step: Step) -> None:
    """Deletes what the step has made, when nobody works on it any more."""
    settle()
    target = folder / step.target
    if step.verb == "frames" and target.exists():
        for path in (folder / "results" / "cache" / "frames").glob("*/*"):
            path.unlink()
    for path in (target, *(folder / kept for kept in step.kept)):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def start(folder: Path, step: Step) -> subprocess.Popen:
    """Unlocks as the README's `make` does, and starts Snakemake in a session of its own."""
    _, environment = command("snakemake")
    unlock = [sys.executable, "workflow/unlock.py"]
    subprocess.run(unlock, cwd=folder, env=environment, check=True, capture_output=True)
    words, _ = command("snakemake", "--cores", "2", "--rerun-incomplete", "--", str(step.target))
    with open(folder / "output.txt", "w") as output:
        run = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    STARTED.append(run.pid)
    return run


def settle() -> None:
    """Waits for the jobs whose Snakemake was killed."""
    deadline = time.monotonic() + DEADLINE_S
    while any(session(leader) for leader in STARTED):
        assert time.monotonic() < deadline, "a job does not end"
        time.sleep(0.1)
    STARTED.clear()


def session(leader: int) -> dict[int, list[str]]:
    """The words of all living processes of a session."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found[int(process.name)] = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue
    return found


def worker(run: subprocess.Popen, step: Step) -> int | None:
    """The process that does the step's work, once it has begun; None if the run is at its end."""
    deadline = time.monotonic() + DEADLINE_S
    while run.poll() is None:
        for process, words in session(run.pid).items():
            if Path(words[0]).name.startswith("python") and step.verb in words[2:3]:
                return process
        assert time.monotonic() < deadline, f"{step.verb} does not begin"
        time.sleep(0.02)
    return None


def ended(run: subprocess.Popen, folder: Path, step: Step, expected: dict) -> Counter:
    """AssertionError unless the run ends well, with what the uninterrupted one made."""
    status = run.wait(DEADLINE_S)
    assert status == 0, (folder / "output.txt").read_text()[-3000:]
    settle()
    assert step.content(folder / step.target) == expected
    record = {}
    if step.verb == "train":
        record = json.loads((folder / step.target / "record.json").read_text())
    elif step.verb == "infer":
        record = json.loads((folder / step.target).with_suffix(".record.json").read_text())["speed"]
    taken_over = record.get("resumed_from") or record.get("taken_over")
    return Counter({"runs to the end": 1, "that went on from what was there": bool(taken_over)})


def kill(run: subprocess.Popen, process: int, victim: str) -> None:
    """Kills the job (as for want of memory), everything (without power), or Snakemake alone.

    In the last case the job lives on beside the next attempt.
    """
    chosen = {"the job": [process], "everything": session(run.pid), "snakemake": [run.pid]}[victim]
    for one in chosen:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue
    assert run.wait(DEADLINE_S) == (1 if victim == "the job" else -signal.SIGKILL)


def attempt(folder: Path, step: Step, expected: dict, delay: float, victim: str) -> Counter:
    """Starts the step and kills it after `delay` seconds of work, if it has not ended by then."""
    run = start(folder, step)
    process = worker(run, step)
    until = time.monotonic() + delay
    while process is not None and time.monotonic() < until and process in session(run.pid):
        time.sleep(0.01)
    if process is None or process not in session(run.pid):
        return ended(run, folder, step, expected)
    kill(run, process, victim)
    return Counter({"kills": 1, f"kills of {victim}": 1})


def duration(folder: Path, step: Step) -> float:
    """Seconds that the step's process works when nothing disturbs it."""
    forget(folder, step)
    run = start(folder, step)
    process, begun = worker(run, step), time.monotonic()
    while process in session(run.pid):
        time.sleep(0.01)
    lasted = time.monotonic() - begun
    assert run.wait(DEADLINE_S) == 0
    return lasted


def kill_step(folder: Path, step: Step, each: int, draw: random.Random) -> Counter:
    """Kills a step `each` times, lets it end, and compares; what happened, counted."""
    expected = step.content(folder / step.target)
    lasts = duration(folder, step)
    assert step.content(folder / step.target) == expected, f"{step.target}: not reproducible"
    forget(folder, step)
    happened = Counter()
    while happened["kills"] < each:
        victim = VICTIMS[happened["kills"] % len(VICTIMS)]
        found = attempt(folder, step, expected, draw.uniform(0, lasts), victim)
        happened += found
        assert happened["runs to the end"] <= MISSES * each
        if not found["kills"]:
            forget(folder, step)
    return happened + ended(start(folder, step), folder, step, expected)


def main(folder: Path, each: int, seed: int, names: list[str]) -> Counter:
    """Kills every step of the names `each` times and prints what happened."""
    draw, total = random.Random(seed), Counter()
    project(folder)
    for name in names:
        began = time.monotonic()
        happened = kill_step(folder, STEPS[name], each, draw)
        total += happened
        took = f"{time.monotonic() - began:.0f} s"
        counts = ", ".join(f"{count} {what}" for what, count in happened.items())
        print(f"{name}: {counts}: all equal ({took})", flush=True)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=4, help="kills in each of the six steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", nargs="*", default=list(STEPS), choices=list(STEPS))
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    main(options.folder, options.each, options.seed, options.steps)
