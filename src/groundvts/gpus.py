"""A GPU of its own for each process on a machine with several: slots are locked files.

Notable: the operating system drops a lock with its process, however that ends. Locks are those of
one user and, under Slurm, of one job, which has been given its GPUs already.

    python -m groundvts.gpus COUNT COMMAND...      runs a command (torchrun, say) on COUNT GPUs
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from groundvts.errors import BadInput
from groundvts.escape import log

TAKEN = "GROUNDVTS_GPUS"  # tells what a process starts that its GPUs are taken
WAIT_S = 1.0
NAME = re.compile(r"\d+|(GPU|MIG)-\S+")

_held: list[BinaryIO] = []  # as long as this process lives


def visible() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    As for CUDA the list ends where no GPU is named: -1 hides all, and so does NoDevFiles.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return list(takewhile(NAME.fullmatch, (gpu.strip() for gpu in named.split(","))))
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    return [str(number) for number in range(count)]


def take(count: int = 1) -> list[str]:
    """Takes `count` GPUs for this process and what it starts, and hides the others from them.

    Call it before torch looks for GPUs. It waits while others hold them. Does nothing on a machine
    without GPUs, where the process that started this one has taken them, and in one of several
    processes that train together. Raises BadInput where there are fewer, or nothing can be locked.
    """
    if TAKEN in os.environ or "LOCAL_RANK" in os.environ or not (gpus := visible()):
        return []
    if count > len(gpus):
        raise BadInput(f"{count} GPUs are asked for and {len(gpus)} are there: ask for fewer")
    waited = False
    while len(taken := _locked(gpus, count)) < count:
        if not waited:
            log(f"waiting for {count} of {len(gpus)} GPUs to be free")
        waited = True
        time.sleep(WAIT_S)
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi numbers them
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ[TAKEN] = ",".join(taken)
    return taken


def _locked(gpus: list[str], count: int) -> list[str]:
    try:
        return _lock(gpus, count)
    except OSError as error:
        why = ": ".join(filter(None, [error.filename, error.strerror]))
        raise BadInput(f"{why}: name a folder for locks of GPUs by TMPDIR") from None


def _lock(gpus: list[str], count: int) -> list[str]:
    """Locks the first `count` free ones; holds none where fewer are free."""
    owner = ".".join(filter(None, [str(os.getuid()), os.environ.get("SLURM_JOB_ID")]))
    folder = Path(tempfile.gettempdir()) / f"groundvts-gpus.{owner}"
    folder.mkdir(exist_ok=True)
    taken, files = [], []
    for gpu in gpus:
        if len(taken) == count:
            break
        file = open(folder / gpu.replace("/", "_"), "ab")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        os.set_inheritable(file.fileno(), True)  # a command that takes this one's place keeps it
        taken.append(gpu)
        files.append(file)
    if len(taken) < count:
        for file in files:
            file.close()
    else:
        _held.extend(files)
    return taken


def main(arguments: list[str]) -> None:
    if len(arguments) < 2 or not arguments[0].isdecimal() or not int(arguments[0]):
        log("groundvts.gpus: give a number of GPUs from 1 on, and a command")
        sys.exit(2)
    try:
        take(int(arguments[0]))
        os.execvp(arguments[1], arguments[1:])
    except BadInput as error:
        log(f"groundvts.gpus: {error}")
        sys.exit(2)
    except OSError as error:
        log(f"groundvts.gpus: {arguments[1]}: {error.strerror}")
        sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
