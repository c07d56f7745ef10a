"""Each process on a machine with several GPUs has its own; without GPUs nothing is done."""

import os
import signal
import subprocess
import sys

import pytest
from test_cli import refused

from groundvts import gpus
from groundvts.errors import BadInput

TAKE = "import sys; from groundvts import gpus; print(gpus.take({}), flush=True); sys.stdin.read()"
SHOW = "import os; print(*(os.environ.get(n) for n in ('CUDA_VISIBLE_DEVICES', 'GROUNDVTS_GPUS')))"


@pytest.fixture
def machine(tmp_path):
    """Variables of a machine whose GPUs are `gpus` (None: no such variable)."""

    def variables(gpus: str | None, **more) -> dict:
        kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
        named = {} if gpus is None else {"CUDA_VISIBLE_DEVICES": gpus}
        return {**kept, "TMPDIR": str(tmp_path), **named, **more}

    return variables


@pytest.fixture
def start():
    """Starts processes that take GPUs and keep them until they are ended."""
    started = []

    def process(environment: dict, count: int = 1) -> subprocess.Popen:
        words = [sys.executable, "-c", TAKE.format(count)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(words, env=environment, text=True, **pipes))
        return started[-1]

    yield process
    for one in started:
        one.kill()
        one.communicate()


def wrapped(environment: dict, *words: str) -> subprocess.CompletedProcess:
    """What `python -m groundvts.gpus` does."""
    command = [sys.executable, "-m", "groundvts.gpus", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_each_process_has_its_own_and_the_next_one_waits(machine, start):
    crew = [start(machine("4,5")) for _ in range(2)]
    assert sorted(one.stdout.readline() for one in crew) == ["['4']\n", "['5']\n"]
    late = start(machine("4,5"))
    assert late.stderr.readline() == "waiting for 1 of 2 GPUs to be free\n"
    crew[0].send_signal(signal.SIGKILL)
    crew[0].wait()
    assert late.stdout.readline() in ("['4']\n", "['5']\n")
    assert crew[1].poll() is None


def test_who_needs_several_holds_none_while_it_waits(machine, start):
    one = start(machine("0,1"))
    assert one.stdout.readline() == "['0']\n"
    both = start(machine("0,1"), 2)
    assert "waiting for 2 of 2" in both.stderr.readline()
    third = start(machine("0,1"))
    assert third.stdout.readline() == "['1']\n"
    for process in (one, third):
        process.communicate()
    assert both.stdout.readline() == "['0', '1']\n"


def test_a_command_sees_what_was_taken_and_keeps_it(machine, start):
    assert start(machine("0,1,2")).stdout.readline() == "['0']\n"
    again = "from groundvts import gpus; assert gpus.take() == []; " + SHOW
    seen = wrapped(machine("0,1,2"), "2", sys.executable, "-c", again)
    assert (seen.stdout, seen.stderr) == ("1,2 1,2\n", "")
    words = [sys.executable, "-m", "groundvts.gpus", "2", sys.executable, "-c",
             "import sys; print('there', flush=True); sys.stdin.read()"]  # fmt: skip
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=machine("0,1,2"), **pipes) as holder:
        assert holder.stdout.readline() == "there\n"
        late = start(machine("0,1,2"))
        assert "waiting for 1 of 3" in late.stderr.readline()
        holder.communicate()
    assert late.stdout.readline() == "['1']\n"


def test_jobs_of_a_scheduler_are_apart(machine, start):
    for job in ("7", "8"):  # each was given one GPU, and both call it 0
        assert start(machine("0", SLURM_JOB_ID=job)).stdout.readline() == "['0']\n"


@pytest.mark.parametrize(
    ("gpus", "more"),
    [(None, {}), ("", {}), ("-1", {}), ("-1,0", {}), ("NoDevFiles", {}),
     ("0,1", {"LOCAL_RANK": "1"})],
)  # fmt: skip
def test_where_there_is_nothing_to_take_nothing_is_done(machine, tmp_path, gpus, more):
    before = machine(gpus, **more)
    before["PATH"] = "/nowhere"
    seen = wrapped(before, "1", sys.executable, "-c", SHOW)
    assert (seen.stdout, seen.stderr) == (f"{gpus} None\n", "")
    assert not list(tmp_path.iterdir())


def test_the_machine_says_what_it_has(machine, tmp_path):
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: A (UUID: y)'\n")
    tool.chmod(0o755)
    environment = machine(None, PATH=f"{tool.parent}:/bin:/usr/bin")
    order = "import os; print(os.environ['CUDA_DEVICE_ORDER'])"
    assert wrapped(environment, "2", sys.executable, "-c", SHOW).stdout == "0,1 0,1\n"
    assert wrapped(environment, "2", sys.executable, "-c", order).stdout == "PCI_BUS_ID\n"


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("0, 1,-1,2", ["0", "1"]),
        ("GPU-8932f937-d72c,MIG-GPU-8932/1/0,all", ["GPU-8932f937-d72c", "MIG-GPU-8932/1/0"]),
    ],
)
def test_the_list_ends_where_no_gpu_is_named(monkeypatch, named, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert gpus.visible() == found


def test_a_place_for_locks_that_cannot_be_is_not_the_commands_fault(machine, tmp_path):
    folder = tmp_path / f"groundvts-gpus.{os.getuid()}"
    folder.touch()
    seen = wrapped(machine("0,1"), "1", "true")
    said = f"{folder}: File exists: name a folder for locks of GPUs by TMPDIR"
    assert (seen.returncode, seen.stderr) == (2, f"groundvts.gpus: {said}\n")


VERBS = {
    "train": ("run", "stage", "base", "data", "probe", "settings", "checkpoints", "out"),
    "merge": ("run", "base", "adapter", "moments", "source", "settings", "out"),
    "infer": ("run", "model", "moments", "source", "settings", "out"),
    "features": ("model", "frames", "cache", "out"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_whose_rule_asks_for_a_gpu_takes_one_first(monkeypatch, capsys, verb):
    def took(count=1):
        raise BadInput("took")

    monkeypatch.setattr(gpus, "take", took)
    assert refused(capsys, verb, *(f"--{name}={name}" for name in VERBS[verb])) == "groundvts: took"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("3", "true"), "3 GPUs are asked for and 2 are there: ask for fewer"),
        (("0", "true"), "give a number of GPUs from 1 on, and a command"),
        (("2",), "give a number of GPUs from 1 on, and a command"),
        (("1", "no-such-command"), "no-such-command: No such file or directory"),
    ],
)
def test_what_cannot_be_is_one_line(machine, words, said):
    seen = wrapped(machine("0,1"), *words)
    assert seen.returncode == 2
    assert seen.stderr == f"groundvts.gpus: {said}\n"
